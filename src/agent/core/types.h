// The words of the agent's core: keys, states, updates, processes.
//
// Source  Mesos 1.11 (docs: protocol reference): task states, status updates, executors. Numbers of
//         TaskState, Source and Reason are stored in the journal and frozen; they equal the wire's
//         where the wire has them.
// Memory  Values. Bytes members are protobuf messages that no rule here reads.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/instant.h"
#include "base/strong_id.h"

namespace synod::agent::core {

// Position in the journal, from 1, counted by the core. 0 is "before the first".
using JournalSeq = StrongId<struct JournalSeqTag, std::uint64_t>;

// One run of one executor: the name of its sandbox directory.
using ContainerId = Uuid;

struct TaskKey {
  std::string framework;
  std::string task;

  friend auto operator<=>(const TaskKey&, const TaskKey&) = default;
};

struct ExecutorKey {
  std::string framework;
  std::string executor;

  friend auto operator<=>(const ExecutorKey&, const ExecutorKey&) = default;
};

enum class TaskState : std::uint8_t {
  starting = 0,
  running = 1,
  finished = 2,
  failed = 3,
  killed = 4,
  lost = 5,
  staging = 6,
  error = 7,
  killing = 8,
  dropped = 9,
  unreachable = 10,
  gone = 11,
  gone_by_operator = 12,
  unknown = 13,
};

// No later state follows.
bool is_terminal(TaskState state);
const char* to_string(TaskState state);

enum class Source : std::uint8_t { master = 0, agent = 1, executor = 2 };

// Why an update was made; the face gives them their wire names.
enum class Reason : std::uint8_t {
  none = 0,
  agent_restarted = 1,
  container_launch_failed = 2,
  executor_registration_timeout = 3,
  executor_reregistration_timeout = 4,
  executor_terminated = 5,
  task_killed_during_launch = 6,
  reconciliation = 7,
  task_invalid = 8,
  container_limitation_memory = 9,
  agent_draining = 10,
};

const char* to_string(Reason reason);

// How a process ended: exactly one is set, or neither when nobody saw it.
struct WaitStatus {
  std::optional<int> code;
  std::optional<int> signal;

  friend bool operator==(const WaitStatus&, const WaitStatus&) = default;
};

// "exited with status 3", "terminated with signal 9", "ended unseen".
std::string to_string(const WaitStatus& status);

// A process beyond doubt: the pid alone may have been reused, the start time alone repeats after a
// reboot.
struct ProcessRef {
  std::int64_t pid = 0;
  std::uint64_t start_time = 0;
  std::string boot_id;

  friend bool operator==(const ProcessRef&, const ProcessRef&) = default;
};

// One status update, as it goes up to the framework.
struct Update {
  Uuid uuid;
  TaskState state = TaskState::staging;
  Source source = Source::agent;
  Reason reason = Reason::none;
  std::string message;
  WallTime at;
  // What the executor sent, serialized (mesos.v1.TaskStatus); empty for updates made here.
  Bytes status;
  // The pid of the task's command where the executor told it, else 0.
  std::int64_t process = 0;

  friend bool operator==(const Update&, const Update&) = default;
};

// A framework as far as the agent must know it.
struct Framework {
  std::string id;
  Bytes info;  // FrameworkInfo
  // It understands TASK_DROPPED, TASK_GONE; others are told TASK_LOST instead.
  bool partition_aware = false;

  friend bool operator==(const Framework&, const Framework&) = default;
};

enum class ExecutorKind : std::uint8_t {
  command = 0,  // ours, for one task, made by the agent
  custom = 1,   // the framework's, under our shim
};

// What LAUNCH brings for an executor.
struct ExecutorSpec {
  ExecutorKey key;
  ExecutorKind kind = ExecutorKind::command;
  Bytes info;  // ExecutorInfo
  // From SHUTDOWN to SIGKILL.
  Duration shutdown_grace = Duration::seconds(5);

  friend bool operator==(const ExecutorSpec&, const ExecutorSpec&) = default;
};

struct TaskSpec {
  TaskKey key;
  Bytes info;  // TaskInfo
  // From SIGTERM to SIGKILL unless a kill says otherwise.
  Duration kill_grace = Duration::seconds(3);

  friend bool operator==(const TaskSpec&, const TaskSpec&) = default;
};

// What the executor or shim wrote and synced beside its sandbox before it ended.
struct TaskExit {
  std::string task;  // empty: a custom executor's own end, of no one task
  Update update;     // the task's last, with the uuid under which it was or would have been sent
  WaitStatus status;

  friend bool operator==(const TaskExit&, const TaskExit&) = default;
};

// Who speaks as master. A lineage is one registry's life; within it the epoch only grows.
struct MasterIdentity {
  Uuid lineage;
  MasterEpoch epoch;

  friend bool operator==(const MasterIdentity&, const MasterIdentity&) = default;
};

// Why the agent wants no new work; empty means that it does.
struct Pressure {
  std::string reason;

  bool any() const { return !reason.empty(); }
  friend bool operator==(const Pressure&, const Pressure&) = default;
};

std::ostream& operator<<(std::ostream& out, const TaskKey& key);
std::ostream& operator<<(std::ostream& out, const ExecutorKey& key);
std::ostream& operator<<(std::ostream& out, const ProcessRef& process);
std::ostream& operator<<(std::ostream& out, const Update& update);
std::ostream& operator<<(std::ostream& out, const MasterIdentity& master);

}  // namespace synod::agent::core
