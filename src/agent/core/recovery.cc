// What a record means, in this life and when it is read again in the next.
#include <algorithm>
#include <sstream>

#include "agent/core/core.h"

namespace synod::agent::core {

namespace {

// Enough to recognise what an executor repeats: it repeats only what is not acknowledged.
constexpr std::size_t recent_uuids_max = 64;

Error misfit(const Record& record, const std::string& why) {
  std::ostringstream out;
  out << "agent journal: " << record << ": " << why;
  return Error{ErrorCode::corrupt, out.str()};
}

void remember(std::deque<Uuid>& recent, const Uuid& uuid) {
  if (std::find(recent.begin(), recent.end(), uuid) == recent.end()) {
    recent.push_back(uuid);
  }
  if (recent.size() > recent_uuids_max) {
    recent.pop_front();
  }
}

}  // namespace

Status Core::replay(const Record& record) {
  SYNOD_CHECK(!recovered_);
  last_seq_ = last_seq_.next();
  durable_seq_ = last_seq_;
  return apply(record, last_seq_);
}

std::vector<std::pair<ContainerId, std::optional<ProcessRef>>> Core::unfinished_containers() const {
  std::vector<std::pair<ContainerId, std::optional<ProcessRef>>> list;
  for (const auto& [container, key] : containers_) {
    list.emplace_back(container, executors_.at(key).process);
  }
  return list;
}

void Core::on(const RecoveryChecked& event) {
  SYNOD_CHECK(!recovered_);
  recovered_ = true;
  boot_id_ = event.boot_id;
  for (const auto& [container, process] : unfinished_containers()) {
    ContainerFound found;
    for (const ContainerFound& candidate : event.found) {
      if (candidate.container == container) {
        found = candidate;
      }
    }
    Executor& executor = *find_executor(container);
    // A process of another boot is another process, whatever its pid.
    if (found.alive && process && process->boot_id == boot_id_) {
      executor.state = ExecutorState::recovering;
      executor.deadline = now_ + options_.executor_reregistration_timeout;
      emit(Watch{container, *process});
      if (frameworks_ending_.count(executor.spec.key.framework) != 0) {
        destroy(executor, std::nullopt);
      }
      continue;
    }
    if (!process) {
      executor.termination = Termination{or_lost(executor.spec.key.framework, TaskState::dropped),
                                         Reason::agent_restarted,
                                         "the agent restarted before the executor was started"};
    }
    end_container(container, found.status, found.exit);
  }
  note(NoteLevel::info, "recovered " + std::to_string(executors_.size()) + " executors and " +
                            std::to_string(tasks_.size()) + " tasks");
}

Status Core::apply(const Record& record, JournalSeq seq) {
  return std::visit([this, seq](const auto& body) { return apply_one(body, seq); }, record);
}

Status Core::apply_one(const AgentNamed& record, JournalSeq) {
  agent_id_ = record.agent_id;
  return {};
}

Status Core::apply_one(const MasterSeen& record, JournalSeq seq) {
  master_ = record.master;
  master_seq_ = seq;
  return {};
}

Status Core::apply_one(const LaunchIntended& record, JournalSeq seq) {
  if (executors_.count(record.executor.key) != 0 || containers_.count(record.container) != 0) {
    return misfit(record, "that executor exists");
  }
  frameworks_[record.framework.id] = record.framework;
  containers_[record.container] = record.executor.key;
  Executor& executor = executors_[record.executor.key];
  executor.spec = record.executor;
  executor.container = record.container;
  executor.written = seq;
  for (const TaskSpec& spec : record.tasks) {
    Task& task = tasks_[spec.key];
    task = Task{};
    task.spec = spec;
    task.executor = record.executor.key.executor;
    task.container = record.container;
    task.added = seq;
  }
  return {};
}

Status Core::apply_one(const Forked& record, JournalSeq seq) {
  Executor* executor = find_executor(record.container);
  if (executor == nullptr) {
    return misfit(record, "no such container");
  }
  executor->process = record.process;
  executor->written = seq;
  return {};
}

Status Core::apply_one(const TaskAdded& record, JournalSeq seq) {
  const Executor* executor = find_executor(record.container);
  if (executor == nullptr) {
    return misfit(record, "no such container");
  }
  Task& task = tasks_[record.task.key];
  task = Task{};
  task.spec = record.task;
  task.executor = executor->spec.key.executor;
  task.container = record.container;
  task.added = seq;
  return {};
}

Status Core::apply_one(const UpdateTaken& record, JournalSeq seq) {
  Task& task = tasks_[record.task];
  if (task.spec.key.task.empty()) {  // one that never had an executor
    task.spec.key = record.task;
    task.executor = record.executor;
    task.added = seq;
  }
  task.state = record.update.state;
  if (record.update.process != 0) {
    task.process = record.update.process;
  }
  remember(task.recent, record.update.uuid);
  std::erase_if(task.told, [&](const Update& u) { return u.state == record.update.state; });
  task.told.push_back(record.update);
  task.updates.push_back(PendingUpdate{record.update, seq});
  return {};
}

Status Core::apply_one(const UpdateAcknowledged& record, JournalSeq seq) {
  Task* task = find_task(record.task);
  if (task == nullptr || task->updates.empty() ||
      task->updates.front().update.uuid != record.uuid) {
    return misfit(record, "it is not the head of that task's updates");
  }
  task->updates.pop_front();
  task->acknowledged = seq;
  task->in_flight = false;
  forget_if_done(record.task);
  return {};
}

Status Core::apply_one(const KillAsked& record, JournalSeq) {
  if (Task* task = find_task(record.task)) {
    task->kill = record.grace;
  }
  return {};
}

Status Core::apply_one(const ContainerEnded& record, JournalSeq) {
  const Executor* executor = find_executor(record.container);
  if (executor == nullptr) {
    return misfit(record, "no such container");
  }
  const ExecutorKey key = executor->spec.key;
  const bool over = frameworks_ending_.count(key.framework) != 0;
  for (const TaskKey& task : tasks_of(*executor)) {
    tasks_.at(task).container.reset();
    if (over) {
      tasks_.erase(task);
    }
  }
  executors_.erase(key);
  containers_.erase(record.container);
  forget_framework_if_done(key.framework);
  return {};
}

Status Core::apply_one(const FrameworkChanged& record, JournalSeq) {
  frameworks_[record.framework.id] = record.framework;
  return {};
}

Status Core::apply_one(const FrameworkEnded& record, JournalSeq) {
  frameworks_ending_.insert(record.framework);
  for (auto it = tasks_.lower_bound(TaskKey{record.framework, ""});
       it != tasks_.end() && it->first.framework == record.framework;) {
    it->second.updates.clear();
    it->second.in_flight = false;
    if (it->second.container) {
      ++it;
    } else {
      it = tasks_.erase(it);
    }
  }
  forget_framework_if_done(record.framework);
  return {};
}

Status Core::apply_one(const TaskKept& record, JournalSeq seq) {
  Task& task = tasks_[record.task.key];
  if (task.spec.key.task.empty()) {
    task.spec = record.task;
    task.executor = record.executor;
    task.added = seq;
  }
  task.state = record.state;
  task.process = record.process;
  task.recent.assign(record.recent.begin(), record.recent.end());
  task.told = record.told;
  return {};
}

// A terminal task is kept until the framework has its last update.
void Core::forget_if_done(const TaskKey& key) {
  const Task& task = tasks_.at(key);
  if (!is_terminal(task.state) || !task.updates.empty()) {
    return;
  }
  tasks_.erase(key);
  forget_framework_if_done(key.framework);
}

void Core::forget_framework_if_done(const std::string& framework) {
  const auto executor = executors_.lower_bound(ExecutorKey{framework, ""});
  const auto task = tasks_.lower_bound(TaskKey{framework, ""});
  if ((executor == executors_.end() || executor->first.framework != framework) &&
      (task == tasks_.end() || task->first.framework != framework)) {
    frameworks_.erase(framework);
    frameworks_ending_.erase(framework);
  }
}

std::vector<Record> Core::condensed() const {
  std::vector<Record> records;
  if (!agent_id_.empty()) {
    records.push_back(AgentNamed{agent_id_});
  }
  if (master_) {
    records.push_back(MasterSeen{*master_});
  }
  for (const auto& [container, key] : containers_) {
    const Executor& executor = executors_.at(key);
    LaunchIntended intent{container, frameworks_.at(key.framework), executor.spec, {}};
    for (const TaskKey& task : tasks_of(executor)) {
      intent.tasks.push_back(tasks_.at(task).spec);
    }
    records.push_back(std::move(intent));
    if (executor.process) {
      records.push_back(Forked{container, *executor.process});
    }
  }
  for (const auto& [id, framework] : frameworks_) {
    records.push_back(FrameworkChanged{framework});
  }
  for (const auto& [key, task] : tasks_) {
    // The state before the pending updates is not known any more, and not needed: they follow.
    records.push_back(TaskKept{task.spec, task.executor, task.state, task.process,
                               std::vector<Uuid>(task.recent.begin(), task.recent.end()),
                               task.told});
    if (task.kill) {
      records.push_back(KillAsked{key, *task.kill});
    }
    for (const PendingUpdate& pending : task.updates) {
      records.push_back(UpdateTaken{key, task.executor, pending.update});
    }
  }
  for (const std::string& framework : frameworks_ending_) {
    records.push_back(FrameworkEnded{framework});
  }
  return records;
}

}  // namespace synod::agent::core
