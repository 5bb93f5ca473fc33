#include "services/core/types.h"

namespace synod::services::core {

bool is_over(Phase phase) { return phase == Phase::failed || phase == Phase::finished; }

const char* to_string(Phase phase) {
  switch (phase) {
    case Phase::waiting: return "waiting";
    case Phase::storing: return "storing";
    case Phase::launching: return "launching";
    case Phase::running: return "running";
    case Phase::restarting: return "restarting";
    case Phase::stopping: return "stopping";
    case Phase::failed: return "failed";
    case Phase::finished: return "finished";
  }
  return "unknown";
}

const char* to_string(TaskState state) {
  switch (state) {
    case TaskState::staging: return "staging";
    case TaskState::starting: return "starting";
    case TaskState::running: return "running";
    case TaskState::killing: return "killing";
    case TaskState::finished: return "finished";
    case TaskState::failed: return "failed";
    case TaskState::killed: return "killed";
    case TaskState::error: return "error";
    case TaskState::lost: return "lost";
  }
  return "unknown";
}

bool is_terminal(TaskState state) {
  return state == TaskState::finished || state == TaskState::failed || state == TaskState::killed ||
         state == TaskState::error || state == TaskState::lost;
}

namespace {

bool is_name(const std::string& name) {
  if (name.empty() || name.size() > 63 || name.front() == '-' || name.back() == '-') {
    return false;
  }
  for (char c : name) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::optional<std::string> validate(const App& app) {
  if (!is_name(app.name)) {
    return "the name \"" + app.name +
           "\" must be 1 to 63 of a-z, 0-9 and -, and begin and end with a letter or digit";
  }
  if (app.command.empty() == app.argv.empty()) {
    return "give either a command or arguments";
  }
  if (!app.argv.empty() && app.argv.front().empty()) {
    return "the program's name is empty";
  }
  if (app.cpus_milli <= 0) {
    return "cpus must be more than 0";
  }
  if (app.mem_milli <= 0) {
    return "mem must be more than 0";
  }
  if (app.disk_milli < 0) {
    return "disk must not be negative";
  }
  if (app.ports > 100) {
    return "at most 100 ports";
  }
  if (app.instances > 100'000) {
    return "at most 100000 instances";
  }
  if (app.backoff_first < Duration::millis(1) || app.backoff_max < app.backoff_first) {
    return "the backoff must be positive and not above its maximum";
  }
  return std::nullopt;
}

}  // namespace synod::services::core
