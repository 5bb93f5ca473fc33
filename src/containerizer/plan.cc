#include "containerizer/plan.h"

#include "mesos/v1.h"
#include "resources/resources.h"
#include "translate/amounts.h"
#include "translate/ids.h"
#include "translate/resources.h"
#include "translate/task.h"

namespace synod::containerizer {

namespace {

namespace v1 = ::mesos::v1;

constexpr std::int64_t command_executor_cpus_milli = 100;
constexpr std::uint64_t command_executor_memory_bytes = 32ULL << 20;
constexpr char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::optional<std::string> unsupported_command(const v1::CommandInfo& command) {
  if (command.uris_size() > 0) {
    return "fetching URIs (CommandInfo.uris) is not supported by this agent";
  }
  for (const auto& variable : command.environment().variables()) {
    if (variable.type() == v1::Environment::Variable::SECRET) {
      return "secret environment variables are not supported by this agent";
    }
  }
  return std::nullopt;
}

std::optional<std::string> unsupported_container(const v1::ContainerInfo& container) {
  if (container.type() == v1::ContainerInfo::DOCKER) {
    return "none of the enabled containerizers could create a container: Docker containers are "
           "not supported by this agent";
  }
  if (container.has_mesos() && container.mesos().has_image()) {
    return "none of the enabled containerizers could create a container: images are not supported "
           "by this agent";
  }
  if (container.volumes_size() > 0) {
    return "volumes in ContainerInfo are not supported by this agent";
  }
  for (const auto& network : container.network_infos()) {
    if (network.has_name()) {
      return "container networks are not supported by this agent";
    }
  }
  if (container.has_linux_info() || container.has_rlimit_info() || container.has_tty_info()) {
    return "linux_info, rlimit_info and tty_info are not supported by this agent";
  }
  return std::nullopt;
}

std::optional<std::string> invalid(const Request& request) {
  for (const std::string* id :
       {&request.key.agent_id, &request.key.framework_id, &request.key.executor_id}) {
    if (const auto error = translate::id_error(*id)) {
      return *error;
    }
  }
  for (const v1::TaskInfo& task : request.tasks) {
    if (const auto error = translate::task_error(task)) {
      return *error;
    }
  }
  return std::nullopt;
}

// The user a command names, else its framework's.
std::string wished_user(const v1::CommandInfo& command, const v1::FrameworkInfo& framework) {
  return command.has_user() ? command.user() : framework.user();
}

void add_executor_environment(const Options& options, const Request& request,
                              const std::string& sandbox, std::map<std::string, std::string>& env) {
  const Duration grace =
      request.executor.has_shutdown_grace_period()
          ? Duration::nanos(request.executor.shutdown_grace_period().nanoseconds())
          : options.executor_shutdown_grace_period;
  env["PATH"] = default_path;
  for (const auto& [name, value] : options.environment) {
    env[name] = value;
  }
  env["MESOS_FRAMEWORK_ID"] = request.key.framework_id;
  env["MESOS_EXECUTOR_ID"] = request.key.executor_id;
  env["MESOS_SLAVE_ID"] = request.key.agent_id;
  env["MESOS_SLAVE_PID"] = "slave(1)@" + options.agent_endpoint;
  env["MESOS_AGENT_ENDPOINT"] = options.agent_endpoint;
  env["MESOS_DIRECTORY"] = sandbox;
  env["MESOS_SANDBOX"] = sandbox;
  // Every executor outlives its agent here, whatever its framework says of checkpointing.
  env["MESOS_CHECKPOINT"] = "1";
  env["MESOS_RECOVERY_TIMEOUT"] = duration_text(options.recovery_timeout);
  env["MESOS_SUBSCRIPTION_BACKOFF_MAX"] = duration_text(options.executor_reregistration_timeout);
  env["MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD"] = duration_text(grace);
  env["MESOS_HTTP_COMMAND_EXECUTOR"] = "1";
  env["LIBPROCESS_PORT"] = "0";
  env["SYNOD_ENDPOINT_FILE"] = endpoint_file(options.work_dir);
  env[container_variable] = request.key.container_id;
}

CgroupLimits limits_of(const Options& options, const Request& request) {
  resources::Resources total;
  const auto add = [&total](const translate::ResourceMessages& messages) {
    if (auto some = translate::resources_from(messages); some.ok()) {
      total.add(some->unallocated());
    }
  };
  add(request.executor.resources());
  for (const v1::TaskInfo& task : request.tasks) {
    add(task.resources());
  }
  CgroupLimits limits;
  limits.cpus_milli = total.scalar("cpus");
  limits.memory_bytes = (static_cast<std::uint64_t>(total.scalar("mem")) << 20) / 1000;
  if (request.kind == RunKind::command && request.executor.resources_size() == 0) {
    limits.cpus_milli += command_executor_cpus_milli;
    limits.memory_bytes += command_executor_memory_bytes;
  }
  limits.cpus_milli_max = options.cgroups_enable_cfs ? limits.cpus_milli : 0;
  return limits;
}

// argv of a CommandInfo: by the shell, or as it is.
std::vector<std::string> argv_of(const v1::CommandInfo& command) {
  if (command.shell()) {
    return {"/bin/sh", "-c", command.value()};
  }
  std::vector<std::string> argv{command.value()};
  for (int i = 1; i < command.arguments_size(); ++i) {
    argv.push_back(command.arguments(i));
  }
  return argv;
}

ports::ProcessSpec process_of(const Options& options, const Request& request,
                              const std::string& sandbox) {
  ports::ProcessSpec spec;
  spec.directory = sandbox;
  spec.new_session = true;
  spec.barrier = true;
  add_executor_environment(options, request, sandbox, spec.env);
  using Descriptor = ports::Descriptor;
  if (request.kind == RunKind::command) {
    // Its own words go to its log: stdout and stderr of the sandbox are the command's alone.
    spec.argv = {options.program, "executor"};
    for (int number : {1, 2}) {
      spec.descriptors.push_back({number, Descriptor::Kind::append_file, executor_log(sandbox)});
    }
    return spec;
  }
  const v1::CommandInfo& command = request.executor.command();
  spec.argv = {options.program, "shim", "--state_directory=" + state_directory(sandbox)};
  const std::string user = wished_user(command, request.framework);
  if (options.switch_user && options.is_root && !user.empty()) {
    spec.argv.push_back("--user=" + user);
  }
  spec.argv.push_back("--");
  for (std::string& word : argv_of(command)) {
    spec.argv.push_back(std::move(word));
  }
  for (const auto& variable : command.environment().variables()) {
    spec.env[variable.name()] = variable.value();
  }
  spec.descriptors.push_back({1, Descriptor::Kind::append_file, sandbox + "/stdout"});
  spec.descriptors.push_back({2, Descriptor::Kind::append_file, sandbox + "/stderr"});
  return spec;
}

}  // namespace

std::optional<std::string> unsupported(const v1::TaskInfo& task) {
  if (task.has_health_check() || task.has_check()) {
    return "checks and health checks are not supported by this agent";
  }
  if (task.has_container()) {
    if (auto why = unsupported_container(task.container())) {
      return why;
    }
  }
  return task.has_command() ? unsupported_command(task.command()) : std::nullopt;
}

std::optional<std::string> unsupported(const v1::ExecutorInfo& executor) {
  if (executor.type() == v1::ExecutorInfo::DEFAULT) {
    return "the default executor and task groups are not supported by this agent";
  }
  if (executor.has_container()) {
    if (auto why = unsupported_container(executor.container())) {
      return why;
    }
  }
  return executor.has_command() ? unsupported_command(executor.command()) : std::nullopt;
}

std::string duration_text(Duration duration) {
  const std::int64_t nanos = duration.nanos();
  struct Unit {
    std::int64_t nanos;
    const char* name;
  };
  for (const Unit& unit : {Unit{3'600'000'000'000, "hrs"}, Unit{60'000'000'000, "mins"},
                           Unit{1'000'000'000, "secs"}, Unit{1'000'000, "ms"}, Unit{1000, "us"}}) {
    if (nanos >= unit.nanos && nanos % unit.nanos == 0) {
      return std::to_string(nanos / unit.nanos) + unit.name;
    }
  }
  return std::to_string(nanos) + "ns";
}

Result<Plan, Refusal> plan(const Options& options, const Request& request) {
  if (const auto error = invalid(request)) {
    return Refusal{true, *error};
  }
  if (const auto why = unsupported(request.executor)) {
    return Refusal{false, *why};
  }
  for (const v1::TaskInfo& task : request.tasks) {
    if (const auto why = unsupported(task)) {
      return Refusal{false, *why};
    }
  }
  const v1::CommandInfo& command = request.kind == RunKind::command && !request.tasks.empty()
                                       ? request.tasks.front().command()
                                       : request.executor.command();
  const std::string user = wished_user(command, request.framework);
  Plan made;
  made.sandbox = sandbox_directory(options.work_dir, request.key);
  made.directories = {made.sandbox, state_directory(made.sandbox)};
  if (options.switch_user && options.is_root && !user.empty() && user != options.own_user) {
    made.sandbox_owner = user;
  }
  made.cgroups =
      plan_cgroups(options.cgroups, request.key.container_id, limits_of(options, request));
  made.process = process_of(options, request, made.sandbox);
  made.process.cgroups = made.cgroups.directories;
  if (request.kind == RunKind::command && !made.sandbox_owner.empty()) {
    made.process.env["SYNOD_COMMAND_USER"] = made.sandbox_owner;
  }
  return made;
}

}  // namespace synod::containerizer
