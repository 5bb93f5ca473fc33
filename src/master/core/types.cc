#include "master/core/types.h"

#include "base/check.h"
#include "resources/role.h"

namespace synod::master::core {

bool is_terminal(TaskState state) {
  switch (state) {
    case TaskState::finished:
    case TaskState::failed:
    case TaskState::killed:
    case TaskState::error:
    case TaskState::lost:
    case TaskState::dropped:
    case TaskState::gone:
    case TaskState::gone_by_operator: return true;
    case TaskState::staging:
    case TaskState::starting:
    case TaskState::running:
    case TaskState::killing:
    case TaskState::unreachable:
    case TaskState::unknown: return false;
  }
  return false;
}

const char* to_string(TaskState state) {
  switch (state) {
    case TaskState::starting: return "TASK_STARTING";
    case TaskState::running: return "TASK_RUNNING";
    case TaskState::finished: return "TASK_FINISHED";
    case TaskState::failed: return "TASK_FAILED";
    case TaskState::killed: return "TASK_KILLED";
    case TaskState::lost: return "TASK_LOST";
    case TaskState::staging: return "TASK_STAGING";
    case TaskState::error: return "TASK_ERROR";
    case TaskState::killing: return "TASK_KILLING";
    case TaskState::dropped: return "TASK_DROPPED";
    case TaskState::unreachable: return "TASK_UNREACHABLE";
    case TaskState::gone: return "TASK_GONE";
    case TaskState::gone_by_operator: return "TASK_GONE_BY_OPERATOR";
    case TaskState::unknown: return "TASK_UNKNOWN";
  }
  return "TASK_?";
}

const char* to_string(OperationType type) {
  switch (type) {
    case OperationType::launch: return "LAUNCH";
    case OperationType::reserve: return "RESERVE";
    case OperationType::unreserve: return "UNRESERVE";
    case OperationType::create: return "CREATE";
    case OperationType::destroy: return "DESTROY";
    case OperationType::launch_group: return "LAUNCH_GROUP";
    case OperationType::grow_volume: return "GROW_VOLUME";
    case OperationType::shrink_volume: return "SHRINK_VOLUME";
    case OperationType::create_disk: return "CREATE_DISK";
    case OperationType::destroy_disk: return "DESTROY_DISK";
  }
  return "?";
}

std::vector<std::string> FrameworkInfo::roles() const {
  if (capabilities.multi_role) {
    return multi_roles;
  }
  return {role.value_or(std::string(resources::default_role))};
}

}  // namespace synod::master::core
