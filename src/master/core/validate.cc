#include "master/core/validate.h"

#include <algorithm>

#include "base/limits.h"
#include "resources/role.h"

namespace synod::master::core {
namespace {

// All resources of one holder, before allocation roles are stripped.
template <typename Check>
Violation each_resource(const TaskContext& context, Check check) {
  for (const resources::Resource& item : context.task.resources) {
    if (Violation broken = check(item)) {
      return broken;
    }
  }
  if (context.task.executor) {
    for (const resources::Resource& item : context.task.executor->resources) {
      if (Violation broken = check(item)) {
        return broken;
      }
    }
  }
  return std::nullopt;
}

bool mixes_revocable(const Resources& resources) {
  return std::any_of(resources.begin(), resources.end(), [&](const resources::Resource& a) {
    return a.revocable &&
           std::any_of(resources.begin(), resources.end(), [&](const resources::Resource& b) {
             return !b.revocable && a.name == b.name;
           });
  });
}

}  // namespace

Violation id_violation(const std::string& what, const std::string& id) {
  if (id.empty()) {
    return what + " is empty";
  }
  if (id.size() > limits::id_size_bytes_max) {
    return what + " is longer than " + std::to_string(limits::id_size_bytes_max) + " bytes";
  }
  if (id == "." || id == "..") {
    return what + " '" + id + "' is not allowed";
  }
  const bool bad = std::any_of(id.begin(), id.end(), [](char c) {
    return c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (bad) {
    return what + " contains a slash or a control character";
  }
  return std::nullopt;
}

Violation task_malformed(const TaskContext& context) {
  return context.task.malformed.empty() ? Violation() : Violation(context.task.malformed);
}

Violation task_id_wrong(const TaskContext& context) {
  return id_violation("the task id", context.task.id.value);
}

Violation task_id_taken(const TaskContext& context) {
  if (context.id_in_use) {
    return "the task id '" + context.task.id.value + "' is in use by another task";
  }
  return std::nullopt;
}

Violation task_on_other_agent(const TaskContext& context) {
  if (context.task.agent != context.agent) {
    return "the task names agent '" + context.task.agent.value + "', the offer is of '" +
           context.agent.value + "'";
  }
  return std::nullopt;
}

Violation task_resources_invalid(const TaskContext& context) {
  if (context.task.resources.empty()) {
    return "the task uses no resources";
  }
  return each_resource(context, resources::resource_error);
}

Violation task_allocated_to_other_role(const TaskContext& context) {
  return each_resource(context, [&](const resources::Resource& item) -> Violation {
    // Absent is filled in from the offer.
    if (item.allocation_role.empty() || item.allocation_role == context.role) {
      return std::nullopt;
    }
    return "resource '" + item.name + "' is allocated to role '" + item.allocation_role +
           "', the offer to '" + context.role + "'";
  });
}

Violation task_volumes_repeated(const TaskContext& context) {
  std::set<std::string> seen;
  return each_resource(context, [&](const resources::Resource& item) -> Violation {
    if (item.is_persistent_volume() && !item.shared &&
        !seen.insert(item.disk->persistence->id).second) {
      return "the persistent volume '" + item.disk->persistence->id + "' is used twice";
    }
    return std::nullopt;
  });
}

Violation task_mixes_revocable(const TaskContext& context) {
  if (mixes_revocable(context.task.resources) ||
      (context.task.executor && mixes_revocable(context.task.executor->resources))) {
    return "revocable and other amounts of one resource are mixed";
  }
  return std::nullopt;
}

Violation task_executor_or_command(const TaskContext& context) {
  if (context.task.executor.has_value() == context.task.has_command) {
    return "a task needs a command or an executor, and not both";
  }
  return std::nullopt;
}

Violation task_executor_invalid(const TaskContext& context) {
  if (!context.task.executor) {
    return std::nullopt;
  }
  const ExecutorSpec& executor = *context.task.executor;
  if (Violation broken = id_violation("the executor id", executor.id.value)) {
    return broken;
  }
  if (executor.type == ExecutorType::by_default) {
    return "the default executor is for groups of tasks only";
  }
  if (!executor.has_command) {
    return "the executor '" + executor.id.value + "' has no command";
  }
  if (!executor.framework.empty() && executor.framework != context.framework) {
    return "the executor '" + executor.id.value + "' names another framework";
  }
  return std::nullopt;
}

Violation task_executor_differs(const TaskContext& context) {
  if (!context.task.executor || context.running_executor == nullptr) {
    return std::nullopt;
  }
  const ExecutorSpec& running = *context.running_executor;
  const ExecutorSpec& wanted = *context.task.executor;
  if (running.bytes != wanted.bytes ||
      !(running.resources.unallocated() == wanted.resources.unallocated())) {
    return "an executor '" + wanted.id.value + "' with another description runs there already";
  }
  return std::nullopt;
}

Resources task_demand(const TaskContext& context) {
  Resources demand = context.task.resources.unallocated();
  if (context.task.executor && context.running_executor == nullptr) {
    demand.add(context.task.executor->resources.unallocated());
  }
  return demand;
}

Violation task_uses_too_much(const TaskContext& context) {
  const Resources demand = task_demand(context);
  if (!context.remaining.contains(demand)) {
    return "the task uses " + to_string(demand) + ", of the offer remains " +
           (context.remaining.empty() ? "nothing" : to_string(context.remaining));
  }
  return std::nullopt;
}

Violation validate_task(const TaskContext& context) {
  using Rule = Violation (*)(const TaskContext&);
  static constexpr Rule rules[] = {
      task_malformed,        task_id_wrong,          task_id_taken,
      task_on_other_agent,   task_resources_invalid, task_allocated_to_other_role,
      task_volumes_repeated, task_mixes_revocable,   task_executor_or_command,
      task_executor_invalid, task_executor_differs,  task_uses_too_much,
  };
  for (const Rule rule : rules) {
    if (Violation broken = rule(context)) {
      return broken;
    }
  }
  return std::nullopt;
}

Violation validate_framework(const FrameworkInfo& info,
                             const std::set<std::string>& suppressed_roles,
                             const std::set<std::string>& role_whitelist, bool root_submissions) {
  if (info.capabilities.multi_role && info.role) {
    return "'role' is set by a framework with the capability MULTI_ROLE, which uses 'roles'";
  }
  if (!info.capabilities.multi_role && !info.multi_roles.empty()) {
    return "'roles' is set by a framework without the capability MULTI_ROLE";
  }
  const std::vector<std::string> roles = info.roles();
  std::set<std::string> seen;
  for (const std::string& role : roles) {
    if (Violation broken = resources::role_error(role)) {
      return broken;
    }
    if (!seen.insert(role).second) {
      return "role '" + role + "' is named twice";
    }
    if (!role_whitelist.empty() && !role_whitelist.contains(role)) {
      return "role '" + role + "' is not among the master's roles";
    }
  }
  for (const std::string& role : suppressed_roles) {
    if (!seen.contains(role)) {
      return "suppressed role '" + role + "' is not among the framework's roles";
    }
  }
  if (!root_submissions && info.user == "root") {
    return "user 'root' may not run tasks here";
  }
  if (!info.failover_timeout || *info.failover_timeout < Duration()) {
    return "failover_timeout is not a duration";
  }
  return std::nullopt;
}

Violation validate_change(const FrameworkInfo& before, const FrameworkInfo& after) {
  if (before.principal != after.principal) {
    return "the principal changed from '" + before.principal + "' to '" + after.principal + "'";
  }
  return std::nullopt;
}

namespace {

Violation amounts_violation(const Resources& resources) {
  for (const resources::Resource& item : resources) {
    if (Violation broken = resources::resource_error(item)) {
      return broken;
    }
  }
  return std::nullopt;
}

Violation executor_violation(const ReportedExecutor& executor) {
  if (Violation broken = id_violation("a framework id", executor.framework.value)) {
    return broken;
  }
  if (Violation broken = id_violation("an executor id", executor.spec.id.value)) {
    return broken;
  }
  return amounts_violation(executor.spec.resources);
}

Violation task_violation(const ReportedTask& task) {
  if (Violation broken = id_violation("a framework id", task.framework.value)) {
    return broken;
  }
  if (Violation broken = id_violation("a task id", task.id.value)) {
    return broken;
  }
  return amounts_violation(task.resources);
}

}  // namespace

Violation validate_agent(const AgentSubscribe& report) {
  if (!report.id.empty()) {
    if (Violation broken = id_violation("the agent id", report.id.value)) {
      return broken;
    }
  }
  if (Violation broken = amounts_violation(report.info.total)) {
    return broken;
  }
  for (const ReportedFramework& framework : report.frameworks) {
    if (Violation broken = id_violation("a framework id", framework.id.value)) {
      return broken;
    }
  }
  for (const ReportedExecutor& executor : report.executors) {
    if (Violation broken = executor_violation(executor)) {
      return broken;
    }
  }
  for (const ReportedTask& task : report.tasks) {
    if (Violation broken = task_violation(task)) {
      return broken;
    }
  }
  return std::nullopt;
}

}  // namespace synod::master::core
