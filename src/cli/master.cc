// `synod master`: one master, with the flags of mesos-master.
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/page.h"
#include "cli/session.h"
#include "machine/machine.h"
#include "master/node.h"
#include "resources/quantities.h"
#include "resources/text.h"

namespace synod::cli {

namespace {

struct MasterFlags {
  std::string names;  // kept with the flags as given, where the page finds it
  std::string zk;
  std::string work_dir;
  std::string ip = "127.0.0.1";
  std::int64_t port = 5050;
  std::string hostname;
  std::string advertise_ip;
  std::int64_t advertise_port = 0;
  std::string log_dir;
  std::string logging_level = "INFO";
  std::string roles;
  std::string weights;
  std::string min_allocatable = "cpus:0.01|mem:32";
  std::string fair_sharing_excluded;
  std::string allocation_mode = "incremental";
  std::string join_token_file;
  Duration offer_timeout;
  std::int64_t agent_ping_timeouts_max = 5;
  std::int64_t completed_frameworks_max = 50;
  std::int64_t completed_tasks_max = 1000;
  bool no_sentinel = false;
  master::Options options;
};

void declare(Flags& flags, MasterFlags& out) {
  master::Options& options = out.options;
  flags.text("zk", &out.zk, "zk://[user:password@]host:port,.../path of the election");
  flags.text("work_dir", &out.work_dir, "accepted; a master keeps nothing on its own disk");
  flags.text("ip", &out.ip, "address to listen on");
  flags.number("port", &out.port, "port to listen on");
  flags.text("hostname", &out.hostname, "name to advertise; the address if empty");
  flags.text("advertise_ip", &out.advertise_ip, "address to advertise, if another");
  flags.number("advertise_port", &out.advertise_port, "port to advertise, if another");
  flags.text("cluster", &options.cluster, "name of the cluster, for people");
  flags.text("names", &out.names, "what the page calls servers: m1=host:port,c1=host:port");
  flags.text("log_dir", &out.log_dir, "folder of the log file; standard error if empty");
  flags.text("logging_level", &out.logging_level, "DEBUG, INFO, WARNING or ERROR");
  flags.duration("zk_session_timeout", &options.zk_session_timeout,
                 "silence after which another master takes over");
  flags.duration("allocation_interval", &options.allocator.allocation_interval,
                 "who declined an agent is not offered it again for this long");
  flags.text("allocation_mode", &out.allocation_mode, "incremental, or interval as Mesos does it");
  flags.text("min_allocatable_resources", &out.min_allocatable, "least of an offer, by '|'");
  flags.text("fair_sharing_excluded_resource_names", &out.fair_sharing_excluded,
             "names that count in no share, by ','");
  flags.toggle("filter_gpu_resources", &options.allocator.filter_gpu_resources,
               "offer agents with GPUs to GPU-aware frameworks only");
  flags.duration("offer_timeout", &out.offer_timeout, "rescind unused offers; 0 is never");
  flags.duration("agent_ping_timeout", &options.agent_ping_timeout, "between pings of an agent");
  flags.number("max_agent_ping_timeouts", &out.agent_ping_timeouts_max,
               "pings without an answer before an agent is unreachable");
  flags.duration("agent_reregister_timeout", &options.agent_reregister_timeout,
                 "time for agents to come back after a change of master");
  flags.duration("registry_store_timeout", &options.registry_store_timeout,
                 "a registry write that takes longer ends the master");
  flags.text("roles", &out.roles, "the only roles allowed, by ','; all if empty");
  flags.text("weights", &out.weights, "role=weight,... of a new cluster");
  flags.toggle("root_submissions", &options.root_submissions, "allow user root");
  flags.number("max_completed_frameworks", &out.completed_frameworks_max, "remembered");
  flags.number("max_completed_tasks_per_framework", &out.completed_tasks_max, "remembered");
  flags.text("join_token_file", &out.join_token_file, "agents must know what this file holds");
  flags.toggle("no_sentinel", &out.no_sentinel, "start no sentinel: a dead master costs a timeout");
}

void declare_without_meaning(Flags& flags) {
  const char* registry = "the registry lies in the coordination service that --zk names";
  for (const char* name :
       {"quorum", "registry", "registry_fetch_timeout", "log_auto_initialize",
        "registry_gc_interval", "registry_max_agent_age", "registry_max_agent_count"}) {
    flags.without_meaning(name, registry);
  }
  const char* later = "not in this version";
  for (const char* name :
       {"recovery_agent_removal_limit", "agent_removal_rate_limit", "allocator_recovery_timeout",
        "allocator_agent_recovery_factor", "max_unreachable_tasks_per_framework",
        "max_operator_event_stream_subscribers", "publish_per_framework_metrics",
        "require_agent_domain", "rate_limits", "whitelist", "webui_dir", "external_log_file"}) {
    flags.without_meaning(name, later);
  }
  const char* built_in = "there is one, built in";
  for (const char* name : {"role_sorter", "user_sorter", "framework_sorter", "allocator",
                           "authorizers", "hostname_lookup", "logbufsecs", "quiet"}) {
    flags.without_meaning(name, built_in);
  }
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> out;
  std::size_t at = 0;
  while (at <= text.size() && !text.empty()) {
    const std::size_t end = std::min(text.find(separator, at), text.size());
    if (end > at) {
      out.push_back(text.substr(at, end - at));
    }
    at = end + 1;
  }
  return out;
}

Result<std::string> content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return Error{ErrorCode::not_found, path + " cannot be read"};
  }
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) {
    text.pop_back();
  }
  return text;
}

