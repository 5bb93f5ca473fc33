// What a call must fulfil, one pure function a rule.
//
// Source  mesos.md 1.5 (ids), 2.2 (subscriptions), 9.6 (tasks and executors).
// Answers nullopt if the rule holds, else why not, as a sentence without a final stop: it becomes
//         the message of a TASK_ERROR or of the ERROR event.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "master/core/events.h"

namespace synod::master::core {

using Violation = std::optional<std::string>;

// Ids become names of directories.
Violation id_violation(const std::string& what, const std::string& id);

// What the rules of a task look at.
struct TaskContext {
  const TaskSpec& task;
  const FrameworkId& framework;
  const AgentId& agent;        // of the offers
  const std::string& role;     // of the offers
  const Resources& remaining;  // of the offers, without allocation roles
  bool id_in_use = false;      // by a task of the framework that runs or is unreachable
  // The executor of that id that runs on the agent for the framework already.
  const ExecutorSpec* running_executor = nullptr;
};

// In the order in which they are asked.
Violation task_malformed(const TaskContext& context);
Violation task_id_wrong(const TaskContext& context);
Violation task_id_taken(const TaskContext& context);
Violation task_on_other_agent(const TaskContext& context);
Violation task_resources_invalid(const TaskContext& context);
Violation task_allocated_to_other_role(const TaskContext& context);
Violation task_volumes_repeated(const TaskContext& context);
Violation task_mixes_revocable(const TaskContext& context);
Violation task_executor_or_command(const TaskContext& context);
Violation task_executor_invalid(const TaskContext& context);
Violation task_executor_differs(const TaskContext& context);
Violation task_uses_too_much(const TaskContext& context);

// The first rule that is broken.
Violation validate_task(const TaskContext& context);

// What the task takes from the offers: its own, and the executor's if that one is new.
Resources task_demand(const TaskContext& context);

// The rules of SUBSCRIBE that need nothing but the call and the master's flags.
Violation validate_framework(const FrameworkInfo& info,
                             const std::set<std::string>& suppressed_roles,
                             const std::set<std::string>& role_whitelist, bool root_submissions);

// What may not change when a framework subscribes again.
Violation validate_change(const FrameworkInfo& before, const FrameworkInfo& after);

// What an agent says of itself and of what it runs: ids, amounts. Everything is the word of a
// stranger until this holds.
Violation validate_agent(const AgentSubscribe& report);

}  // namespace synod::master::core
