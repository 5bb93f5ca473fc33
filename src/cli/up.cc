// `synod up`: a whole cluster of processes on this machine, kept running by a supervisor of its
// own.
//
// up           checks, starts `synod supervise` as a session of its own, waits until the cluster is
//              ready, prints what it got; without --detach it stays and takes all down on Ctrl-C.
// supervise    the supervisor: not for people, takes up's flags.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include <fmt/format.h>

#include "cli/cluster_view.h"
#include "cli/commands.h"
#include "cli/down.h"
#include "cli/flags.h"
#include "cli/session.h"
#include "cli/supervisor.h"
#include "cli/typed.h"
#include "cli/up_plan.h"

namespace synod::cli {
namespace {

constexpr Duration ready_timeout = Duration::seconds(60);
constexpr Duration ready_poll_interval = Duration::millis(30);

struct UpFlags {
  UpOptions options;
  bool detach = false;
  bool no_restart = false;
};

void add_flags(Flags& flags, UpFlags* up) {
  flags.text("dir", &up->options.directory, "where state, logs and cluster.json lie");
  flags.number("coordinators", &up->options.coordinators, "how many coordinators (1, 3 or 5)");
  flags.number("masters", &up->options.masters, "how many masters");
  flags.number("agents", &up->options.agents, "how many agents");
  flags.number("services", &up->options.services, "how many service schedulers");
  flags.number("base-port", &up->options.base_port,
               "first of the ports to use; 0: 2181, 5050, 5061, 8080, 31000 and up");
  flags.text("zk", &up->options.zk,
             "use these ZooKeeper servers (zk://host:port,.../mesos), start no coordinators");
  flags.toggle("detach", &up->detach, "return once the cluster is ready");
  flags.toggle("no-restart", &up->no_restart, "leave dead what dies");
}

std::vector<std::string> supervise_command(const UpFlags& up) {
  std::vector<std::string> command = {own_path(),
                                      "supervise",
                                      "--dir=" + up.options.directory,
                                      fmt::format("--coordinators={}", up.options.coordinators),
                                      fmt::format("--masters={}", up.options.masters),
                                      fmt::format("--agents={}", up.options.agents),
                                      fmt::format("--services={}", up.options.services),
                                      fmt::format("--base-port={}", up.options.base_port)};
  if (!up.options.zk.empty()) {
    command.push_back("--zk=" + up.options.zk);
  }
  if (up.no_restart) {
    command.push_back("--no-restart");
  }
  return command;
}

// Every port must be free before anything is started: half a cluster helps nobody.
Status check_ports(Session& session, const UpPlan& plan) {
  for (const PlannedProcess& process : plan.processes) {
    SYNOD_TRY_ASSIGN(const ports::HostPort at, ports::parse_host_port(process.address, 0));
    const auto listener = session.machine().network().listen(session.lane(), {at.host, at.port}, {},
                                                             [](std::unique_ptr<ports::Stream>) {});
    if (!listener.ok()) {
      const std::string& why = listener.error().message;
      const bool taken = why.find("Address already in use") != std::string::npos;
      return Error{listener.error().code,
                   fmt::format("{} needs {}, {}", process.id, process.address,
                               taken ? "where another program listens" : "but " + why)};
    }
  }
  return {};
}

// Logs are made in steps: with less than this the first of them would fail, and nobody would say
// why.
Status check_disk(const ports::Host& host, const std::string& directory) {
  constexpr std::uint64_t least_bytes = 32ULL << 20;
  const auto space = host.disk_space(directory);
  if (space.ok() && space->available_bytes < least_bytes) {
    return Error{ErrorCode::full,
                 fmt::format("only {} KiB are free in {}; a cluster needs {} MiB to begin with",
                             space->available_bytes >> 10, directory, least_bytes >> 20)};
  }
  return {};
}

// An ensemble keeps its size: another number of voters would be another ensemble on old data.
Status check_earlier(ports::Disk& disk, const UpPlan& plan) {
  const auto earlier = read_cluster_file(disk, plan.directory);
  if (!earlier.ok()) {
    return {};
  }
  std::size_t planned = 0;
  for (const PlannedProcess& process : plan.processes) {
    planned += process.role == "coordinator" ? 1 : 0;
  }
  const std::size_t before = earlier->of_role("coordinator").size();
  if (before != 0 && planned != 0 && before != planned) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("{} holds a cluster of {} coordinators, not {}; keep the number, or "
                             "use another --dir",
                             plan.directory, before, planned)};
  }
  return {};
}

