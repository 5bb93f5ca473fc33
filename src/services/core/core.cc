#include "services/core/core.h"

#include <algorithm>

#include "base/check.h"
#include "base/checksum.h"
#include "services/core/words.h"

namespace synod::services::core {
namespace {

// An instance that has run this long has recovered: its failures are forgotten.
constexpr Duration healthy_after = Duration::seconds(30);
// How long to wait for a sign of life before the master is asked again.
constexpr Duration ask_again_after = Duration::seconds(10);

std::string display_name(const App& app, const Instance& instance) {
  return app.name + "." + std::to_string(instance.index);
}

Instant time_of(const Event& event) {
  return std::visit([](const auto& e) { return e.now; }, event);
}

}  // namespace

void Core::step(const Event& event, Effects& effects) {
  if (!leading_ && !std::holds_alternative<Lead>(event)) {
    return;
  }
  std::visit([&](const auto& e) { on(e, effects); }, event);
  settle_all(time_of(event), effects);
  want_offers(effects);
  set_timer(effects);
}

void Core::settle_all(Instant now, Effects& effects) {
  std::vector<std::string> removed;
  for (auto& [name, entry] : apps_) {
    settle(entry, now, effects);
    if (entry.removed) {
      removed.push_back(name);
    }
  }
  for (const std::string& name : removed) {
    finish_removal(name, effects);
  }
}

void Core::set_phase(Instance& instance, Phase phase, Instant now) {
  instance.phase = phase;
  instance.since = now;
  instance.until = now + ask_again_after;
}

void Core::on(const Lead& event, Effects& effects) {
  *this = Core();
  leading_ = true;
  token_ = event.token;
  for (const Record& record : event.records) {
    Entry& entry = apps_[record.app.name];
    entry.app = record.app;
    entry.removed = record.removed;
    for (Instance instance : record.instances) {
      // It was launched, or its launch was cut short: only the master can tell.
      const Phase without_task = is_over(instance.phase) ? instance.phase : Phase::waiting;
      set_phase(instance, instance.task_id.empty() ? without_task : Phase::launching, event.now);
      if (!instance.task_id.empty()) {
        tasks_[instance.task_id] = {entry.app.name, instance.index};
      }
      entry.instances[instance.index] = instance;
    }
  }
  (void)effects;
}

void Core::on(const Subscribed& event, Effects& effects) {
  subscribed_ = true;
  suppressed_ = false;
  offered_ = false;
  Reconcile explicit_ones;
  for (auto& [task, place] : tasks_) {
    Instance& instance = apps_[place.first].instances[place.second];
    explicit_ones.tasks.emplace_back(task, instance.agent_id);
    instance.until = event.now + ask_again_after;
  }
  if (!explicit_ones.tasks.empty()) {
    effects.push_back(std::move(explicit_ones));
  }
  // The implicit one finds tasks that no record names.
  effects.push_back(Reconcile{});
}

void Core::on(const Disconnected& event, Effects& effects) {
  subscribed_ = false;
  for (const Pending& pending : pending_) {
    withdraw(pending, event.now);
  }
  pending_.clear();
  (void)effects;
}

void Core::on(const Rescind& event, Effects& effects) {
  const auto gone = std::find_if(pending_.begin(), pending_.end(),
                                 [&](const Pending& p) { return p.offer_id == event.offer_id; });
  if (gone != pending_.end()) {
    withdraw(*gone, event.now);
    pending_.erase(gone);
  }
  (void)effects;
}

// The offer went away before the record was stored: nothing was launched.
void Core::withdraw(const Pending& pending, Instant now) {
  for (const TaskLaunch& task : pending.tasks) {
    const auto [entry, instance] = find_task(task.task_id);
    tasks_.erase(task.task_id);
    if (instance != nullptr) {
      instance->task_id.clear();
      instance->agent_id.clear();
      instance->agent_name.clear();
      instance->ports.clear();
      set_phase(*instance, Phase::waiting, now);
    }
  }
}

void Core::on(const Put& event, Effects& effects) {
  if (const auto wrong = validate(event.app)) {
    effects.push_back(Reply{event.request, *wrong});
    return;
  }
  Entry& entry = apps_[event.app.name];
  const std::uint64_t version = entry.app.version;
  App same_size = event.app;
  same_size.version = version;
  same_size.instances = entry.app.instances;
  const bool scaled_only = version != 0 && !entry.removed && same_size == entry.app;
  entry.app = event.app;
  entry.app.version = scaled_only ? version : version + 1;
  entry.removed = false;
  for (auto& [index, instance] : entry.instances) {
    if (is_over(instance.phase) || instance.phase == Phase::restarting) {
      instance.failures = 0;
      set_phase(instance, Phase::waiting, event.now);
    }
  }
  effects.push_back(
      Note{entry.app.name, 0, "wanted", std::to_string(entry.app.instances) + " wanted", "", ""});
  waiters_[store(entry, effects)] = Waiter{event.request, ""};
}

void Core::on(const Remove& event, Effects& effects) {
  const auto it = apps_.find(event.name);
  if (it == apps_.end()) {
    effects.push_back(Reply{event.request, "no app named \"" + event.name + "\""});
    return;
  }
  it->second.removed = true;
  waiters_[store(it->second, effects)] = Waiter{event.request, ""};
}

void Core::on(const Retry& event, Effects& effects) {
  const auto it = apps_.find(event.name);
  if (it == apps_.end()) {
    effects.push_back(Reply{event.request, "no app named \"" + event.name + "\""});
    return;
  }
  for (auto& [index, instance] : it->second.instances) {
    if (is_over(instance.phase) || instance.phase == Phase::restarting) {
      instance.failures = 0;
      set_phase(instance, Phase::waiting, event.now);
    }
  }
  // Or the next leader would find it over still.
  waiters_[store(it->second, effects)] = Waiter{event.request, ""};
}

void Core::on(const Stored& event, Effects& effects) {
  for (auto it = pending_.begin(); it != pending_.end(); ++it) {
    if (it->serial == event.serial) {
      Pending pending = std::move(*it);
      pending_.erase(it);
      launch(std::move(pending), event.now, effects);
      break;
    }
  }
  if (const auto told = unacknowledged_.find(event.serial); told != unacknowledged_.end()) {
    if (!told->second.uuid.empty()) {
      effects.push_back(std::move(told->second));
    }
    unacknowledged_.erase(told);
  }
  const auto waiter = waiters_.find(event.serial);
  if (waiter != waiters_.end()) {
    const Waiter done = waiter->second;
    waiters_.erase(waiter);
    if (done.request != 0) {
      effects.push_back(Reply{done.request, ""});
    }
  }
}

void Core::on(const Tick& event, Effects& effects) {
  timer_ = Instant::max();
  Reconcile asked;
  for (auto& [name, entry] : apps_) {
    for (auto& [index, instance] : entry.instances) {
      if (instance.phase == Phase::restarting && instance.until <= event.now) {
        set_phase(instance, Phase::waiting, event.now);
      } else if (instance.phase == Phase::launching && instance.until <= event.now) {
        asked.tasks.emplace_back(instance.task_id, instance.agent_id);
        instance.until = event.now + ask_again_after;
      } else if (instance.phase == Phase::stopping && instance.until <= event.now) {
        effects.push_back(Kill{instance.task_id, instance.agent_id, entry.app.kill_grace});
        instance.until = event.now + ask_again_after;
      } else if (instance.phase == Phase::running && instance.failures > 0 &&
                 instance.since + healthy_after <= event.now) {
        instance.failures = 0;
      }
    }
  }
  if (subscribed_ && !asked.tasks.empty()) {
    effects.push_back(std::move(asked));
  }
}

// Brings the instances of an app to what is wanted: creates, stops, replaces.
void Core::settle(Entry& entry, Instant now, Effects& effects) {
  const std::uint32_t wanted = entry.removed ? 0 : entry.app.instances;
  for (std::uint32_t index = 1; index <= wanted; ++index) {
    if (entry.instances.count(index) == 0) {
      Instance instance;
      instance.index = index;
      set_phase(instance, Phase::waiting, now);
      entry.instances[index] = instance;
    }
  }
  for (auto it = entry.instances.begin(); it != entry.instances.end();) {
    Instance& instance = it->second;
    const bool surplus = instance.index > wanted;
    const bool outdated = !instance.task_id.empty() && instance.version != entry.app.version;
    const bool alive = instance.phase == Phase::launching || instance.phase == Phase::running;
    if (alive && (surplus || outdated)) {
      stop(entry, instance, now, effects);
    }
    const bool idle = instance.task_id.empty();
    it = surplus && idle ? entry.instances.erase(it) : std::next(it);
  }
}

void Core::stop(Entry& entry, Instance& instance, Instant now, Effects& effects) {
  set_phase(instance, Phase::stopping, now);
  effects.push_back(Kill{instance.task_id, instance.agent_id, entry.app.kill_grace});
}

std::uint64_t Core::store(const Entry& entry, Effects& effects) {
  Record record;
  record.app = entry.app;
  record.removed = entry.removed;
  for (const auto& [index, instance] : entry.instances) {
    if (!instance.task_id.empty() || is_over(instance.phase)) {
      record.instances.push_back(instance);
    }
  }
  effects.push_back(Store{++serial_, std::move(record)});
  return serial_;
}

void Core::finish_removal(const std::string& name, Effects& effects) {
  const auto it = apps_.find(name);
  if (it == apps_.end() || !it->second.removed) {
    return;
  }
  for (const auto& [index, instance] : it->second.instances) {
    if (!instance.task_id.empty()) {
      return;
    }
  }
  apps_.erase(it);
  effects.push_back(Erase{++serial_, name});
}

std::uint64_t Core::waiting_count() const {
  std::uint64_t count = 0;
  for (const auto& [name, entry] : apps_) {
    for (const auto& [index, instance] : entry.instances) {
      count += instance.phase == Phase::waiting ? 1 : 0;
    }
  }
  return count;
}

// Offers flow only while somebody waits for one, and until the first has come: it shows that this
// master gives out again, which the failover's account waits for.
void Core::want_offers(Effects& effects) {
  if (!subscribed_) {
    return;
  }
  const bool wanted = waiting_count() > 0;
  if (wanted && suppressed_) {
    effects.push_back(Revive{});
    suppressed_ = false;
  } else if (!wanted && !suppressed_ && offered_) {
    effects.push_back(Suppress{});
    suppressed_ = true;
  }
}

void Core::set_timer(Effects& effects) {
  Instant next = Instant::max();
  for (const auto& [name, entry] : apps_) {
    for (const auto& [index, instance] : entry.instances) {
      if (instance.phase == Phase::restarting || instance.phase == Phase::launching ||
          instance.phase == Phase::stopping) {
        next = std::min(next, instance.until);
      } else if (instance.phase == Phase::running && instance.failures > 0) {
        next = std::min(next, instance.since + healthy_after);
      }
    }
  }
  if (next != timer_ && next != Instant::max()) {
    effects.push_back(SetTimer{next});
  }
  timer_ = next;
}

std::pair<Core::Entry*, Instance*> Core::find_task(const std::string& task_id) {
  const auto it = tasks_.find(task_id);
  if (it == tasks_.end()) {
    return {nullptr, nullptr};
  }
  Entry& entry = apps_.at(it->second.first);
  return {&entry, &entry.instances.at(it->second.second)};
}

// Whether the task's end is being recorded: then it is acknowledged when that is done, however
// often and by whomever it is told until then.
bool Core::waits_for_record(const Update& event) {
  for (auto& [serial, acknowledge] : unacknowledged_) {
    if (acknowledge.task_id == event.task_id) {
      if (acknowledge.uuid.empty()) {
        acknowledge.uuid = event.uuid;  // what came first was the answer of a reconciliation
      }
      return true;
    }
  }
  return false;
}

void Core::on(const Update& event, Effects& effects) {
  const auto [entry, instance] = find_task(event.task_id);
  if (instance == nullptr && waits_for_record(event)) {
    return;
  }
  if (instance != nullptr && is_terminal(event.state)) {
    ended(*entry, *instance, event, effects);
    if (is_over(instance->phase)) {
      unacknowledged_[store(*entry, effects)] =
          Acknowledge{event.task_id, event.agent_id, event.uuid};
      return;
    }
  }
  if (!event.uuid.empty()) {
    effects.push_back(Acknowledge{event.task_id, event.agent_id, event.uuid});
  }
  if (instance == nullptr) {
    if (!is_terminal(event.state)) {
      effects.push_back(Kill{event.task_id, event.agent_id, Duration::seconds(3)});
    }
    return;
  }
  if (is_terminal(event.state)) {
    return;
  }
  if (event.state == TaskState::running && instance->phase == Phase::launching) {
    set_phase(*instance, Phase::running, event.now);
    effects.push_back(Note{entry->app.name, instance->index, "running", "running",
                           instance->task_id, instance->agent_id});
  } else if (instance->phase == Phase::launching) {
    instance->until = event.now + ask_again_after;
  }
}

void Core::ended(Entry& entry, Instance& instance, const Update& event, Effects& effects) {
  const bool asked = instance.phase == Phase::stopping;
  const Duration lived = event.now - instance.since;
  const bool recovered = instance.phase == Phase::running && lived >= healthy_after;
  tasks_.erase(instance.task_id);
  instance.last = end_in_words(event);
  effects.push_back(Note{entry.app.name, instance.index, asked ? "killed" : "ended",
                         "after " + lived_in_words(lived) + ": " + instance.last, instance.task_id,
                         instance.agent_id});
  instance.task_id.clear();
  if (asked || event.state == TaskState::lost) {
    // Ours to end, or nobody's fault: it starts again at once if it is still wanted.
    set_phase(instance, Phase::waiting, event.now);
    return;
  }
  if (recovered) {
    instance.failures = 0;
  }
  const bool success = event.state == TaskState::finished;
  if (entry.app.restart == RestartPolicy::never ||
      (success && entry.app.restart == RestartPolicy::on_failure)) {
    set_phase(instance, success ? Phase::finished : Phase::failed, event.now);
    return;
  }
  instance.failures += 1;
  if (success) {
    // A service that ends well is started again without end, but never in a tight loop.
    instance.failures = std::min(instance.failures, entry.app.restarts_max);
  }
  after_failure(entry, instance, event.now, effects);
}

void Core::after_failure(Entry& entry, Instance& instance, Instant now, Effects& effects) {
  if (instance.failures > entry.app.restarts_max) {
    set_phase(instance, Phase::failed, now);
    effects.push_back(Note{entry.app.name, instance.index, "gave_up",
                           "gave up after " + std::to_string(entry.app.restarts_max) + " restarts",
                           "", ""});
    return;
  }
  set_phase(instance, Phase::restarting, now);
  instance.until = now + pause_after(entry.app, instance.failures);
  instance.restarts += 1;
  effects.push_back(Note{entry.app.name, instance.index, "restarting",
                         restarts_in_words(entry.app, instance.failures), "", ""});
}

void Core::launch(Pending pending, Instant now, Effects& effects) {
  Entry& entry = apps_.at(pending.app);
  for (const TaskLaunch& task : pending.tasks) {
    Instance& instance = entry.instances.at(task.index);
    set_phase(instance, Phase::launching, now);
    std::string where = instance.agent_name;
    for (std::uint32_t port : instance.ports) {
      where += ":" + std::to_string(port);
    }
    effects.push_back(Note{entry.app.name, instance.index, "launched", "launched " + where,
                           instance.task_id, instance.agent_id});
  }
  effects.push_back(
      Accept{pending.offer_id, pending.agent_id, entry.app, std::move(pending.tasks)});
}

std::uint64_t Core::digest() const {
  std::uint64_t h = hash64(token_, launches_);
  for (const auto& [name, entry] : apps_) {
    h = hash_mix(h, hash64(name, entry.app.version));
    for (const auto& [index, instance] : entry.instances) {
      h = hash_mix(h, hash64(instance.task_id, index));
      h = hash_mix(h, static_cast<std::uint64_t>(instance.phase));
      h = hash_mix(h, static_cast<std::uint64_t>(instance.until.nanos()));
    }
  }
  return h;
}

std::string Core::check() const {
  std::size_t tasks = 0;
  for (const auto& [name, entry] : apps_) {
    for (const auto& [index, instance] : entry.instances) {
      const bool has_task = instance.phase == Phase::storing ||
                            instance.phase == Phase::launching ||
                            instance.phase == Phase::running || instance.phase == Phase::stopping;
      if (has_task == instance.task_id.empty()) {
        return "I2 " + display_name(entry.app, instance) + " is " + to_string(instance.phase) +
               " with task \"" + instance.task_id + "\"";
      }
      if (has_task) {
        ++tasks;
        const auto it = tasks_.find(instance.task_id);
        if (it == tasks_.end() || it->second != std::make_pair(name, index)) {
          return "I2 task " + instance.task_id + " is not found by its id";
        }
      }
    }
  }
  return tasks == tasks_.size() ? "" : "I2 a task belongs to no instance";
}

}  // namespace synod::services::core
