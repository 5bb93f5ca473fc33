// The link to the master, and what comes down it.
#include <algorithm>
#include <sstream>

#include "agent/core/core.h"

namespace synod::agent::core {

namespace {

template <typename T>
std::string words(const T& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

}  // namespace

void Core::on(const MasterDetected&) {
  master_detected_ = true;
  link_backoff_ = options_.registration_backoff / 10;
  attempt_later();
}

void Core::on(const MasterLost& event) {
  note(NoteLevel::info, "no connection to a master: " + event.reason);
  master_detected_ = event.detected;
  ++connection_;
  for (auto& [key, task] : tasks_) {
    task.in_flight = false;
  }
  attempt_later();
}

// MasterLost follows, but nothing that waits for the journal may be obeyed until then.
void Core::hang_up(const std::string& reason) {
  ++connection_;
  emit(Disconnect{reason});
}

void Core::attempt_later() {
  if (!master_detected_) {
    link_ = Link::none;
    link_deadline_ = Instant::max();
    return;
  }
  if (link_ == Link::registered) {
    link_backoff_ = options_.registration_backoff / 10;
  }
  link_ = Link::waiting;
  const auto window = static_cast<std::uint64_t>(std::max<std::int64_t>(link_backoff_.nanos(), 1));
  link_deadline_ = now_ + Duration::nanos(static_cast<std::int64_t>(prng_.below(window)));
  link_backoff_ = std::min(link_backoff_ * 2, options_.registration_backoff_max);
}

void Core::tick_link() {
  if (!recovered_ || now_ < link_deadline_) {
    return;
  }
  switch (link_) {
    case Link::none: link_deadline_ = Instant::max(); return;
    case Link::waiting:
      if (stopping_) {
        link_deadline_ = Instant::max();
        return;
      }
      link_ = Link::subscribing;
      link_deadline_ = now_ + options_.registration_timeout;
      ++connection_;
      emit(Subscribe{});
      return;
    case Link::subscribing:
      hang_up("the master did not answer the registration");
      attempt_later();
      return;
    case Link::registered:
      hang_up("the master was silent for too long");
      attempt_later();
      return;
  }
}

void Core::on(const MasterSaid& event) {
  if (!heed(event.from)) {
    return;
  }
  renew_silence();
  after(options_.planted == PlantedBug::skip_master_epoch_check ? JournalSeq() : master_seq_,
        Obey{event.from, event.command, connection_});
}

// True if orders of this master may be obeyed once master_seq_ is durable (I4).
bool Core::heed(const MasterIdentity& from) {
  if (options_.planted == PlantedBug::skip_master_epoch_check) {
    return true;
  }
  if (master_ && from.lineage != master_->lineage && !options_.accept_new_lineage) {
    note(NoteLevel::error, "refused master " + words(from) + ": another lineage than " +
                               words(*master_) + "; start the agent with --accept_new_lineage if " +
                               "the registry was founded anew");
    hang_up("another lineage");
    return false;
  }
  if (master_ && from.lineage == master_->lineage && from.epoch < master_->epoch) {
    note(NoteLevel::warning, "refused master " + words(from) + ": deposed by " + words(*master_));
    hang_up("an older master_epoch");
    return false;
  }
  if (!master_ || !(from == *master_)) {
    persist(MasterSeen{from});
    if (link_ == Link::registered) {
      // The one that knew us is deposed; the newer one has to register us first.
      link_ = Link::subscribing;
      link_deadline_ = now_ + options_.registration_timeout;
      for (auto& [key, task] : tasks_) {
        task.in_flight = false;
      }
    }
  }
  return true;
}

void Core::obey(const Registered& command) {
  if (!agent_id_.empty() && command.agent_id != agent_id_) {
    note(NoteLevel::error, "the master calls us " + command.agent_id + ", but we are " + agent_id_);
    hang_up("another agent id");
    return;
  }
  if (agent_id_.empty()) {
    persist(AgentNamed{command.agent_id});
  }
  link_ = Link::registered;
  silence_limit_ = command.silence_limit;
  link_deadline_ = Instant::max();
  renew_silence();
  note(NoteLevel::info, "registered as " + command.agent_id);
  if (pressure_.any()) {
    emit(ToMaster{ReportPressure{pressure_}});
  }
  for (auto& [key, task] : tasks_) {
    task.in_flight = false;
    forward_head(task);
  }
}

void Core::obey(const Launch& command) {
  const std::string& framework = command.framework.id;
  for (const TaskSpec& task : command.tasks) {
    if (tasks_.count(task.key) != 0) {
      note(NoteLevel::warning, "ignored a launch: task " + words(task.key) + " is known already");
      return;
    }
  }
  if (stopping_) {
    refuse_launch(command, Reason::executor_terminated, "the agent is going down");
    return;
  }
  if (pressure_.any()) {
    refuse_launch(command, Reason::container_launch_failed, pressure_.reason);
    return;
  }
  if (frameworks_ending_.count(framework) != 0) {
    refuse_launch(command, Reason::executor_terminated, "the framework is being shut down");
    return;
  }
  const auto existing = executors_.find(command.executor.key);
  if (existing == executors_.end()) {
    const ContainerId container = fresh_uuid();
    const JournalSeq seq =
        persist(LaunchIntended{container, command.framework, command.executor, command.tasks});
    after(seq, SpawnNow{container});
    return;
  }
  const Executor& executor = existing->second;
  if (executor.state == ExecutorState::ending) {
    refuse_launch(command, Reason::executor_terminated, "the executor is ending");
    return;
  }
  if (executor.spec.kind != ExecutorKind::custom || command.executor.kind != executor.spec.kind) {
    refuse_launch(command, Reason::executor_terminated, "the executor id is in use");
    return;
  }
  for (const TaskSpec& task : command.tasks) {
    const JournalSeq seq = persist(TaskAdded{executor.container, task});
    after(seq, DeliverNow{task.key});
  }
}

void Core::refuse_launch(const Launch& command, Reason reason, const std::string& message) {
  const TaskState state = command.framework.partition_aware ? TaskState::dropped : TaskState::lost;
  for (const TaskSpec& task : command.tasks) {
    make_update(task.key, command.executor.key.executor, state, reason, message);
  }
}

void Core::obey(const Kill& command) {
  Task* task = find_task(command.task);
  if (task == nullptr) {
    answer_unknown(command.task, Reason::executor_terminated, "the agent has no such task to kill");
    return;
  }
  if (is_terminal(task->state)) {
    return;
  }
  Executor& executor = *find_executor(*task->container);
  const Duration grace = command.grace.value_or(task->spec.kill_grace);
  const bool unheard =
      executor.state == ExecutorState::intended || executor.state == ExecutorState::spawning ||
      executor.state == ExecutorState::forked || executor.state == ExecutorState::starting;
  if (!task->delivered && task->state == TaskState::staging && unheard) {
    kill_undelivered(*task);
    return;
  }
  persist(KillAsked{command.task, grace});
  if (executor.connected) {
    emit(ToExecutor{executor.spec.key, KillTask{command.task.task, grace}});
  }
  if (executor.spec.kind == ExecutorKind::command && executor.state == ExecutorState::running) {
    executor.deadline = std::min(executor.deadline, now_ + grace + options_.kill_patience);
  }
}

void Core::obey(const Acknowledge& command) {
  Task* task = find_task(command.task);
  if (task == nullptr || task->updates.empty() ||
      task->updates.front().update.uuid != command.uuid ||
      task->updates.front().seq > durable_seq_) {
    note(NoteLevel::info, "ignored an acknowledgement for " + words(command.task));
    return;
  }
  // The next update goes out only when this is durable: else, after a crash now, the framework
  // would hear the old one again after the new one.
  const JournalSeq seq = persist(UpdateAcknowledged{command.task, command.uuid});
  after(seq, ForwardNow{command.task});
}

void Core::obey(const ShutdownExecutor& command) {
  const auto it = executors_.find(command.executor);
  if (it == executors_.end()) {
    note(NoteLevel::info, "no executor " + words(command.executor) + " to shut down");
    return;
  }
  shutdown_executor(it->second, std::nullopt);
}

void Core::obey(const ShutdownFramework& command) {
  const bool known = frameworks_.count(command.framework) != 0 ||
                     tasks_.lower_bound(TaskKey{command.framework, ""}) !=
                         tasks_.lower_bound(TaskKey{command.framework + '\0', ""});
  if (!known) {
    return;
  }
  persist(FrameworkEnded{command.framework});
  for (auto& [key, executor] : executors_) {
    if (key.framework == command.framework) {
      shutdown_executor(executor, std::nullopt);
    }
  }
}

void Core::obey(const Reconcile& command) {
  for (const TaskKey& key : command.tasks) {
    if (tasks_.count(key) == 0) {
      answer_unknown(key, Reason::reconciliation, "the agent does not know the task");
    }
  }
}

void Core::answer_unknown(const TaskKey& key, Reason reason, const std::string& message) {
  emit(ToMaster{AnswerUnknown{key, or_lost(key.framework, TaskState::dropped), reason, message}});
}

void Core::obey(const UpdateFramework& command) {
  const auto it = frameworks_.find(command.framework.id);
  if (it != frameworks_.end() && !(it->second == command.framework)) {
    persist(FrameworkChanged{command.framework});
  }
  // It subscribed again, maybe after a long absence: what it has not acknowledged it hears now, and
  // not when the next attempt would be due, which may be minutes away.
  for (auto task = tasks_.lower_bound(TaskKey{command.framework.id, ""});
       task != tasks_.end() && task->first.framework == command.framework.id; ++task) {
    if (task->second.in_flight) {
      task->second.in_flight = false;
      forward_head(task->second);
    }
  }
}

void Core::obey(const Ping& command) { emit(ToMaster{Pong{command.number}}); }

// Whatever the registered master says proves that it is there.
void Core::renew_silence() {
  if (link_ == Link::registered && silence_limit_ > Duration()) {
    link_deadline_ = now_ + silence_limit_;
  }
}

void Core::obey(const MessageExecutor& command) {
  const auto it = executors_.find(command.executor);
  if (it != executors_.end() && it->second.connected) {
    emit(ToExecutor{command.executor, ExecutorMessage{command.data}});
  }
}

void Core::obey(const Shutdown& command) {
  if (stopping_) {
    return;
  }
  note(NoteLevel::warning, "the master ends this agent: " + command.message);
  stopping_ = true;
  stop_reason_ = command.message;
  for (auto& [key, executor] : executors_) {
    shutdown_executor(executor,
                      Termination{TaskState::killed, Reason::executor_terminated, command.message});
  }
  finish_if_stopping();
}

}  // namespace synod::agent::core
