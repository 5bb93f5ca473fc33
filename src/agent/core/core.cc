#include "agent/core/core.h"

#include <algorithm>
#include <sstream>

#include "base/checksum.h"

namespace synod::agent::core {

const char* to_string(ExecutorState state) {
  switch (state) {
    case ExecutorState::intended: return "intended";
    case ExecutorState::spawning: return "spawning";
    case ExecutorState::forked: return "forked";
    case ExecutorState::starting: return "starting";
    case ExecutorState::running: return "running";
    case ExecutorState::recovering: return "recovering";
    case ExecutorState::ending: return "ending";
  }
  return "unknown";
}

Core::Core(const Options& options) : options_(options), prng_(options.seed) {}

void Core::step(const Event& event, Effects& effects) {
  now_ = event.now;
  wall_ = event.wall;
  effects_ = &effects;
  std::visit([this](const auto& body) { on(body); }, event.body);
  effects_ = nullptr;
}

void Core::on(const Durable& event) {
  SYNOD_CHECK(event.seq <= last_seq_);
  durable_seq_ = std::max(durable_seq_, event.seq);
  while (!deferred_.empty() && deferred_.begin()->first <= durable_seq_) {
    const Action action = std::move(deferred_.begin()->second);
    deferred_.erase(deferred_.begin());
    run_action(action);
  }
}

void Core::on(const Tick&) {
  tick_link();
  tick_executors();
  tick_updates();
}

void Core::on(const PressureChanged& event) {
  if (event.pressure == pressure_) {
    return;
  }
  pressure_ = event.pressure;
  note(NoteLevel::warning,
       pressure_.any() ? "takes no new tasks: " + pressure_.reason : "takes new tasks again");
  if (registered()) {
    emit(ToMaster{ReportPressure{pressure_}});
  }
}

void Core::on(const StopAsked& event) {
  if (stopping_) {
    return;
  }
  stopping_ = true;
  stop_reason_ = event.reason;
  if (registered()) {
    emit(ToMaster{Unregister{event.reason}});
  }
  for (auto& [key, executor] : executors_) {
    shutdown_executor(executor,
                      Termination{TaskState::killed, Reason::executor_terminated, event.reason});
  }
  finish_if_stopping();
}

void Core::finish_if_stopping() {
  if (stopping_ && executors_.empty()) {
    emit(Exit{stop_reason_});
  }
}

void Core::run_action(const Action& action) {
  if (const auto* obey_later = std::get_if<Obey>(&action)) {
    // A newer master may have been heard since, or the connection may have ended: what a dead one
    // said, REGISTERED above all, holds no more.
    if (obey_later->connection == connection_ &&
        (options_.planted == PlantedBug::skip_master_epoch_check || obey_later->from == master_)) {
      obey_if_registered(obey_later->command);
    }
  } else if (const auto* spawn = std::get_if<SpawnNow>(&action)) {
    Executor* executor = find_executor(spawn->container);
    if (executor == nullptr) {
      return;
    }
    if (executor->state != ExecutorState::intended || !has_live_task(*executor)) {
      end_container(spawn->container, WaitStatus{}, std::nullopt);
      return;
    }
    executor->state = ExecutorState::spawning;
    Spawn effect{
        executor->container, executor->spec, frameworks_[executor->spec.key.framework], {}};
    for (const TaskKey& key : tasks_of(*executor)) {
      effect.tasks.push_back(tasks_.at(key).spec);
    }
    emit(std::move(effect));
  } else if (const auto* release = std::get_if<ReleaseNow>(&action)) {
    Executor* executor = find_executor(release->container);
    if (executor != nullptr && executor->state == ExecutorState::forked) {
      executor->state = ExecutorState::starting;
      executor->deadline = now_ + options_.executor_registration_timeout;
      emit(Release{release->container});
    }
  } else if (const auto* delivery = std::get_if<DeliverNow>(&action)) {
    if (Task* task = find_task(delivery->task)) {
      deliver(*task);
    }
  } else if (const auto* acknowledged = std::get_if<AcknowledgeNow>(&action)) {
    // An executor that is away hears it again when it sends the update again.
    const auto executor = executors_.find(acknowledged->executor);
    if (executor != executors_.end() && executor->second.connected) {
      emit(ToExecutor{acknowledged->executor,
                      AcknowledgeUpdate{acknowledged->task.task, acknowledged->uuid}});
    }
  } else if (const auto* forward = std::get_if<ForwardNow>(&action)) {
    if (Task* task = find_task(forward->task)) {
      forward_head(*task);
    }
  }
}

// Before REGISTERED a master has nothing to tell us but that, a ping, or to go.
void Core::obey_if_registered(const Command& command) {
  if (!registered() && !std::holds_alternative<Registered>(command) &&
      !std::holds_alternative<Ping>(command) && !std::holds_alternative<Shutdown>(command)) {
    std::ostringstream text;
    text << "ignored before registration: " << command;
    note(NoteLevel::warning, text.str());
    return;
  }
  std::visit([this](const auto& body) { obey(body); }, command);
}

JournalSeq Core::persist(Record record) {
  const JournalSeq seq = last_seq_.next();
  last_seq_ = seq;
  emit(Persist{seq, record});
  SYNOD_CHECK(apply(record, seq).ok());
  return seq;
}

void Core::after(JournalSeq seq, Action action) {
  if (seq <= durable_seq_) {
    run_action(action);
  } else {
    deferred_.emplace(seq, std::move(action));
  }
}

void Core::emit(Effect effect) { effects_->push_back(std::move(effect)); }

void Core::note(NoteLevel level, std::string text) { emit(Note{level, std::move(text)}); }

Uuid Core::fresh_uuid() {
  const std::uint64_t high = prng_.next();
  return uuid_from_words(high, prng_.next());
}

Instant Core::next_wake() const {
  Instant wake = link_deadline_;
  for (const auto& [key, executor] : executors_) {
    wake = std::min(wake, executor.deadline);
  }
  if (registered()) {
    for (const auto& [key, task] : tasks_) {
      if (task.in_flight) {
        wake = std::min(wake, task.retry_at);
      }
    }
  }
  return wake;
}

const Executor* Core::find(const ContainerId& container) const {
  const auto key = containers_.find(container);
  return key == containers_.end() ? nullptr : &executors_.at(key->second);
}

Executor* Core::find_executor(const ContainerId& container) {
  const auto key = containers_.find(container);
  return key == containers_.end() ? nullptr : &executors_.at(key->second);
}

Task* Core::find_task(const TaskKey& key) {
  const auto task = tasks_.find(key);
  return task == tasks_.end() ? nullptr : &task->second;
}

std::vector<TaskKey> Core::tasks_of(const Executor& executor) const {
  std::vector<std::pair<JournalSeq, TaskKey>> found;
  const std::string& framework = executor.spec.key.framework;
  for (auto it = tasks_.lower_bound(TaskKey{framework, ""});
       it != tasks_.end() && it->first.framework == framework; ++it) {
    if (it->second.container == executor.container) {
      found.emplace_back(it->second.added, it->first);
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<TaskKey> keys;
  for (auto& [seq, key] : found) {
    keys.push_back(std::move(key));
  }
  return keys;
}

bool Core::has_live_task(const Executor& executor) const {
  for (const TaskKey& key : tasks_of(executor)) {
    if (!is_terminal(tasks_.at(key).state)) {
      return true;
    }
  }
  return false;
}

TaskState Core::or_lost(const std::string& framework, TaskState state) const {
  const auto it = frameworks_.find(framework);
  return it != frameworks_.end() && it->second.partition_aware ? state : TaskState::lost;
}

std::uint64_t Core::digest() const {
  std::uint64_t hash = hash64(agent_id_);
  for (const Record& record : condensed()) {
    hash = hash_mix(hash, hash64(encode(record)));
  }
  hash = hash_mix(hash, last_seq_.value());
  hash = hash_mix(hash, durable_seq_.value());
  hash = hash_mix(hash, static_cast<std::uint64_t>(link_));
  for (const auto& [key, executor] : executors_) {
    hash = hash_mix(hash, static_cast<std::uint64_t>(executor.state));
    hash = hash_mix(hash, static_cast<std::uint64_t>(executor.deadline.nanos()));
  }
  for (const auto& [key, task] : tasks_) {
    hash = hash_mix(hash, (task.in_flight ? 1U : 0U) + (task.delivered ? 2U : 0U));
    hash = hash_mix(hash, static_cast<std::uint64_t>(task.retry_at.nanos()));
  }
  return hash;
}

std::string Core::check() const {
  std::ostringstream out;
  for (const auto& [key, executor] : executors_) {
    const bool spawned = executor.state != ExecutorState::intended;
    if (spawned && executor.written > durable_seq_ && executor.state != ExecutorState::forked &&
        executor.state != ExecutorState::ending) {
      out << "I3: " << key << " is " << to_string(executor.state) << " before seq "
          << executor.written << " is durable";
      return out.str();
    }
  }
  const bool checked = options_.planted != PlantedBug::skip_master_epoch_check;
  if (registered() && checked && master_seq_ > durable_seq_) {
    return "I4: registered before the master's epoch is durable";
  }
  for (const auto& [key, task] : tasks_) {
    if (task.in_flight && (task.updates.empty() || task.updates.front().seq > durable_seq_ ||
                           task.acknowledged > durable_seq_)) {
      out << "I1, I2: " << key << " is in flight without a durable head";
      return out.str();
    }
    for (std::size_t i = 0; i + 1 < task.updates.size(); ++i) {
      if (is_terminal(task.updates[i].update.state)) {
        out << "I5: " << key << " has an update after a terminal one";
        return out.str();
      }
    }
    if (recovered_ && !is_terminal(task.state) &&
        (!task.container || find(*task.container) == nullptr)) {
      out << "I6: " << key << " lives without an executor";
      return out.str();
    }
  }
  return "";
}

}  // namespace synod::agent::core
