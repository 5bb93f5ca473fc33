// The command executor: one task, whose command it forks, watches and ends.
//
// Source      Mesos 1.11 command executor (protocol reference, 5.4).
// Invariants  X1 the end of the command is synced to the sandbox before anybody is told of it.
//             X2 after the terminal update nothing more is sent.
//             X3 a kill's deadline moves towards us only: a later kill may shorten it.
// Threads     Confined to its Lane, which is also its disk's: nothing else happens in this process.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/instant.h"
#include "base/result.h"
#include "executor/agent_link.h"
#include "ports/disk.h"
#include "ports/lane.h"
#include "ports/network.h"
#include "ports/processes.h"
#include "ports/scope.h"

namespace mesos::v1 {
class TaskInfo;
class TaskStatus;
enum TaskState : int;
}  // namespace mesos::v1

namespace synod::executor {

struct Options {
  AgentLinkOptions link;
  std::string sandbox;
  std::string state_directory;
  Duration shutdown_grace = Duration::seconds(5);
  // Runs the command as that user; empty: as ours.
  std::string command_user;
  // What the command inherits.
  std::map<std::string, std::string> environment;
};

// Reads what containerizer put into the environment. invalid_argument names what is missing.
Result<Options> options_from_environment(const std::map<std::string, std::string>& environment);

class Node {
 public:
  // `finished` is called once, on a later turn: the process may end with that exit code.
  Node(const Options& options, ports::Lane& lane, ports::Network& network, ports::Disk& disk,
       ports::Processes& processes, std::function<void(int)> finished);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  void start();
  // As the agent's SHUTDOWN: ends the command within its grace, then ourselves.
  void shutdown();

 private:
  enum class Phase { waiting, running, ended };

  void on_event(const ::mesos::v1::executor::Event& event);
  void launch(const ::mesos::v1::TaskInfo& task);
  ports::ProcessSpec command_spec() const;
  void kill(Duration grace);
  void kill_now();
  void on_exit(const ports::ExitStatus& status);
  void end(::mesos::v1::TaskState state, const std::string& message,
           const ports::ExitStatus& status);
  void send(::mesos::v1::TaskState state, const std::string& message);
  ::mesos::v1::TaskStatus make_status(::mesos::v1::TaskState state, const std::string& message);
  void finish_when_settled();
  void finish(int code);

  Options options_;
  ports::Lane& lane_;
  ports::Disk& disk_;
  ports::Processes& processes_;
  std::function<void(int)> finished_;
  AgentLink link_;
  std::unique_ptr<::mesos::v1::TaskInfo> task_;
  bool wants_killing_ = false;  // the framework understands TASK_KILLING
  Phase phase_ = Phase::waiting;
  std::unique_ptr<ports::Child> child_;
  std::unique_ptr<ports::ProcessWatch> watch_;
  bool killed_ = false;    // asked to end it
  bool overtime_ = false;  // it ran for longer than its task allows
  std::optional<Instant> kill_deadline_;
  ports::TimerId kill_timer_;
  ports::TimerId overtime_timer_;
  bool link_gone_ = false;
  bool finishing_ = false;
  ports::Scope scope_;
};

}  // namespace synod::executor