Status read_zk(const MasterFlags& flags, master::Options& options) {
  constexpr std::string_view file = "file://";
  std::string text = flags.zk;
  if (text.compare(0, file.size(), file) == 0) {
    SYNOD_TRY_ASSIGN(text, content_of(text.substr(file.size())));
  }
  if (text.empty()) {
    return Error{ErrorCode::invalid_argument,
                 "--zk is needed, such as --zk=zk://127.0.0.1:2181/mesos"};
  }
  auto connect = zkclient::parse_connect_string(text);
  if (!connect.ok()) {
    return with_context("--zk", connect.error());
  }
  options.zk = *std::move(connect);
  if (options.zk.path.empty()) {
    return Error{ErrorCode::invalid_argument, "--zk must end with a path, such as /mesos"};
  }
  return {};
}

Status read_allocation(const MasterFlags& flags, master::Options& options) {
  if (flags.allocation_mode != "incremental" && flags.allocation_mode != "interval") {
    return Error{ErrorCode::invalid_argument, "--allocation_mode is incremental or interval"};
  }
  options.allocator.mode = flags.allocation_mode == "interval" ? allocator::Mode::interval
                                                               : allocator::Mode::incremental;
  options.allocator.min_allocatable.clear();
  for (const std::string& least : split(flags.min_allocatable, '|')) {
    auto quantities = resources::parse_quantities(least);
    if (!quantities.ok()) {
      return with_context("--min_allocatable_resources", quantities.error());
    }
    options.allocator.min_allocatable.push_back(*std::move(quantities));
  }
  for (const std::string& name : split(flags.fair_sharing_excluded, ',')) {
    options.allocator.fair_sharing_excluded.insert(name);
  }
  return {};
}

Status read_roles(const MasterFlags& flags, master::Options& options) {
  for (const std::string& role : split(flags.roles, ',')) {
    options.roles.insert(role);
  }
  for (const std::string& pair : split(flags.weights, ',')) {
    const std::size_t cut = pair.find('=');
    const auto weight =
        resources::parse_milli(cut == std::string::npos ? std::string() : pair.substr(cut + 1));
    if (!weight.ok() || *weight <= 0) {
      return Error{ErrorCode::invalid_argument, "--weights: '" + pair + "' is not role=weight"};
    }
    options.weights[pair.substr(0, cut)] = *weight;
  }
  return {};
}

