// `synod down`: everything that carries SYNOD_CLUSTER=<dir> in its environment ends.
#include "cli/down.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <functional>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/typed.h"

namespace synod::cli {
namespace {

constexpr Duration end_poll_interval = Duration::millis(20);
// The supervisor gives each of four stages three seconds before it kills.
constexpr Duration supervisor_patience = Duration::seconds(15);
constexpr Duration task_patience = Duration::seconds(5);
// For an executor to write down how its task ended.
constexpr Duration note_patience = Duration::millis(300);

using ports::RunningProcess;

bool is_subcommand(const RunningProcess& process, const std::string& name) {
  return process.argv.size() > 1 && process.argv[0].ends_with("synod") && process.argv[1] == name;
}

bool is_executor(const RunningProcess& process) {
  return is_subcommand(process, "executor") || is_subcommand(process, "shim");
}

bool is_server(const RunningProcess& process) {
  static const std::vector<std::string> names = {"supervise", "coordinator", "master",
                                                 "agent",     "services",    "sentinel"};
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return is_subcommand(process, name); });
}

// Of those that cluster.json lists: what a user calls a process of the cluster.
bool is_listed_server(const RunningProcess& process) {
  return is_server(process) && !is_subcommand(process, "supervise") &&
         !is_subcommand(process, "sentinel");
}

std::vector<RunningProcess> leftovers(Session& session, const std::string& directory) {
  auto all = session.machine().processes().find_by_environment("SYNOD_CLUSTER", directory);
  const ports::ProcessId self = session.machine().processes().self();
  std::erase_if(all, [&](const RunningProcess& process) { return process.id == self; });
  return all;
}

void signal_all(Session& session, const std::vector<RunningProcess>& all, int number) {
  for (const RunningProcess& process : all) {
    const Status sent = session.machine().processes().signal(process.id, number);
    (void)sent.ok();  // gone already
  }
}

// Waits until `left` says that nothing is left; false when patience ran out or Ctrl-C came.
bool wait_until(Session& session, Duration patience, const std::function<bool()>& done) {
  const Instant deadline = session.lane().now() + patience;
  while (!done()) {
    if (session.lane().now() >= deadline || !session.wait(end_poll_interval)) {
      return done();
    }
  }
  return true;
}

}  // namespace

void end_servers(Session& session, const std::string& directory) {
  const auto servers = [&] {
    auto all = leftovers(session, directory);
    std::erase_if(all, [](const RunningProcess& process) { return !is_server(process); });
    return all;
  };
  signal_all(session, servers(), SIGTERM);
  if (!wait_until(session, task_patience, [&] { return servers().empty(); })) {
    signal_all(session, servers(), SIGKILL);
    wait_until(session, task_patience, [&] { return servers().empty(); });
  }
}

int take_down(Session& session, const std::string& directory) {
  const auto file = read_cluster_file(session.machine().disk(), directory);
  const auto before = leftovers(session, directory);
  if (before.empty()) {
    std::printf(" nothing runs from %s\n", short_path(directory).c_str());
    return exit_success;
  }
  const auto servers = std::count_if(before.begin(), before.end(), is_listed_server);
  const auto tasks = std::count_if(before.begin(), before.end(), [](const RunningProcess& process) {
    return is_subcommand(process, "executor");
  });
  ports::Processes& processes = session.machine().processes();
  if (file.ok() && processes.alive(file->supervisor)) {
    const ports::ProcessId supervisor = file->supervisor;
    const Status sent = processes.signal(supervisor, SIGTERM);
    if (sent.ok()) {
      wait_until(session, supervisor_patience, [&] { return !processes.alive(supervisor); });
    }
  }
  end_servers(session, directory);
  // Executors end their task with its grace and note its exit status in a file. Then they would
  // wait for an agent to tell; there is none any more.
  signal_all(session, leftovers(session, directory), SIGTERM);
  const auto only_executors = [&] {
    const auto all = leftovers(session, directory);
    return std::all_of(all.begin(), all.end(), is_executor);
  };
  wait_until(session, task_patience, only_executors);
  wait_until(session, note_patience, [&] { return leftovers(session, directory).empty(); });
  signal_all(session, leftovers(session, directory), SIGKILL);
  wait_until(session, task_patience, [&] { return leftovers(session, directory).empty(); });
  const auto left = leftovers(session, directory);
  if (!left.empty()) {
    std::fprintf(stderr, "synod down: %zu processes of %s will not end (first pid %lld)\n",
                 left.size(), directory.c_str(), static_cast<long long>(left.front().id.pid));
    return exit_failed;
  }
  std::printf(" %lld tasks stopped, %lld processes ended, nothing left behind (state kept in %s)\n",
              static_cast<long long>(tasks), static_cast<long long>(servers),
              short_path(directory).c_str());
  return exit_success;
}

int down_main(const std::vector<std::string>& arguments) {
  TargetOptions options;
  Flags flags("down", "end the cluster that `synod up` started; state is kept");
  flags.text("dir", &options.directory, "the cluster's directory (SYNOD_DIR, then ./.synod)");
  if (const auto exit = flags.parse(arguments)) {
    return *exit;
  }
  Session session;
  return take_down(
      session, absolute_path(options.directory.empty() ? default_directory() : options.directory));
}

}  // namespace synod::cli
