#include "agent/core/types.h"

namespace synod::agent::core {

bool is_terminal(TaskState state) {
  switch (state) {
    case TaskState::finished:
    case TaskState::failed:
    case TaskState::killed:
    case TaskState::lost:
    case TaskState::error:
    case TaskState::dropped:
    case TaskState::gone:
    case TaskState::gone_by_operator: return true;
    case TaskState::starting:
    case TaskState::running:
    case TaskState::staging:
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
  return "TASK_UNKNOWN";
}

const char* to_string(Reason reason) {
  switch (reason) {
    case Reason::none: return "none";
    case Reason::agent_restarted: return "agent_restarted";
    case Reason::container_launch_failed: return "container_launch_failed";
    case Reason::executor_registration_timeout: return "executor_registration_timeout";
    case Reason::executor_reregistration_timeout: return "executor_reregistration_timeout";
    case Reason::executor_terminated: return "executor_terminated";
    case Reason::task_killed_during_launch: return "task_killed_during_launch";
    case Reason::reconciliation: return "reconciliation";
    case Reason::task_invalid: return "task_invalid";
    case Reason::container_limitation_memory: return "container_limitation_memory";
    case Reason::agent_draining: return "agent_draining";
  }
  return "none";
}

std::string to_string(const WaitStatus& status) {
  if (status.code) {
    return "exited with status " + std::to_string(*status.code);
  }
  if (status.signal) {
    return "terminated with signal " + std::to_string(*status.signal);
  }
  return "ended unseen";
}

std::ostream& operator<<(std::ostream& out, const TaskKey& key) {
  return out << key.framework << '/' << key.task;
}

std::ostream& operator<<(std::ostream& out, const ExecutorKey& key) {
  return out << key.framework << '/' << key.executor;
}

std::ostream& operator<<(std::ostream& out, const ProcessRef& process) {
  return out << process.pid << '@' << process.start_time << '@' << process.boot_id;
}

std::ostream& operator<<(std::ostream& out, const Update& update) {
  out << to_string(update.state);
  if (update.reason != Reason::none) {
    out << " reason=" << to_string(update.reason);
  }
  if (!update.message.empty()) {
    out << " message=\"" << update.message << '"';
  }
  return out << " uuid=" << to_string(update.uuid).substr(0, 8);
}

std::ostream& operator<<(std::ostream& out, const MasterIdentity& master) {
  return out << to_string(master.lineage).substr(0, 8) << '.' << master.epoch;
}

}  // namespace synod::agent::core
