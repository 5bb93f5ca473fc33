// Status updates and their three clocks: checkpointed, acknowledged, latest.
#include <algorithm>
#include <sstream>

#include "agent/core/core.h"

namespace synod::agent::core {

void Core::on(const ExecutorUpdated& event) {
  if (executors_.count(event.executor) == 0) {
    note(NoteLevel::warning, "dropped an update of an unknown executor");
    return;
  }
  take_update(event.task, event.executor.executor, event.update, &event.executor);
}

void Core::make_update(const TaskKey& key, const std::string& executor, TaskState state,
                       Reason reason, const std::string& message) {
  Update update;
  update.uuid = fresh_uuid();
  update.state = state;
  update.source = Source::agent;
  update.reason = reason;
  update.message = message;
  update.at = wall_;
  take_update(key, executor, std::move(update), nullptr);
}

void Core::take_update(const TaskKey& key, const std::string& executor, Update update,
                       const ExecutorKey* from) {
  Task* task = find_task(key);
  if (from != nullptr) {
    // Not ours, or ended and delivered long ago: the executor may forget it.
    if (task == nullptr || task->executor != from->executor) {
      after(durable_seq_, AcknowledgeNow{*from, key, update.uuid});
      return;
    }
    if (std::find(task->recent.begin(), task->recent.end(), update.uuid) != task->recent.end()) {
      JournalSeq seq = durable_seq_;
      for (const PendingUpdate& pending : task->updates) {
        if (pending.update.uuid == update.uuid) {
          seq = pending.seq;
        }
      }
      // If it is not durable yet its own acknowledgement is on its way.
      if (seq <= durable_seq_) {
        after(seq, AcknowledgeNow{*from, key, update.uuid});
      }
      return;
    }
    if (is_terminal(task->state)) {
      std::ostringstream text;
      text << "dropped " << key << ' ' << update << ": it has ended already";
      note(NoteLevel::warning, text.str());
      after(durable_seq_, AcknowledgeNow{*from, key, update.uuid});
      return;
    }
  }
  if (task != nullptr && frameworks_ending_.count(key.framework) != 0) {
    // Nobody wants to hear it; the container's end clears the books.
    task->state = update.state;
    if (from != nullptr) {
      after(durable_seq_, AcknowledgeNow{*from, key, update.uuid});
    }
    return;
  }
  const Uuid uuid = update.uuid;
  const JournalSeq seq = persist(UpdateTaken{key, executor, std::move(update)});
  if (from != nullptr) {
    after(seq, AcknowledgeNow{*from, key, uuid});
  }
  after(seq, ForwardNow{key});
  task = find_task(key);
  if (task != nullptr && is_terminal(task->state)) {
    after_terminal(*task);
  }
}

// Sends the oldest update if none is in flight. If one is, and the end of the task is known by now,
// the master hears of that at once.
void Core::forward_head(Task& task) {
  // Not before the acknowledgement of the last one is durable either, whoever asks: after a crash
  // the framework would hear the last one again, behind this one.
  if (!registered() || task.updates.empty() || task.updates.front().seq > durable_seq_ ||
      task.acknowledged > durable_seq_) {
    return;
  }
  TaskState latest = task.updates.front().update.state;
  for (const PendingUpdate& pending : task.updates) {
    if (pending.seq <= durable_seq_) {
      latest = pending.update.state;
    }
  }
  if (task.in_flight) {
    if (!is_terminal(latest)) {
      return;
    }
  }
  task.in_flight = true;
  task.retry_delay = options_.update_retry_min;
  task.retry_at = now_ + task.retry_delay;
  emit(ToMaster{ForwardUpdate{task.spec.key, task.executor, task.updates.front().update, latest}});
}

void Core::tick_updates() {
  if (!registered()) {
    return;
  }
  for (auto& [key, task] : tasks_) {
    if (!task.in_flight || now_ < task.retry_at) {
      continue;
    }
    const Duration delay = std::min(task.retry_delay * 2, options_.update_retry_max);
    task.in_flight = false;
    forward_head(task);
    task.retry_delay = delay;
    task.retry_at = now_ + delay;
  }
}

// The executor of a command has nothing left to do but to hear its acknowledgement and go.
void Core::after_terminal(const Task& task) {
  if (!task.container) {
    return;
  }
  Executor* executor = find_executor(*task.container);
  if (executor != nullptr && executor->spec.kind == ExecutorKind::command &&
      executor->state == ExecutorState::running && !has_live_task(*executor)) {
    executor->deadline = now_ + options_.exit_patience;
  }
}

}  // namespace synod::agent::core
