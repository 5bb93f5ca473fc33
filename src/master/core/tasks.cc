// Tasks: statuses up, acknowledgements and kills down, reconciliation.
#include <algorithm>

#include "base/check.h"
#include "master/core/core.h"

namespace synod::master::core {

const Core::Task* Core::find_task(const Framework& framework, const TaskId& id) const {
  const auto where = framework.tasks.find(id);
  return where == framework.tasks.end() ? nullptr
                                        : &agents_.at(where->second).tasks.at({framework.key, id});
}

Core::Task* Core::find_task(const Framework& framework, const TaskId& id) {
  const auto where = framework.tasks.find(id);
  return where == framework.tasks.end() ? nullptr
                                        : &at(where->second).tasks.at({framework.key, id});
}

TaskStatus Core::status_of(TaskState state, const TaskId& task, std::int32_t why) const {
  TaskStatus status;
  status.task = task;
  status.state = state;
  status.source = StatusSource::master;
  status.reason = why;
  status.timestamp = wall_;
  return status;
}

TaskStatus Core::status_of(const Task& task, TaskState state, std::int32_t why) const {
  TaskStatus status = status_of(state, task.view.id, why);
  status.agent = task.view.agent;
  status.executor = task.view.executor;
  for (const TaskStatus& known : task.view.statuses) {
    if (known.state == state) {
      status.healthy = known.healthy;
    }
  }
  return status;
}

void Core::on(const AgentUpdate& event) {
  Agent* agent = speaking(event.stream);
  if (agent == nullptr) {
    ++counters_.status_updates_invalid;
    return;
  }
  Framework* framework = find(event.framework);
  if (framework == nullptr) {
    // Nobody will ever acknowledge it. A framework that ended has its updates acknowledged for it;
    // one that is merely unknown may still come back, so the agent keeps them.
    ++counters_.status_updates_invalid;
    if (is_completed(event.framework)) {
      tell(*agent, Shutdown{event.framework, {}, "the framework was removed"});
      if (event.status.uuid) {
        tell(*agent, AcknowledgeUpdate{event.framework, event.status.task, *event.status.uuid});
      }
    }
    return;
  }
  ++counters_.status_updates_valid;
  const TaskKey key{framework->key, event.status.task};
  const auto it = agent->tasks.find(key);
  if (it != agent->tasks.end()) {
    take_status(*agent, it->second, event.status, event.latest_state);
    it->second.update_state = event.status.state;
    it->second.update_uuid = event.status.uuid;
    if (!event.status.uuid && is_terminal(event.status.state)) {
      end_task(*agent, key);  // no acknowledgement will come
    }
  }
  // Also for a task that is not in the books: the framework must hear and acknowledge it.
  tell(*framework, Update{event.status});
}

// The status becomes the newest of its state; the latest state may be ahead of it.
void Core::take_status(Agent& agent, Task& task, const TaskStatus& status, TaskState latest) {
  auto& statuses = task.view.statuses;
  std::erase_if(statuses, [&](const TaskStatus& known) { return known.state == status.state; });
  statuses.push_back(status);
  take_state(agent, task, latest);
  changed(agent);
}

void Core::take_state(Agent& agent, Task& task, TaskState latest) {
  if (is_terminal(task.view.state) || task.view.state == latest) {
    return;
  }
  task.view.state = latest;
  if (is_terminal(latest)) {
    ++counters_.tasks_ended[latest];
    release_task(agent, task);
  }
  changed(agent);
}

// Its amount is free as soon as it is known to have ended, acknowledged or not.
void Core::release_task(Agent& agent, Task& task) {
  if (!task.holds) {
    return;
  }
  task.holds = false;
  Framework& framework = at(task.framework);
  Resources amount = ledger_.release(agent.key, Holder::of_task(task.framework, task.view.id));
  framework.allocated.subtract(amount.quantities());
  changed(framework);
  changed(agent);
  allocate(allocator::Recover{task.framework, task.view.role, agent.key, std::move(amount), {}});
}

void Core::end_task(Agent& agent, const TaskKey& key) {
  const auto it = agent.tasks.find(key);
  SYNOD_CHECK(it != agent.tasks.end());
  Task task = std::move(it->second);
  SYNOD_CHECK(is_terminal(task.view.state));
  release_task(agent, task);
  agent.tasks.erase(it);
  Framework& framework = at(key.first);
  framework.tasks.erase(key.second);
  remember_completed(framework, std::move(task));
  changed(agent);
}

void Core::remember_completed(Framework& framework, Task task) {
  framework.completed.push_back(std::move(task));
  if (framework.completed.size() > options_.completed_tasks_per_framework_max) {
    framework.completed.pop_front();
  }
  changed(framework);
}

void Core::end_executor(Agent& agent, const ExecutorKey& key) {
  const auto it = agent.executors.find(key);
  SYNOD_CHECK(it != agent.executors.end());
  const std::string role = it->second.role;
  Framework& framework = at(key.first);
  Resources amount = ledger_.release(agent.key, Holder::of_executor(key.first, key.second));
  framework.allocated.subtract(amount.quantities());
  const auto count = framework.executors.find(agent.key);
  if (--count->second == 0) {
    framework.executors.erase(count);
  }
  agent.executors.erase(it);
  changed(framework);
  changed(agent);
  allocate(allocator::Recover{key.first, role, agent.key, std::move(amount), {}});
}

void Core::on(const AgentExecutorExited& event) {
  Agent* agent = speaking(event.stream);
  Framework* framework = find(event.framework);
  if (agent == nullptr || framework == nullptr) {
    return;
  }
  const ExecutorKey key{framework->key, event.executor};
  if (agent->executors.contains(key)) {
    end_executor(*agent, key);
  }
  tell(*framework, Failure{agent->id, event.executor, event.status});
}

void Core::on(const AgentMessage& event) {
  const Agent* agent = speaking(event.stream);
  const Framework* framework = find(event.framework);
  if (agent != nullptr && framework != nullptr) {
    tell(*framework, Message{agent->id, event.executor, event.data});
  }
}

void Core::on(const Acknowledge& event) {
  const Framework* framework = find(event.framework);
  Agent* agent = find(event.agent);
  if (framework == nullptr || agent == nullptr || agent->state != AgentState::connected) {
    ++counters_.acknowledgements_invalid;  // the agent will send the update again
    return;
  }
  ++counters_.acknowledgements_valid;
  const TaskKey key{framework->key, event.task};
  const auto it = agent->tasks.find(key);
  if (it != agent->tasks.end() && it->second.update_uuid == event.uuid) {
    // The state stays: until the next update reconciliation answers with it. The latest state may
    // be ahead of what the framework has yet to hear in order.
    const bool ended = it->second.update_state && is_terminal(*it->second.update_state);
    it->second.update_uuid.reset();
    if (ended) {
      end_task(*agent, key);
    }
  }
  tell(*agent, AcknowledgeUpdate{event.framework, event.task, event.uuid});
}

void Core::on(const Kill& event) {
  Framework* framework = find(event.framework);
  if (framework == nullptr) {
    return;
  }
  Task* task = find_task(*framework, event.task);
  if (task == nullptr) {
    // A kill of something unknown is a question about it.
    answer_questions(event.framework, {{event.task, event.agent}});
    return;
  }
  if (!event.agent.empty() && event.agent != task->view.agent) {
    note(NoteLevel::warning, "dropped a kill of task " + event.task.value + ": it runs on " +
                                 task->view.agent.value + ", not on " + event.agent.value);
    return;
  }
  task->kill_wanted = true;
  task->kill_policy = event.kill_policy;
  tell(*find(task->view.agent), KillTask{event.framework, event.task, event.kill_policy});
}

void Core::on(const ShutdownExecutor& event) {
  const Agent* agent = find(event.agent);
  if (find(event.framework) != nullptr && agent != nullptr) {
    tell(*agent, Shutdown{event.framework, event.executor, "the framework asked for it"});
  }
}

void Core::on(const MessageExecutor& event) {
  const Agent* agent = find(event.agent);
  if (find(event.framework) != nullptr && agent != nullptr) {
    tell(*agent, ExecutorMessage{event.framework, event.executor, event.data});
  }
}

void Core::on(const Reconcile& event) {
  const Framework* framework = find(event.framework);
  if (framework == nullptr) {
    return;
  }
  answer_questions(event.framework, event.tasks);
  if (!event.tasks.empty()) {
    return;
  }
  for (const auto& [id, agent] : framework->tasks) {
    const Task& task = *find_task(*framework, id);
    tell(*framework, Update{status_of(task, task.update_state.value_or(task.view.state),
                                      reason::reconciliation)});
  }
}

// What is known is said at once. That something is not known ends it for its framework, and a
// master whose candidate node somebody removed may not know for a while that another one has
// launched it: the registry, which refuses all but the leader, is asked first.
void Core::answer_questions(const FrameworkId& id, const std::vector<Reconcile::Item>& items) {
  const Framework& framework = *find(id);
  Pending asked;
  asked.kind = Pending::Kind::question;
  asked.framework = id;
  for (const Reconcile::Item& item : items) {
    if (!say_known(framework, item) && not_known(framework, item).has_value()) {
      asked.questions.push_back(item);
    }
  }
  if (!asked.questions.empty()) {
    ask_registry(ConfirmLeadership{}, std::move(asked));
  }
}

// The registry has confirmed: as things are now.
void Core::answer_confirmed(const Framework& framework, const std::vector<Reconcile::Item>& items) {
  for (const Reconcile::Item& item : items) {
    if (!say_known(framework, item)) {
      if (std::optional<TaskStatus> status = not_known(framework, item)) {
        tell(framework, Update{*std::move(status)});
      }
    }
  }
}

bool Core::say_known(const Framework& framework, const Reconcile::Item& item) {
  const Task* task = find_task(framework, item.task);
  if (task == nullptr) {
    return false;
  }
  tell(framework, Update{status_of(*task, task->update_state.value_or(task->view.state),
                                   reason::reconciliation)});
  return true;
}

// The table of mesos.md 2.8, first matching row; nothing if it cannot be said yet.
std::optional<TaskStatus> Core::not_known(const Framework& framework,
                                          const Reconcile::Item& item) const {
  const bool aware = framework.info.capabilities.partition_aware;
  const Agent* agent = find(item.agent);
  const auto unreachable = framework.unreachable.find(item.task);
  const bool is_unreachable = unreachable != framework.unreachable.end();
  // Agents that may still come and report it.
  const bool coming = item.agent.empty()
                          ? !is_unreachable && !recovered_agents_.empty()
                          : recovered_agents_.contains(item.agent) ||
                                (agent != nullptr && agent->state == AgentState::admitting);
  if (coming) {
    return std::nullopt;
  }
  TaskStatus status = status_of(TaskState::lost, item.task, reason::reconciliation);
  status.agent = is_unreachable ? unreachable->second.agent : item.agent;
  const auto lost = lost_agents_.find(status.agent);
  if (agent != nullptr) {
    status.state = aware ? TaskState::gone : TaskState::lost;
  } else if (lost != lost_agents_.end() && !lost->second.gone) {
    status.state = aware ? TaskState::unreachable : TaskState::lost;
    status.unreachable_time = lost->second.since;
  } else if (lost != lost_agents_.end()) {
    status.state = aware ? TaskState::gone_by_operator : TaskState::lost;
  } else {
    status.state = aware ? TaskState::unknown : TaskState::lost;
  }
  status.message = "Reconciliation: the task is not known to the master";
  return status;
}

}  // namespace synod::master::core
