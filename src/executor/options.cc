// What containerizer put into the environment of an executor, read back.
#include <charconv>

#include "executor/node.h"

namespace synod::executor {

namespace {

// Mesos' durations: number and unit.
Result<Duration> read_duration(const std::string& text) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || number < 0) {
    return Error{ErrorCode::invalid_argument, "not a duration: \"" + text + "\""};
  }
  const std::string unit(rest, end);
  struct Unit {
    const char* name;
    double nanos;
  };
  for (const Unit& known :
       {Unit{"ns", 1}, Unit{"us", 1e3}, Unit{"ms", 1e6}, Unit{"secs", 1e9}, Unit{"mins", 60e9},
        Unit{"hrs", 3600e9}, Unit{"days", 86400e9}, Unit{"weeks", 604800e9}}) {
    if (unit == known.name) {
      return Duration::nanos(static_cast<std::int64_t>(number * known.nanos));
    }
  }
  return Error{ErrorCode::invalid_argument, "not a duration: \"" + text + "\""};
}

}  // namespace

Result<Options> options_from_environment(const std::map<std::string, std::string>& environment) {
  const auto text = [&environment](const std::string& name) -> Result<std::string> {
    const auto it = environment.find(name);
    if (it == environment.end() || it->second.empty()) {
      return Error{ErrorCode::invalid_argument, name + " is not in the environment"};
    }
    return it->second;
  };
  const auto duration = [&environment](const std::string& name,
                                       Duration otherwise) -> Result<Duration> {
    const auto it = environment.find(name);
    return it == environment.end() ? Result<Duration>(otherwise) : read_duration(it->second);
  };
  const auto otherwise_empty = [&environment](const std::string& name) {
    const auto it = environment.find(name);
    return it == environment.end() ? std::string() : it->second;
  };
  Options options;
  SYNOD_TRY_ASSIGN(options.link.framework_id, text("MESOS_FRAMEWORK_ID"));
  SYNOD_TRY_ASSIGN(options.link.executor_id, text("MESOS_EXECUTOR_ID"));
  SYNOD_TRY_ASSIGN(options.link.agent_endpoint, text("MESOS_AGENT_ENDPOINT"));
  SYNOD_TRY_ASSIGN(options.sandbox, text("MESOS_SANDBOX"));
  SYNOD_TRY_ASSIGN(options.link.recovery_timeout,
                   duration("MESOS_RECOVERY_TIMEOUT", options.link.recovery_timeout));
  SYNOD_TRY_ASSIGN(options.link.backoff_max,
                   duration("MESOS_SUBSCRIPTION_BACKOFF_MAX", options.link.backoff_max));
  SYNOD_TRY_ASSIGN(options.shutdown_grace,
                   duration("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", options.shutdown_grace));
  options.link.endpoint_file = otherwise_empty("SYNOD_ENDPOINT_FILE");
  options.command_user = otherwise_empty("SYNOD_COMMAND_USER");
  options.state_directory = options.sandbox + "/.synod";
  options.environment = environment;
  return options;
}

}  // namespace synod::executor