// The numbers of the cluster that runs, for those that were not asked for; an error if others were.
Status adopt_running(const ClusterFile& file, const UpPlan& plan, UpOptions* options) {
  const UpOptions defaults;
  const auto adopt = [&](const char* role, const char* flag,
                         std::int64_t UpOptions::*count) -> Status {
    const auto running = static_cast<std::int64_t>(file.of_role(role).size());
    if (options->*count != running && options->*count != defaults.*count) {
      return Error{ErrorCode::invalid_argument,
                   fmt::format("a cluster with --{}={} runs in {}; end it first", flag, running,
                               short_path(options->directory))};
    }
    options->*count = running;
    return {};
  };
  SYNOD_TRY(adopt("coordinator", "coordinators", &UpOptions::coordinators));
  SYNOD_TRY(adopt("master", "masters", &UpOptions::masters));
  SYNOD_TRY(adopt("agent", "agents", &UpOptions::agents));
  SYNOD_TRY(adopt("services", "services", &UpOptions::services));
  const ClusterProcess* m1 = file.find("m1");
  for (const PlannedProcess& process : plan.processes) {
    if (options->base_port != 0 && m1 != nullptr && process.id == m1->id &&
        process.address != m1->address) {
      return Error{ErrorCode::invalid_argument,
                   fmt::format("the cluster in {} runs on other ports (m1 at {}); end it first",
                               short_path(options->directory), m1->address)};
    }
  }
  if (file.of_role("coordinator").empty()) {
    options->zk = file.zk;
  }
  return {};
}

Status write_files(ports::Disk& disk, const UpPlan& plan) {
  SYNOD_TRY(disk.make_directories(plan.directory + "/logs"));
  for (const PlannedProcess& process : plan.processes) {
    SYNOD_TRY(disk.make_directories(process.work_directory));
  }
  for (const auto& [path, content] : plan.files) {
    SYNOD_TRY(ports::write_file_atomically(disk, path, content));
  }
  return {};
}

// What is still missing, in words; empty when the cluster is ready.
std::string missing(const ClusterView& view, const UpOptions& options) {
  if (options.zk.empty() && view.coordinators_alive() < options.coordinators) {
    return fmt::format("{} of {} coordinators", view.coordinators_alive(), options.coordinators);
  }
  if (view.master_leader().empty()) {
    return "a leading master";
  }
  if (view.active_agents() < static_cast<std::size_t>(options.agents)) {
    return fmt::format("{} of {} agents", view.active_agents(), options.agents);
  }
  if (options.services > 0 && !view.subscribed("synod-services")) {
    return "the service scheduler";
  }
  return "";
}

std::string range(const std::vector<std::string>& addresses) {
  if (addresses.size() < 2) {
    return addresses.empty() ? "" : addresses.front();
  }
  const std::string& last = addresses.back();
  return addresses.front() + "-" + last.substr(last.rfind(':') + 1);
}

std::string members(const Target& target, const std::string& role, const std::string& leader) {
  std::string text;
  for (const ClusterProcess* process : target.file->of_role(role)) {
    text +=
        (text.empty() ? "" : "  ") + process->id + (process->address == leader ? " leader" : "");
  }
  return text;
}

std::vector<std::string> addresses_of(const Target& target, const std::string& role) {
  std::vector<std::string> all;
  for (const ClusterProcess* process : target.file->of_role(role)) {
    all.push_back(process->address);
  }
  return all;
}

// "(cgroups v1, runc 1.1.5)", by what the agents themselves have found; empty if none can be asked.
std::string found_by_agents(Session& session, const Target& target) {
  constexpr Duration patience = Duration::millis(500);
  std::string text;
  for (const std::string& address : addresses_of(target, "agent")) {
    const auto agent = session.get(address, "/synod/v1/agent", patience);
    if (!agent.ok()) {
      continue;
    }
    const std::string runtime((*agent)["runtime"].as_string());
    const std::string found = std::string((*agent)["isolation"].as_string()) + ", " +
                              (runtime.empty() ? "no runc or crun" : runtime);
    if (text.find(found) == std::string::npos) {  // agents of one machine find the same
      text += (text.empty() ? "" : " | ") + found;
    }
  }
  return text.empty() ? "" : "   (" + text + ")";
}

