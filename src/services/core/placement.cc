// Which instance goes to which offer, with which ports.
#include <algorithm>

#include "services/core/core.h"

namespace synod::services::core {
namespace {

// How long an offer that fits nobody stays away.
constexpr Duration refuse_unfit = Duration::seconds(5);
// While nothing is wanted the framework is suppressed as well; this covers the offers under way.
constexpr Duration refuse_unwanted = Duration::seconds(60);

struct Room {
  std::int64_t cpus_milli = 0;
  std::int64_t mem_milli = 0;
  std::int64_t disk_milli = 0;
  std::vector<PortRange> ports;
};

std::uint64_t count_ports(const std::vector<PortRange>& ranges) {
  std::uint64_t count = 0;
  for (const PortRange& range : ranges) {
    count += static_cast<std::uint64_t>(range.end) - range.begin + 1;
  }
  return count;
}

bool fits(const App& app, const Room& room) {
  return app.cpus_milli <= room.cpus_milli && app.mem_milli <= room.mem_milli &&
         app.disk_milli <= room.disk_milli && app.ports <= count_ports(room.ports);
}

// Takes the lowest free ports. Precondition: fits().
std::vector<std::uint32_t> take(const App& app, Room& room) {
  room.cpus_milli -= app.cpus_milli;
  room.mem_milli -= app.mem_milli;
  room.disk_milli -= app.disk_milli;
  std::vector<std::uint32_t> ports;
  while (ports.size() < app.ports) {
    PortRange& first = room.ports.front();
    ports.push_back(first.begin);
    if (first.begin == first.end) {
      room.ports.erase(room.ports.begin());
    } else {
      ++first.begin;
    }
  }
  return ports;
}

std::size_t instances_on(const Core::Entry& entry, const std::string& agent_id) {
  return static_cast<std::size_t>(
      std::count_if(entry.instances.begin(), entry.instances.end(), [&](const auto& item) {
        return !item.second.task_id.empty() && item.second.agent_id == agent_id;
      }));
}

}  // namespace

// Takes from the offer what one app may have of it. Instances of an app are spread: an offer gets
// at most its part of the waiting ones, unless it is the only one.
bool Core::match(const Offer& offer, Instant now, Effects& effects) {
  Room room{offer.cpus_milli, offer.mem_milli, offer.disk_milli, offer.ports};
  for (auto& [name, entry] : apps_) {
    Pending pending;
    for (auto& [index, instance] : entry.instances) {
      if (instance.phase != Phase::waiting || !fits(entry.app, room)) {
        continue;
      }
      instance.task_id =
          name + "." + std::to_string(index) + "." + token_ + "-" + std::to_string(++launches_);
      instance.agent_id = offer.agent_id;
      instance.agent_name = offer.agent_name;
      instance.ports = take(entry.app, room);
      instance.version = entry.app.version;
      set_phase(instance, Phase::storing, now);
      tasks_[instance.task_id] = {name, index};
      pending.tasks.push_back(
          TaskLaunch{instance.task_id, name + "." + std::to_string(index), index, instance.ports});
      if (waiting_count() > 0 && instances_on(entry, offer.agent_id) >= spread_) {
        break;
      }
    }
    if (!pending.tasks.empty()) {
      pending.offer_id = offer.id;
      pending.agent_id = offer.agent_id;
      pending.app = name;
      pending.serial = store(entry, effects);
      pending_.push_back(std::move(pending));
      return true;
    }
  }
  return false;
}

void Core::on(const Offers& event, Effects& effects) {
  offered_ = true;
  std::vector<Offer> offers = event.offers;
  while (!offers.empty()) {
    // The agent with the fewest of our tasks first, then the roomiest, then by name.
    const auto load = [&](const Offer& offer) {
      return std::count_if(tasks_.begin(), tasks_.end(), [&](const auto& item) {
        return apps_.at(item.second.first).instances.at(item.second.second).agent_id ==
               offer.agent_id;
      });
    };
    const auto best =
        std::min_element(offers.begin(), offers.end(), [&](const Offer& a, const Offer& b) {
          const auto load_a = load(a);
          const auto load_b = load(b);
          if (load_a != load_b) {
            return load_a < load_b;
          }
          return a.cpus_milli != b.cpus_milli ? a.cpus_milli > b.cpus_milli
                                              : a.agent_name < b.agent_name;
        });
    // With several offers at hand each takes its share of what waits.
    const std::uint64_t waiting = waiting_count();
    spread_ = (waiting + offers.size() - 1) / offers.size();
    const Offer offer = *best;
    offers.erase(best);
    if (!match(offer, event.now, effects)) {
      effects.push_back(Decline{offer.id, waiting > 0 ? refuse_unfit : refuse_unwanted});
    }
  }
}

}  // namespace synod::services::core
