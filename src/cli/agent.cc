// `synod agent`: the flags of a Mesos agent, two Lanes, one Node.
#include "agent/node.h"

#include <pwd.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/session.h"
#include "http/json.h"
#include "machine/machine.h"

namespace synod::cli {

namespace {

struct AgentFlags {
  agent::Options options;
  std::int64_t port = 5051;
  std::int64_t advertise_port = 0;
  std::string isolation = "auto";
  std::string launcher;
  std::string containerizers = "mesos";
  std::string executor_environment_variables;
  std::string log_file;
  std::string logging_level = "INFO";
  std::int64_t disk_reserve_mb = 64;
};

void add_flags(Flags& flags, AgentFlags& given) {
  agent::Options& options = given.options;
  flags.environment_prefix("MESOS");
  flags.text("master", &options.master, "host:port, or zk://host:port,.../path");
  flags.text("work_dir", &options.work_dir, "where sandboxes and the journal are kept; required");
  flags.text("resources", &options.resources,
             "\"cpus:2;mem:1024;disk:4096;ports:[31000-32000]\" or JSON; measured where absent");
  flags.text("attributes", &options.attributes, "\"rack:r1;zone:a\"");
  flags.text("default_role", &options.default_role, "of resources that name none");
  flags.number("port", &given.port, "to listen on; 0 takes any");
  flags.text("ip", &options.ip, "to listen on and to advertise; all addresses where absent");
  flags.text("advertise_ip", &options.advertise_ip, "told to others in place of --ip");
  flags.number("advertise_port", &given.advertise_port, "told to others in place of --port");
  flags.text("hostname", &options.hostname, "told to frameworks; the machine's where absent");
  flags.text("isolation", &given.isolation,
             "auto, or a list of posix/cpu, posix/mem, cgroups/cpu, cgroups/mem");
  flags.text("launcher", &given.launcher, "posix: without cgroups");
  flags.text("containerizers", &given.containerizers, "mesos");
  flags.text("cgroups_hierarchy", &options.cgroups.hierarchy, "where cgroups are mounted");
  flags.text("cgroups_root", &options.cgroups.root, "below which containers get theirs");
  flags.toggle("cgroups_enable_cfs", &options.cgroups_enable_cfs, "enforce cpus by quota");
  flags.toggle("switch_user", &options.switch_user, "run tasks as their framework's user");
  flags.text("executor_environment_variables", &given.executor_environment_variables,
             "JSON object of what every executor finds in its environment");
  flags.duration("executor_registration_timeout", &options.executor_registration_timeout,
                 "until an executor must have subscribed");
  flags.duration("executor_reregistration_timeout", &options.executor_reregistration_timeout,
                 "until it must have done so again after a restart of the agent");
  flags.duration("executor_shutdown_grace_period", &options.executor_shutdown_grace_period,
                 "from SHUTDOWN to SIGKILL");
  flags.duration("recovery_timeout", &options.recovery_timeout,
                 "for how long executors wait for an agent that is away");
  flags.duration("registration_backoff_factor", &options.registration_backoff_factor,
                 "first window of attempts to register");
  flags.duration("zk_session_timeout", &options.zk_session_timeout, "of the detector's session");
  flags.toggle("accept_new_lineage", &options.accept_new_lineage,
               "obey masters of another registry than so far: it was founded anew");
  flags.number("disk_reserve_mb", &given.disk_reserve_mb,
               "free space of work_dir below which no new tasks are taken");
  flags.text("log_file", &given.log_file, "in place of standard error");
  flags.text("logging_level", &given.logging_level, "DEBUG, INFO, WARNING or ERROR");
}

void add_flags_without_meaning(Flags& flags) {
  for (const char* name : {"runtime_dir",
                           "launcher_dir",
                           "frameworks_home",
                           "hadoop_home",
                           "fetcher_cache_size",
                           "fetcher_cache_dir",
                           "fetcher_stall_timeout",
                           "sandbox_directory",
                           "docker",
                           "docker_socket",
                           "docker_config",
                           "docker_registry",
                           "docker_store_dir",
                           "docker_remove_delay",
                           "docker_kill_orphans",
                           "docker_stop_timeout",
                           "docker_mesos_image",
                           "image_providers",
                           "image_provisioner_backend",
                           "network_cni_config_dir",
                           "network_cni_plugins_dir"}) {
    flags.without_meaning(name, "images, container networks and the fetcher are not there yet");
  }
  for (const char* name : {"systemd_enable_support",
                           "revocable_cpu_low_priority",
                           "cgroups_limit_swap",
                           "cgroups_destroy_timeout",
                           "cgroups_cpu_enable_pids_and_tids_count",
                           "hostname_lookup",
                           "http_command_executor",
                           "http_heartbeat_interval",
                           "recover",
                           "strict",
                           "reconfiguration_policy",
                           "quiet",
                           "logbufsecs",
                           "log_dir",
                           "external_log_file",
                           "oversubscribed_resources_interval",
                           "qos_correction_interval_min",
                           "resource_estimator",
                           "qos_controller",
                           "max_completed_executors_per_framework",
                           "memory_profiling",
                           "agent_features",
                           "version",
                           "domain",
                           "gc_delay",
                           "gc_disk_headroom",
                           "disk_watch_interval",
                           "gc_non_executor_container_sandboxes",
                           "container_disk_watch_interval",
                           "enforce_container_disk_quota",
                           "hooks",
                           "modules",
                           "modules_dir",
                           "perf_duration",
                           "perf_events",
                           "perf_interval"}) {
    flags.without_meaning(name, "it changes nothing here");
  }
}

bool lists(const std::string& list, const std::string& item) {
  return ("," + list + ",").find("," + item + ",") != std::string::npos;
}

std::string user_name() {
  const passwd* entry = ::getpwuid(::geteuid());
  return entry != nullptr ? entry->pw_name : "";
}

// "runc 1.1.5" by what the program says of itself; empty if there is none. Those of Debian lie
// where users other than root do not look.
std::string runtime_found(const std::string& name) {
  const std::string command =
      "PATH=\"$PATH:/usr/local/sbin:/usr/sbin:/sbin\" " + name + " --version 2>/dev/null";
  std::FILE* output = ::popen(command.c_str(), "re");
  if (output == nullptr) {
    return "";
  }
  char line[128] = "";
  const bool said = std::fgets(line, sizeof(line), output) != nullptr;
  ::pclose(output);
  const std::string text = said ? line : "";
  const std::string prefix = name + " version ";
  return text.starts_with(prefix)
             ? name + " " + text.substr(prefix.size(), text.find_first_of("+\n") - prefix.size())
             : "";
}

// What flags say that is not said by a value of their own. False after telling what is wrong.
bool complete(AgentFlags& given) {
  agent::Options& options = given.options;
  const auto wrong = [](const std::string& what) {
    std::fprintf(stderr, "synod agent: %s\n", what.c_str());
    return false;
  };
  if (options.master.empty()) {
    return wrong("--master is required, such as --master=zk://127.0.0.1:2181/mesos");
  }
  if (options.work_dir.empty()) {
    return wrong("--work_dir is required, such as --work_dir=/var/lib/mesos");
  }
  if (given.port < 0 || given.port > 65535 || given.advertise_port < 0 ||
      given.advertise_port > 65535) {
    return wrong("a port is a number from 0 to 65535");
  }
  if (lists(given.containerizers, "docker")) {
    std::fprintf(stderr, "synod agent: warning: --containerizers=docker: not there yet\n");
  }
  options.work_dir = absolute_path(options.work_dir);
  options.port = static_cast<std::uint16_t>(given.port);
  options.advertise_port = static_cast<std::uint16_t>(given.advertise_port);
  options.disk_reserve_bytes = static_cast<std::uint64_t>(given.disk_reserve_mb) << 20;
  const bool automatic = given.isolation == "auto";
  const bool all = lists(given.isolation, "cgroups/all");
  options.cgroups.cpu = automatic || all || lists(given.isolation, "cgroups/cpu");
  options.cgroups.memory = automatic || all || lists(given.isolation, "cgroups/mem");
  options.is_root = ::geteuid() == 0;
  if (given.launcher == "posix" || !options.is_root) {
    options.cgroups.cpu = false;
    options.cgroups.memory = false;
  }
  options.own_user = user_name();
  options.program = own_path();
  options.version = SYNOD_VERSION;
  options.runtime = runtime_found("runc");
  if (options.runtime.empty()) {
    options.runtime = runtime_found("crun");
  }
  // `synod down` finds what a cluster left behind by this one.
  const auto environment = own_environment();
  if (const auto it = environment.find("SYNOD_CLUSTER"); it != environment.end()) {
    options.executor_environment["SYNOD_CLUSTER"] = it->second;
  }
  if (!given.executor_environment_variables.empty()) {
    auto json = http::parse_json(given.executor_environment_variables);
    if (!json.ok() || !json->is_object()) {
      return wrong("--executor_environment_variables is no JSON object");
    }
    for (const auto& [name, value] : json->members()) {
      options.executor_environment[name] = std::string(value.as_string());
    }
  }
  return true;
}

int serve(const AgentFlags& given) {
  machine::Machine machine({given.log_file, log_level_of(given.logging_level)});
  ports::Lane& lane = machine.start_lane("agent");
  ports::Lane& journal_lane = machine.start_lane("agent-journal");
  std::unique_ptr<agent::Node> node;
  int code = exit_success;
  const auto ended = [&](const Status& why) {
    if (!why.ok()) {
      machine.log().error("agent", "{}", to_string(why.error()));
      std::fprintf(stderr, "synod agent: %s\n", why.error().message.c_str());
      code = exit_failed;
    }
    machine.stop();
  };
  machine.on_signal(SIGUSR1, [&] {
    if (!lane.try_post([&] { node->stop("asked to by SIGUSR1"); })) {
      machine.stop();
    }
  });
  machine.call(lane, [&] {
    node = std::make_unique<agent::Node>(
        given.options,
        agent::NodePorts{lane, journal_lane, machine.network(), machine.disk(), machine.processes(),
                         machine.host()},
        agent::NodeHandler{[](const ports::Address&) {}, ended});
    if (const Status started = node->start(); !started.ok()) {
      ended(started);
    }
  });
  machine.run();
  // Tasks go on: they wait for the next agent on this work_dir.
  machine.call(lane, [&] { node.reset(); });
  machine.call(journal_lane, [] {});
  return code;
}

}  // namespace

int agent_main(const std::vector<std::string>& arguments) {
  AgentFlags given;
  Flags flags("agent", "runs tasks on this machine: a Mesos agent");
  add_flags(flags, given);
  add_flags_without_meaning(flags);
  if (const auto code = flags.parse(arguments)) {
    return *code;
  }
  return complete(given) ? serve(given) : exit_usage;
}

}  // namespace synod::cli