Status read_rest(const MasterFlags& flags, master::Options& options) {
  constexpr std::int64_t port_max = 65535;
  if (flags.port < 0 || flags.port > port_max || flags.advertise_port < 0 ||
      flags.advertise_port > port_max) {
    return Error{ErrorCode::invalid_argument, "--port must lie between 0 and 65535"};
  }
  options.listen = {flags.ip, static_cast<std::uint16_t>(flags.port)};
  options.hostname = flags.hostname;
  options.advertise_ip = flags.advertise_ip;
  options.advertise_port = static_cast<std::uint16_t>(flags.advertise_port);
  if (flags.offer_timeout > Duration()) {
    options.offer_timeout = flags.offer_timeout;
  }
  if (flags.agent_ping_timeouts_max < 1 || flags.completed_frameworks_max < 0 ||
      flags.completed_tasks_max < 0) {
    return Error{ErrorCode::invalid_argument, "--max_... must not be negative"};
  }
  options.agent_ping_timeouts_max = static_cast<std::uint32_t>(flags.agent_ping_timeouts_max);
  options.completed_frameworks_max = static_cast<std::size_t>(flags.completed_frameworks_max);
  options.completed_tasks_per_framework_max = static_cast<std::size_t>(flags.completed_tasks_max);
  if (!flags.join_token_file.empty()) {
    SYNOD_TRY_ASSIGN(options.join_token, content_of(flags.join_token_file));
  }
  return {};
}

Status finish(const std::vector<std::string>& arguments, MasterFlags& flags) {
  master::Options& options = flags.options;
  SYNOD_TRY(read_zk(flags, options));
  SYNOD_TRY(read_allocation(flags, options));
  SYNOD_TRY(read_roles(flags, options));
  SYNOD_TRY(read_rest(flags, options));
  for (const std::string& argument : arguments) {
    const std::size_t cut = argument.find('=');
    if (argument.compare(0, 2, "--") == 0 && cut != std::string::npos) {
      options.flags[argument.substr(2, cut - 2)] = argument.substr(cut + 1);
    }
  }
  options.assets["/"] = {"text/html; charset=utf-8", page()};
  if (!flags.no_sentinel) {
    options.sentinel_command = {own_path(), "sentinel"};
    if (!flags.log_dir.empty()) {
      options.sentinel_command.push_back("--log=" + flags.log_dir + "/synod-sentinel.log");
    }
    // By this `synod down` knows what belongs to a cluster.
    if (const char* cluster = std::getenv("SYNOD_CLUSTER")) {
      options.sentinel_environment["SYNOD_CLUSTER"] = cluster;
    }
  }
  return {};
}

// Runs until a signal, or until the master may lead no more.
int serve(machine::Machine& machine, master::Options options) {
  constexpr std::int64_t cpus_for_two_lanes_milli = 3000;
  ports::Lane& seat = machine.start_lane("master");
  ports::Lane& door = machine.host().cpus_milli() >= cpus_for_two_lanes_milli
                          ? machine.start_lane("master-http")
                          : seat;
  int code = exit_success;
  std::unique_ptr<master::Node> node;
  master::NodeHandlers handlers;
  handlers.listening = [&machine](const ports::Address& at) {
    machine.log().info("master", "serving at {}", ports::to_string(at));
  };
  handlers.fatal = [&machine, &code](const std::string& why) {
    machine.log().error("master", "{}", why);
    code = exit_failed;
    machine.stop();
  };
  machine.call(seat, [&] {
    node = std::make_unique<master::Node>(
        master::NodePorts{seat, door, machine.network(), machine.processes()}, std::move(options),
        std::move(handlers));
    node->start();
  });
  if (machine.run() != 0) {
    machine.call(seat, [&] { node->stop([&machine] { machine.stop(); }); });
    machine.run();
  }
  machine.call(seat, [&] { node.reset(); });
  return code;
}

}  // namespace

int master_main(const std::vector<std::string>& arguments) {
  MasterFlags parsed;
  Flags flags("master", "a resource manager's master, as mesos-master");
  declare(flags, parsed);
  declare_without_meaning(flags);
  flags.environment_prefix("MESOS");
  if (const auto exit = flags.parse(arguments)) {
    return *exit;
  }
  const Status finished = finish(arguments, parsed);
  if (!finished.ok()) {
    std::fprintf(stderr, "synod master: %s\n", finished.error().message.c_str());
    return exit_usage;
  }
  machine::MachineOptions options;
  options.log_path = parsed.log_dir.empty() ? "" : parsed.log_dir + "/synod-master.log";
  options.log_level = log_level_of(parsed.logging_level);
  machine::Machine machine(options);
  return serve(machine, std::move(parsed.options));
}

}  // namespace synod::cli