// "1 cpu, 10.2 GiB, ports 31000-31499 | 31500-31999": what each has, as the leading master knows
// it.
std::string shares_of(const ClusterView& view) {
  std::vector<std::string> sizes;
  std::map<std::string, std::string> ports_by_name;
  for (const http::Json& agent : view.json["agents"].items()) {
    const http::Json& total = agent["total"];
    const double cpus = total["cpus"].as_double();
    const std::string size =
        fmt::format("{} {}, {:.1f} GiB", number_in_words(cpus), cpus == 1 ? "cpu" : "cpus",
                    total["mem"].as_double() / 1024);
    if (std::find(sizes.begin(), sizes.end(), size) == sizes.end()) {
      sizes.push_back(size);
    }
    std::string ports(total["ports"].as_string());
    std::erase_if(ports, [](char c) { return c == '[' || c == ']'; });
    ports_by_name[std::string(agent["name"].as_string())] = ports;
  }
  std::string text;
  for (const std::string& size : sizes) {
    text += (text.empty() ? "" : " | ") + size;
  }
  std::string ports;
  for (const auto& [name, of_one] : ports_by_name) {
    ports += (ports.empty() ? ", ports " : " | ") + of_one;
  }
  return text + ports;
}

void print_ready(Session& session, const ClusterView& view, const Target& target,
                 std::int64_t millis) {
  std::vector<std::vector<std::string>> rows;
  if (const auto all = addresses_of(target, "coordinator"); !all.empty()) {
    rows.push_back({"coordinators", members(target, "coordinator", view.coordinator_leader()),
                    range(all),
                    fmt::format("quorum {}/{}, ballot {}", view.coordinators_alive(),
                                view.coordinators(), view.json["quorum"]["ballot"].as_int())});
  }
  const auto masters = addresses_of(target, "master");
  const std::string page = masters.empty() ? view.master_leader() : masters.front();
  rows.push_back({"masters", members(target, "master", view.master_leader()), range(masters),
                  fmt::format("epoch {}", view.epoch())});
  if (!addresses_of(target, "agent").empty()) {
    rows.push_back({"agents", members(target, "agent", ""),
                    shares_of(view) + found_by_agents(session, target)});
  }
  std::fputs(table(rows).c_str(), stdout);
  std::printf(" page          http://%s   logs  %s/logs    ready in %s\n", page.c_str(),
              short_path(target.directory).c_str(), span_in_words(millis).c_str());
  // Started by ./dev, which can also break it on purpose.
  const bool from_dev = own_environment().count("SYNOD_DEV") != 0;
  const std::string last = from_dev ? "./dev chaos   (kills leaders; watch)" : "synod down";
  std::printf("%s\n",
              as_typed(" try:  synod run --name web --instances 2 --ports 1 -- 'exec python3 -m "
                       "http.server $PORT0'\n       synod zk set -c /config/limit 100      synod "
                       "status      " +
                       last)
                  .c_str());
}

// Waits until the cluster answers as it should. Says what was missing when it gives up.
Result<ClusterView> wait_ready(Session& session, const UpFlags& up, ports::ProcessId supervisor) {
  const Instant deadline = session.lane().now() + ready_timeout;
  TargetOptions by_directory;
  by_directory.directory = up.options.directory;
  std::string lacks = "everything";
  while (session.lane().now() < deadline) {
    auto target = find_target(session, by_directory);
    if (target.ok() && target->file->supervisor == supervisor) {
      target->patient = false;  // this loop is the patience
      auto view = read_cluster_view(session, *target);
      lacks = view.ok() ? missing(*view, up.options) : view.error().message;
      if (lacks.empty()) {
        return view;
      }
    }
    if (!session.machine().processes().alive(supervisor)) {
      return Error{ErrorCode::internal,
                   "the supervisor ended; see " + up.options.directory + "/logs/up.log"};
    }
    if (!session.wait(ready_poll_interval)) {
      return Error{ErrorCode::closed, "interrupted while waiting for " + lacks};
    }
  }
  return Error{ErrorCode::timed_out,
               fmt::format("not ready after {} s: {}; see {}/logs", ready_timeout.seconds(), lacks,
                           up.options.directory)};
}

Result<ports::ProcessId> start_supervisor(Session& session, const UpFlags& up) {
  ports::ProcessSpec spec;
  spec.argv = supervise_command(up);
  spec.env = own_environment();
  spec.env["SYNOD_CLUSTER"] = up.options.directory;
  spec.directory = up.options.directory;
  spec.new_session = true;
  const std::string log = up.options.directory + "/logs/up.log";
  spec.descriptors = {{1, ports::Descriptor::Kind::append_file, log},
                      {2, ports::Descriptor::Kind::append_file, log}};
  SYNOD_TRY_ASSIGN(const auto child, session.machine().processes().spawn(session.lane(), spec));
  return child->id();
}

