// `synod up`: a whole cluster of processes on this machine, kept running by a supervisor of its
// own.
//
// up           checks, starts `synod supervise` as a session of its own, waits until the cluster is
//              ready, prints what it got; without --detach it stays and takes all down on Ctrl-C.
// supervise    the supervisor: not for people, takes up's flags.
#include <csignal>
#include <cstdio>

#include <fmt/format.h>

#include "cli/cluster_view.h"
#include "cli/commands.h"
#include "cli/down.h"
#include "cli/flags.h"
#include "cli/session.h"
#include "cli/supervisor.h"
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
      return Error{listener.error().code, fmt::format("{} needs {}, but {}", process.id,
                                                      process.address, listener.error().message)};
    }
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
    text += process->id + (process->address == leader ? " leader  " : "  ");
  }
  return text;
}

void print_ready(const ClusterView& view, const Target& target, const UpPlan& plan,
                 std::int64_t millis) {
  const ClusterFile& file = *target.file;
  const auto addresses = [&](const char* role) {
    std::vector<std::string> all;
    for (const ClusterProcess* process : file.of_role(role)) {
      all.push_back(process->address);
    }
    return all;
  };
  std::vector<std::vector<std::string>> rows;
  if (!file.of_role("coordinator").empty()) {
    rows.push_back({"coordinators", members(target, "coordinator", view.coordinator_leader()),
                    range(addresses("coordinator")),
                    fmt::format("quorum {}/{}, ballot {}", view.coordinators_alive(),
                                view.coordinators(), view.json["quorum"]["ballot"].as_int())});
  }
  rows.push_back({"masters", members(target, "master", view.master_leader()),
                  range(addresses("master")), fmt::format("epoch {}", view.epoch())});
  std::string ports;
  for (const AgentShare& share : plan.shares) {
    ports += fmt::format("{}{}-{}", ports.empty() ? "" : " | ", share.port_first, share.port_last);
  }
  if (!plan.shares.empty()) {
    const AgentShare& share = plan.shares.front();
    rows.push_back({"agents", members(target, "agent", ""), range(addresses("agent")),
                    fmt::format("{} cpu, {:.1f} GiB, ports {}",
                                number_in_words(static_cast<double>(share.cpus_milli) / 1000),
                                static_cast<double>(share.memory_mib) / 1024, ports)});
  }
  std::fputs(table(rows).c_str(), stdout);
  std::printf(" page          http://%s   logs  %s/logs    ready in %s\n",
              file.of_role("master").front()->address.c_str(), target.directory.c_str(),
              span_in_words(millis).c_str());
  std::printf(
      " try:  synod run --name web --instances 2 --ports 1 -- 'exec python3 -m http.server "
      "$PORT0'\n       synod zk set -c /config/limit 100      synod status      synod down\n");
}

// Waits until the cluster answers as it should. Says what was missing when it gives up.
Result<ClusterView> wait_ready(Session& session, const UpFlags& up, ports::ProcessId supervisor) {
  const Instant deadline = session.lane().now() + ready_timeout;
  std::string lacks = "everything";
  TargetOptions by_directory;
  by_directory.directory = up.options.directory;
  while (session.lane().now() < deadline) {
    const auto target = find_target(session, by_directory);
    if (target.ok() && target->file->supervisor == supervisor) {
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

int ready(Session& session, const UpFlags& up, const UpPlan& plan, ports::ProcessId supervisor,
          Instant started) {
  const auto view = wait_ready(session, up, supervisor);
  if (!view.ok()) {
    return fail("up", view.error());
  }
  TargetOptions by_directory;
  by_directory.directory = up.options.directory;
  const auto target = find_target(session, by_directory);
  if (!target.ok()) {
    return fail("up", target.error());
  }
  print_ready(*view, *target, plan, (session.lane().now() - started).millis());
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
  Flags flags("up", "start a highly available cluster on this machine");
  add_flags(flags, &up);
  if (const auto exit = flags.parse(arguments)) {
    return *exit;
  }
  up.options.directory = absolute_path(up.options.directory);
  Session session;
  const Instant started = session.lane().now();
  ports::Disk& disk = session.machine().disk();
  const auto plan = plan_up(up.options, own_path(), session.machine().host());
  if (!plan.ok()) {
    return fail("up", plan.error(), "synod up --help");
  }
  const auto earlier = read_cluster_file(disk, up.options.directory);
  if (earlier.ok() && session.machine().processes().alive(earlier->supervisor)) {
    std::printf(" already running in %s\n", up.options.directory.c_str());
    return ready(session, up, *plan, earlier->supervisor, started);
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
  const auto supervisor = start_supervisor(session, up);
  if (!supervisor.ok()) {
    return fail("up", supervisor.error());
  }
  return ready(session, up, *plan, *supervisor, started);
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
