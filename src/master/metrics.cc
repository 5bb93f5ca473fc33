// /metrics/snapshot: a flat object of numbers.

#include <map>

#include "master/documents.h"
#include "mesos/json_text.h"
#include "translate/amounts.h"

namespace synod::master {

namespace {

using Numbers = std::map<std::string, double>;

void count_resources(const core::View& view, Numbers& out) {
  resources::Resources total;
  resources::Resources used;
  for (const auto& agent : view.agents) {
    total.add(agent->total);
    used.add(agent->allocated);
  }
  for (const std::string name : {"cpus", "gpus", "mem", "disk"}) {
    const double all = translate::milli_to_double(total.nonrevocable().scalar(name));
    const double taken = translate::milli_to_double(used.nonrevocable().scalar(name));
    out["master/" + name + "_total"] = all;
    out["master/" + name + "_used"] = taken;
    out["master/" + name + "_percent"] = all > 0 ? taken / all : 0.0;
    const double revocable = translate::milli_to_double(total.revocable().scalar(name));
    const double taken_back = translate::milli_to_double(used.revocable().scalar(name));
    out["master/" + name + "_revocable_total"] = revocable;
    out["master/" + name + "_revocable_used"] = taken_back;
    out["master/" + name + "_revocable_percent"] = revocable > 0 ? taken_back / revocable : 0.0;
  }
}

// TASK_RUNNING -> running
std::string short_name(core::TaskState state) {
  std::string name = std::string(core::to_string(state)).substr(5);
  for (char& c : name) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return name;
}

void count_tasks(const core::View& view, Numbers& out) {
  for (const core::TaskState state :
       {core::TaskState::staging, core::TaskState::starting, core::TaskState::running,
        core::TaskState::killing, core::TaskState::finished, core::TaskState::failed,
        core::TaskState::killed, core::TaskState::error, core::TaskState::lost,
        core::TaskState::dropped, core::TaskState::gone, core::TaskState::gone_by_operator,
        core::TaskState::unreachable}) {
    out["master/tasks_" + short_name(state)] = 0;
  }
  for (const auto& agent : view.agents) {
    for (const auto& task : agent->tasks) {
      if (!core::is_terminal(task.state)) {
        ++out["master/tasks_" + short_name(task.state)];
      }
    }
  }
  for (const auto& framework : view.frameworks) {
    out["master/tasks_unreachable"] += static_cast<double>(framework->unreachable_tasks.size());
  }
  for (const auto& ended : view.counters.tasks_ended) {
    out["master/tasks_" + short_name(ended.first)] = static_cast<double>(ended.second);
  }
}

}  // namespace

std::string metrics_page(const Facts& facts) {
  const core::View& view = *facts.picture.view;
  const core::Core::Summary& summary = facts.picture.summary;
  const core::Counters& counters = view.counters;
  Numbers out;
  auto put = [&out](const char* name, auto value) { out[name] = static_cast<double>(value); };
  put("master/elected", 1);
  put("master/uptime_secs",
      static_cast<double>(facts.now.millis - facts.self.started.millis) / 1000.0);
  put("master/outstanding_offers", summary.offers);
  put("master/slaves_active", summary.agents_registered);
  put("master/slaves_connected", summary.agents_registered);
  put("master/slaves_disconnected", summary.agents_disconnected);
  put("master/slaves_inactive", summary.agents_disconnected);
  put("master/slaves_unreachable", view.unreachable.size());
  put("master/slave_registrations", counters.agents_registered);
  put("master/slave_reregistrations", counters.agents_reregistered);
  put("master/slave_removals", counters.agents_removed);
  put("master/slave_unreachable_completed", counters.agents_unreachable);
  put("master/frameworks_active", summary.frameworks_connected);
  put("master/frameworks_connected", summary.frameworks_connected);
  put("master/frameworks_disconnected", summary.frameworks_disconnected);
  put("master/frameworks_inactive", summary.frameworks_disconnected);
  put("master/messages_launch_tasks", counters.calls_accept);
  put("master/messages_decline_offers", counters.calls_decline);
  put("master/valid_status_updates", counters.status_updates_valid);
  put("master/invalid_status_updates", counters.status_updates_invalid);
  put("master/valid_status_update_acknowledgements", counters.acknowledgements_valid);
  put("master/invalid_status_update_acknowledgements", counters.acknowledgements_invalid);
  put("allocator/mesos/allocation_runs", counters.allocation_turns);
  put("synod/master_epoch", facts.picture.leadership.epoch.value());
  put("synod/offers_made", counters.offers_made);
  put("synod/offers_rescinded", counters.offers_rescinded);
  put("synod/tasks_launched", counters.tasks_launched);
  count_resources(view, out);
  count_tasks(view, out);
  mesos::JsonWriter json;
  json.begin_object();
  for (const auto& number : out) {
    json.field(number.first, number.second);
  }
  json.end_object();
  return json.take();
}

}  // namespace synod::master