// What commands need to find the cluster; nothing where they look by themselves.
std::string flags_to_find(const std::string& directory) {
  return directory == absolute_path(default_directory()) ? "" : "--dir=" + short_path(directory);
}

// What the servers themselves complained of last, a line each.
void tell_last_errors(const std::string& directory) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory + "/logs", error)) {
    std::ifstream log(entry.path());
    std::string last;
    for (std::string line; std::getline(log, line);) {
      if (line.find(" error ") != std::string::npos) {
        last = line;
      }
    }
    if (!last.empty()) {
      std::fprintf(stderr, " %s: %s\n", entry.path().filename().c_str(), last.c_str());
    }
  }
}

int ready(Session& session, const UpFlags& up, ports::ProcessId supervisor, Instant started) {
  const auto view = wait_ready(session, up, supervisor);
  if (!view.ok()) {
    const int code = fail("up", view.error());
    tell_last_errors(up.options.directory);
    return code;
  }
  TargetOptions by_directory;
  by_directory.directory = up.options.directory;
  const auto target = find_target(session, by_directory);
  if (!target.ok()) {
    return fail("up", target.error());
  }
  set_typed_flags(flags_to_find(up.options.directory));
  print_ready(session, *view, *target, (session.lane().now() - started).millis());
  std::fflush(stdout);
  if (up.detach) {
    return exit_success;
  }
  std::printf(" Ctrl-C ends it all\n");
  std::fflush(stdout);
  session.machine().run();
  return take_down(session, up.options.directory);
}

}  // namespace

int up_main(const std::vector<std::string>& arguments) {
  UpFlags up;
  up.options.directory = default_directory();
  Flags flags("up", "start a highly available cluster on this machine");
  add_flags(flags, &up);
  if (const auto exit = flags.parse(arguments)) {
    return *exit;
  }
  up.options.directory = absolute_path(up.options.directory);
  set_typed_flags(flags_to_find(up.options.directory));
  Session session;
  const Instant started = session.lane().now();
  ports::Disk& disk = session.machine().disk();
  const auto plan = plan_up(up.options, own_path(), session.machine().host());
  if (!plan.ok()) {
    return fail("up", plan.error(), "synod up --help");
  }
  const auto earlier = read_cluster_file(disk, up.options.directory);
  if (earlier.ok() && session.machine().processes().alive(earlier->supervisor)) {
    if (const Status same = adopt_running(*earlier, *plan, &up.options); !same.ok()) {
      return fail("up", same.error(), "synod down");
    }
    std::printf(" already running in %s\n", short_path(up.options.directory).c_str());
    return ready(session, up, earlier->supervisor, started);
  }
  // Servers that outlived a killed supervisor make way; tasks run on and are found again.
  end_servers(session, up.options.directory);
  if (const Status ok = check_earlier(disk, *plan); !ok.ok()) {
    return fail("up", ok.error());
  }
  if (const Status free = check_ports(session, *plan); !free.ok()) {
    return fail("up", free.error(), "synod up --base-port P, or stop what listens there");
  }
  if (const Status written = write_files(disk, *plan); !written.ok()) {
    return fail("up", written.error());
  }
  if (const Status room = check_disk(session.machine().host(), plan->directory); !room.ok()) {
    return fail("up", room.error(), "synod up --dir DIRECTORY");
  }
  const auto supervisor = start_supervisor(session, up);
  if (!supervisor.ok()) {
    return fail("up", supervisor.error());
  }
  return ready(session, up, *supervisor, started);
}

int supervise_main(const std::vector<std::string>& arguments) {
  UpFlags up;
  Flags flags("supervise", "keep the processes of a cluster running");
  add_flags(flags, &up);
  if (const auto exit = flags.parse(arguments)) {
    return *exit;
  }
  machine::Machine machine({});
  const auto plan = plan_up(up.options, own_path(), machine.host());
  if (!plan.ok()) {
    return fail("supervise", plan.error());
  }
  SupervisorOptions options;
  options.restart = !up.no_restart;
  options.environment = own_environment();
  Supervisor supervisor(machine.main_lane(), machine.processes(), machine.disk(), *plan, options);
  if (const Status started = supervisor.start(); !started.ok()) {
    machine.log().error("up", "{}", started.error().message);
  }
  machine.run();
  machine.log().info("up", "ending {} processes", supervisor.running());
  supervisor.stop([&] { machine.stop(); });
  machine.run();
  return exit_success;
}

}  // namespace synod::cli
