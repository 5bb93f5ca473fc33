// Executors from launch to end.
#include <algorithm>
#include <sstream>

#include "agent/core/core.h"

namespace synod::agent::core {

namespace {

std::string words(const ExecutorKey& key) {
  std::ostringstream out;
  out << key;
  return out.str();
}

}  // namespace

void Core::on(const Spawned& event) {
  Executor* executor = find_executor(event.container);
  if (executor == nullptr || executor->state == ExecutorState::ending) {
    // Ended while the process was made: it has not run yet and will not.
    if (executor != nullptr) {
      executor->destroying = true;
    }
    emit(Destroy{event.container});
    return;
  }
  if (executor->state != ExecutorState::spawning) {
    return;
  }
  const JournalSeq seq = persist(Forked{event.container, event.process});
  executor->state = ExecutorState::forked;
  after(seq, ReleaseNow{event.container});
}

void Core::on(const SpawnFailed& event) {
  Executor* executor = find_executor(event.container);
  if (executor == nullptr) {
    return;
  }
  if (!executor->termination) {
    const TaskState state =
        event.reason == Reason::task_invalid ? TaskState::error : TaskState::failed;
    executor->termination = Termination{state, event.reason, event.message};
  }
  end_container(event.container, WaitStatus{}, std::nullopt);
}

void Core::on(const ContainerGone& event) {
  end_container(event.container, event.status, event.exit);
}

void Core::on(const ExecutorDisconnected& event) {
  const auto it = executors_.find(event.executor);
  if (it != executors_.end()) {
    it->second.connected = false;
  }
}

void Core::on(const ExecutorSubscribed& event) {
  const auto it = executors_.find(event.executor);
  const bool welcome = it != executors_.end() && !it->second.destroying && it->second.process &&
                       it->second.state != ExecutorState::forked;
  if (!welcome) {
    emit(ToExecutor{event.executor, ExecutorRefused{"no such executor runs here"}});
    return;
  }
  Executor& executor = it->second;
  const bool first = executor.state == ExecutorState::starting;
  executor.connected = true;
  emit(ToExecutor{event.executor, ExecutorAccepted{}});
  if (executor.state == ExecutorState::ending) {
    emit(ToExecutor{event.executor, ExecutorShutdown{}});
  } else {
    executor.state = ExecutorState::running;
    executor.deadline = Instant::max();
  }
  for (const auto& [task, update] : event.unacknowledged_updates) {
    take_update(task, event.executor.executor, update, &event.executor);
  }
  if (executor.state == ExecutorState::ending) {
    return;
  }
  const auto& held = event.unacknowledged_tasks;
  for (const TaskKey& key : tasks_of(executor)) {
    Task& task = tasks_.at(key);
    if (is_terminal(task.state)) {
      after_terminal(task);
      continue;
    }
    const bool has_it = task.state != TaskState::staging || !task.updates.empty() ||
                        std::find(held.begin(), held.end(), key.task) != held.end();
    if (has_it) {
      task.delivered = true;
    } else if (first || executor.spec.kind == ExecutorKind::command) {
      // Ours keeps true books: what it does not name it never got.
      task.delivered = false;
      deliver(task);
    } else {
      make_update(key, event.executor.executor, or_lost(key.framework, TaskState::dropped),
                  Reason::agent_restarted, "the executor came back without the task");
      continue;
    }
    if (task.kill && task.delivered) {
      emit(ToExecutor{event.executor, KillTask{key.task, *task.kill}});
      if (executor.spec.kind == ExecutorKind::command) {
        executor.deadline = now_ + *task.kill + options_.kill_patience;
      }
    }
  }
}

void Core::deliver(Task& task) {
  if (task.delivered || is_terminal(task.state) || task.added > durable_seq_ || !task.container) {
    return;
  }
  const Executor* executor = find_executor(*task.container);
  if (executor == nullptr || !executor->connected || executor->state != ExecutorState::running) {
    return;
  }
  task.delivered = true;
  emit(ToExecutor{executor->spec.key, LaunchTask{task.spec}});
}

void Core::kill_undelivered(Task& task) {
  const ContainerId container = *task.container;
  const TaskKey key = task.spec.key;
  make_update(key, task.executor, TaskState::killed, Reason::task_killed_during_launch,
              "killed before it was delivered to the executor");
  Executor* executor = find_executor(container);
  if (executor != nullptr && executor->spec.kind == ExecutorKind::command) {
    destroy(*executor, std::nullopt);
  }
}

// Orderly: the executor is told and has its grace.
void Core::shutdown_executor(Executor& executor, std::optional<Termination> why) {
  if (executor.state == ExecutorState::ending) {
    return;
  }
  if (executor.state != ExecutorState::running) {
    destroy(executor, std::move(why));
    return;
  }
  executor.termination = std::move(why);
  executor.state = ExecutorState::ending;
  executor.deadline = now_ + executor.spec.shutdown_grace;
  if (executor.connected) {
    emit(ToExecutor{executor.spec.key, ExecutorShutdown{}});
  }
}

// By force. What exists is killed; what does not exist yet is caught when it does.
void Core::destroy(Executor& executor, std::optional<Termination> why) {
  if (executor.destroying) {
    return;
  }
  if (why && !executor.termination) {
    executor.termination = std::move(why);
  }
  const ExecutorState before = executor.state;
  executor.state = ExecutorState::ending;
  executor.deadline = Instant::max();
  if (before != ExecutorState::intended && before != ExecutorState::spawning) {
    executor.destroying = true;
    emit(Destroy{executor.container});
  }
}

// Tasks that have not ended by their own word get their last update here, then the container is
// written off.
void Core::end_container(const ContainerId& container, const WaitStatus& status,
                         const std::optional<TaskExit>& exit) {
  Executor* executor = find_executor(container);
  if (executor == nullptr) {
    return;
  }
  const ExecutorKey key = executor->spec.key;
  const bool custom = executor->spec.kind == ExecutorKind::custom;
  executor->connected = false;
  for (const TaskKey& task : tasks_of(*executor)) {
    if (is_terminal(tasks_.at(task).state)) {
      continue;
    }
    if (exit && exit->task == task.task && is_terminal(exit->update.state)) {
      take_update(task, key.executor, exit->update, nullptr);
    } else if (executor->termination) {
      const Termination& why = *executor->termination;
      make_update(task, key.executor, why.state, why.reason, why.message);
    } else {
      make_update(task, key.executor, TaskState::failed, Reason::executor_terminated,
                  "Executor " + to_string(status));
    }
  }
  persist(ContainerEnded{container, status});
  if (custom && registered()) {
    emit(ToMaster{ReportExecutorEnded{key, status}});
  }
  finish_if_stopping();
}

void Core::tick_executors() {
  for (auto& [key, executor] : executors_) {
    if (now_ < executor.deadline) {
      continue;
    }
    executor.deadline = Instant::max();
    switch (executor.state) {
      case ExecutorState::starting:
        note(NoteLevel::warning, "executor " + words(key) + " did not register in time");
        destroy(executor, Termination{TaskState::failed, Reason::executor_registration_timeout,
                                      "Executor did not register in time"});
        break;
      case ExecutorState::recovering:
        note(NoteLevel::warning, "executor " + words(key) + " did not register again in time");
        destroy(executor, Termination{or_lost(key.framework, TaskState::gone),
                                      Reason::executor_reregistration_timeout,
                                      "Executor did not register again in time"});
        break;
      case ExecutorState::running:
        note(NoteLevel::warning, "executor " + words(key) + " is ended by force");
        destroy(executor, Termination{TaskState::killed, Reason::none,
                                      "Killed by the agent as the executor did not end it"});
        break;
      case ExecutorState::ending: destroy(executor, std::nullopt); break;
      case ExecutorState::intended:
      case ExecutorState::spawning:
      case ExecutorState::forked: break;
    }
  }
}

}  // namespace synod::agent::core
