#include "translate/task.h"

#include <cmath>
#include <set>

#include "mesos/v1.h"
#include "resources/resources.h"
#include "translate/amounts.h"
#include "translate/ids.h"
#include "translate/resources.h"

namespace synod::translate {

namespace {

using Problem = std::optional<std::string>;

Problem environment_error(const mesos::v1::Environment& environment) {
  using Variable = mesos::v1::Environment::Variable;
  for (const auto& variable : environment.variables()) {
    const std::string name = "environment variable '" + variable.name() + "'";
    if (variable.name().empty() || variable.name().find('\0') != std::string::npos ||
        variable.name().find('=') != std::string::npos) {
      return name + " has no usable name";
    }
    switch (variable.type()) {
      case Variable::SECRET:
        if (!variable.has_secret() || variable.has_value()) {
          return name + " of type SECRET must have a secret and no value";
        }
        break;
      case Variable::VALUE:
        if (!variable.has_value() || variable.has_secret()) {
          return name + " of type VALUE must have a value and no secret";
        }
        if (variable.value().find('\0') != std::string::npos) {
          return name + " has a NUL in its value";
        }
        break;
      case Variable::UNKNOWN: return name + " is of unknown type";
    }
  }
  return std::nullopt;
}

Problem seconds_error(const char* what, double seconds) {
  if (!duration_from_seconds(seconds).ok()) {
    return std::string(what) + " must be a non-negative number of seconds";
  }
  return std::nullopt;
}

template <typename T>
Problem http_error(const T& http, const std::string& scheme) {
  if (!http.path().empty() && http.path()[0] != '/') {
    return "the path of an HTTP check must start with '/'";
  }
  if (!scheme.empty() && scheme != "http" && scheme != "https") {
    return "unsupported scheme '" + scheme + "' of an HTTP check";
  }
  return std::nullopt;
}

Problem health_check_error(const mesos::v1::HealthCheck& check) {
  using Check = mesos::v1::HealthCheck;
  switch (check.type()) {
    case Check::COMMAND:
      if (!check.has_command()) {
        return "a COMMAND health check needs 'command'";
      }
      if (auto error = command_error(check.command())) {
        return "health check: " + *error;
      }
      break;
    case Check::HTTP:
      if (!check.has_http()) {
        return "an HTTP health check needs 'http'";
      }
      if (auto error = http_error(check.http(), check.http().scheme())) {
        return error;
      }
      break;
    case Check::TCP:
      if (!check.has_tcp()) {
        return "a TCP health check needs 'tcp'";
      }
      break;
    case Check::UNKNOWN:
      // Mesos infers the type from the member that is set.
      if (!check.has_command() && !check.has_http()) {
        return "a health check needs a type";
      }
      break;
  }
  for (const auto& [what, seconds] :
       {std::pair{"health check: delay_seconds", check.delay_seconds()},
        std::pair{"health check: interval_seconds", check.interval_seconds()},
        std::pair{"health check: timeout_seconds", check.timeout_seconds()},
        std::pair{"health check: grace_period_seconds", check.grace_period_seconds()}}) {
    if (auto error = seconds_error(what, seconds)) {
      return error;
    }
  }
  return std::nullopt;
}

Problem check_error(const mesos::v1::CheckInfo& check) {
  using Check = mesos::v1::CheckInfo;
  switch (check.type()) {
    case Check::COMMAND:
      if (!check.has_command()) {
        return "a COMMAND check needs 'command'";
      }
      if (auto error = command_error(check.command().command())) {
        return "check: " + *error;
      }
      break;
    case Check::HTTP:
      if (!check.has_http()) {
        return "an HTTP check needs 'http'";
      }
      if (auto error = http_error(check.http(), "")) {
        return error;
      }
      break;
    case Check::TCP:
      if (!check.has_tcp()) {
        return "a TCP check needs 'tcp'";
      }
      break;
    case Check::UNKNOWN: return "a check needs a type";
  }
  for (const auto& [what, seconds] :
       {std::pair{"check: delay_seconds", check.delay_seconds()},
        std::pair{"check: interval_seconds", check.interval_seconds()},
        std::pair{"check: timeout_seconds", check.timeout_seconds()}}) {
    if (auto error = seconds_error(what, seconds)) {
      return error;
    }
  }
  return std::nullopt;
}

Problem volume_error(const mesos::v1::Volume& volume) {
  const int sources = (volume.has_host_path() ? 1 : 0) + (volume.has_image() ? 1 : 0) +
                      (volume.has_source() ? 1 : 0);
  if (sources > 1) {
    return "only one of 'host_path', 'image' and 'source' may be set for a volume";
  }
  return std::nullopt;
}

// Resources of a task or an executor.
Problem resources_error(const ResourceMessages& messages) {
  const auto parsed = resources_from(messages);
  if (!parsed.ok()) {
    return parsed.error().message;
  }
  std::set<std::string> roles;
  std::set<std::string> volumes;
  std::set<std::string> revocable;
  std::set<std::string> firm;
  for (const auto& item : *parsed) {
    roles.insert(item.allocation_role);
    (item.revocable ? revocable : firm).insert(item.name);
    if (item.is_persistent_volume() && !item.shared &&
        !volumes.insert(std::string(item.reserved_role()) + '/' + item.disk->persistence->id)
             .second) {
      return "persistence id '" + item.disk->persistence->id + "' is not unique";
    }
    if (item.name == "gpus" && item.scalar() % 1000 != 0) {
      return "gpus must be a whole number";
    }
  }
  if (roles.size() > 1) {
    return "the resources are allocated to more than one role";
  }
  for (const std::string& name : revocable) {
    if (firm.count(name) > 0) {
      return "revocable and non-revocable '" + name + "' at once";
    }
  }
  return std::nullopt;
}

Problem limits_error(const mesos::v1::TaskInfo& task) {
  for (const auto& limit : task.limits()) {
    if (limit.first != "cpus" && limit.first != "mem") {
      return "only cpus and mem may be limited, not '" + limit.first + "'";
    }
    const double value = limit.second.value();
    double requested = 0;
    for (const auto& resource : task.resources()) {
      if (resource.name() == limit.first) {
        requested += resource.scalar().value();
      }
    }
    if (requested <= 0) {
      return "a limit on '" + limit.first + "' needs a request of it";
    }
    if (std::isnan(value) || value < requested) {
      return "the limit on '" + limit.first + "' is below its request";
    }
  }
  return std::nullopt;
}

Problem durations_error(const mesos::v1::TaskInfo& task) {
  if (task.kill_policy().grace_period().nanoseconds() < 0) {
    return "the kill policy's grace period is negative";
  }
  if (task.has_max_completion_time() && task.max_completion_time().nanoseconds() < 0) {
    return "max_completion_time is negative";
  }
  return std::nullopt;
}

// What the task runs, and by whom.
Problem kind_error(const mesos::v1::TaskInfo& task) {
  if (task.has_executor() == task.has_command()) {
    return "a task needs exactly one of 'executor' and 'command'";
  }
  return task.has_executor() ? executor_error(task.executor()) : command_error(task.command());
}

}  // namespace

std::optional<std::string> command_error(const mesos::v1::CommandInfo& command) {
  if (command.shell() && !command.has_value()) {
    return "a shell command needs a value";
  }
  if (command.value().find('\0') != std::string::npos) {
    return "a command with a NUL in it";
  }
  for (const std::string& argument : command.arguments()) {
    if (argument.find('\0') != std::string::npos) {
      return "an argument with a NUL in it";
    }
  }
  for (const auto& uri : command.uris()) {
    if (uri.value().empty()) {
      return "a URI without a value";
    }
    if (uri.output_file().find("..") != std::string::npos ||
        (!uri.output_file().empty() && uri.output_file()[0] == '/')) {
      return "the output file of a URI must lie in the sandbox";
    }
  }
  return environment_error(command.environment());
}

std::optional<std::string> container_error(const mesos::v1::ContainerInfo& container) {
  if (container.type() == mesos::v1::ContainerInfo::DOCKER) {
    if (!container.has_docker()) {
      return "a DOCKER container needs 'docker'";
    }
    for (const auto& parameter : container.docker().parameters()) {
      if (parameter.key() == "name") {
        return "the docker parameter 'name' is reserved";
      }
    }
  }
  for (const auto& volume : container.volumes()) {
    if (auto error = volume_error(volume)) {
      return error;
    }
  }
  return std::nullopt;
}

std::optional<std::string> executor_error(const mesos::v1::ExecutorInfo& executor) {
  if (auto error = id_error(executor.executor_id().value())) {
    return "executor: " + *error;
  }
  switch (executor.type()) {
    case mesos::v1::ExecutorInfo::DEFAULT:
      if (executor.has_command()) {
        return "an executor of type DEFAULT must not have a command";
      }
      break;
    case mesos::v1::ExecutorInfo::CUSTOM:
    case mesos::v1::ExecutorInfo::UNKNOWN:
      if (!executor.has_command()) {
        return "an executor needs a command";
      }
      if (auto error = command_error(executor.command())) {
        return "executor: " + *error;
      }
      break;
  }
  if (executor.shutdown_grace_period().nanoseconds() < 0) {
    return "the executor's shutdown grace period is negative";
  }
  if (executor.has_container()) {
    if (auto error = container_error(executor.container())) {
      return "executor: " + *error;
    }
  }
  if (auto error = resources_error(executor.resources())) {
    return "executor: " + *error;
  }
  return std::nullopt;
}

std::optional<std::string> task_error(const mesos::v1::TaskInfo& task) {
  if (auto error = id_error(task.task_id().value())) {
    return "task: " + *error;
  }
  if (auto error = kind_error(task)) {
    return error;
  }
  if (auto error = resources_error(task.resources())) {
    return error;
  }
  if (auto error = limits_error(task)) {
    return error;
  }
  if (auto error = durations_error(task)) {
    return error;
  }
  if (task.has_health_check()) {
    if (auto error = health_check_error(task.health_check())) {
      return error;
    }
  }
  if (task.has_check()) {
    if (auto error = check_error(task.check())) {
      return error;
    }
  }
  return task.has_container() ? container_error(task.container()) : std::nullopt;
}

}  // namespace synod::translate
