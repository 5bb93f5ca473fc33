// How an executor is run, or why it cannot be.
//
// Source   Mesos 1.11: environment of executors (protocol reference, 5.3), sandbox (12.6), the
//          command executor's extra 0.1 cpu and 32 MB (5.4).
// Purity   Same request and options, same plan.
// Memory   Values; the messages of a Request are borrowed during the call.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.h"
#include "containerizer/cgroups.h"
#include "containerizer/paths.h"
#include "ports/processes.h"

namespace mesos::v1 {
class CommandInfo;
class ExecutorInfo;
class FrameworkInfo;
class TaskInfo;
}  // namespace mesos::v1

namespace synod::containerizer {

struct Options {
  std::string work_dir;  // absolute
  std::string program;   // this binary: `PROGRAM executor`, `PROGRAM shim -- ...`
  Cgroups cgroups;
  bool cgroups_enable_cfs = false;
  // Run commands as their framework wishes; needs root. Otherwise everything runs as `own_user`.
  bool switch_user = true;
  bool is_root = false;
  std::string own_user;
  std::string agent_endpoint;  // ip:port
  Duration recovery_timeout = Duration::seconds(15 * 60);
  Duration executor_reregistration_timeout = Duration::seconds(2);
  Duration executor_shutdown_grace_period = Duration::seconds(5);
  // What every executor finds in its environment: PATH, SYNOD_CLUSTER, and what
  // --executor_environment_variables names.
  std::map<std::string, std::string> environment;
};

enum class RunKind { command, custom };

struct Request {
  SandboxKey key;
  RunKind kind = RunKind::command;
  const ::mesos::v1::FrameworkInfo& framework;
  const ::mesos::v1::ExecutorInfo& executor;
  const std::vector<::mesos::v1::TaskInfo>& tasks;  // those known at the launch
};

// Why not. `invalid`: no agent could run it as it is written.
struct Refusal {
  bool invalid = false;
  std::string message;
};

struct Plan {
  std::string sandbox;
  std::vector<std::string> directories;  // make each, in order; then
  std::string sandbox_owner;             // hand the sandbox to that user; empty: leave it
  CgroupPlan cgroups;                    // then these
  ports::ProcessSpec process;            // then this, at its barrier
};

Result<Plan, Refusal> plan(const Options& options, const Request& request);

// The variable by which everything that a container left behind is found.
inline constexpr char container_variable[] = "SYNOD_CONTAINER";

// nullopt if this build can do all that the command and its task ask for, else what it cannot.
std::optional<std::string> unsupported(const ::mesos::v1::TaskInfo& task);
std::optional<std::string> unsupported(const ::mesos::v1::ExecutorInfo& executor);

// As Mesos writes durations: "5secs", "15mins", "250ms".
std::string duration_text(Duration duration);

}  // namespace synod::containerizer
