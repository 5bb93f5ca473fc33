// What the agent's core hears and what it asks for.
//
// Order  Effects are performed in the order given. Persist effects name the journal's next position
//        each; the face answers Durable(seq) once everything up to seq is flushed, in groups of its
//        choice. What depends on a record is never among the effects of a step before its Durable.
#pragma once

#include <ostream>
#include <string>
#include <variant>
#include <vector>

#include "agent/core/record.h"
#include "agent/core/types.h"

namespace synod::agent::core {

// ---- what the master says

// Answer to Subscribe: the agent has this id and is known.
struct Registered {
  std::string agent_id;
  // Silence for longer than this means that the master is gone. 0: never.
  Duration silence_limit;
};
struct Launch {
  Framework framework;
  ExecutorSpec executor;
  std::vector<TaskSpec> tasks;
};
struct Kill {
  TaskKey task;
  std::optional<Duration> grace;
};
struct Acknowledge {
  TaskKey task;
  Uuid uuid;
};
struct ShutdownExecutor {
  ExecutorKey executor;
};
struct ShutdownFramework {
  std::string framework;
};
// The tasks that the master believes to be here; those we do not know are answered.
struct Reconcile {
  std::vector<TaskKey> tasks;
};
struct UpdateFramework {
  Framework framework;
};
struct Ping {
  std::uint64_t number = 0;
};
// Bytes for an executor, at most once.
struct MessageExecutor {
  ExecutorKey executor;
  Bytes data;
};
// The agent is to end everything and go.
struct Shutdown {
  std::string message;
};

using Command =
    std::variant<Registered, Launch, Kill, Acknowledge, ShutdownExecutor, ShutdownFramework,
                 Reconcile, UpdateFramework, Ping, MessageExecutor, Shutdown>;

// ---- events

struct Durable {
  JournalSeq seq;
};
// Time has passed: next_wake() has come.
struct Tick {};

// One container of the journal, looked up on the machine after a restart.
struct ContainerFound {
  ContainerId container;
  bool alive = false;
  WaitStatus status;
  std::optional<TaskExit> exit;
};
// The answer to unfinished_containers() after replay; first event of all.
struct RecoveryChecked {
  std::string boot_id;
  std::vector<ContainerFound> found;
};

// A leading master is known (again); the face knows its address.
struct MasterDetected {};
// No master is known, or the connection to it broke or was refused.
struct MasterLost {
  std::string reason;
  bool detected = true;  // a leader is still known: try again
};
struct MasterSaid {
  MasterIdentity from;
  Command command;
};

struct ExecutorSubscribed {
  ExecutorKey executor;
  std::vector<std::string> unacknowledged_tasks;
  std::vector<std::pair<TaskKey, Update>> unacknowledged_updates;
};
struct ExecutorUpdated {
  ExecutorKey executor;
  TaskKey task;
  Update update;
};
struct ExecutorDisconnected {
  ExecutorKey executor;
};

// The process of a Spawn exists and waits at its barrier.
struct Spawned {
  ContainerId container;
  ProcessRef process;
};
// It could not be made, or failed as it was released. Nothing runs.
struct SpawnFailed {
  ContainerId container;
  Reason reason = Reason::container_launch_failed;
  std::string message;
};
// The container's process and all that it left behind have ended.
struct ContainerGone {
  ContainerId container;
  WaitStatus status;
  std::optional<TaskExit> exit;
};

struct PressureChanged {
  Pressure pressure;
};
// The operator ends the agent for good: unregister, end every executor.
struct StopAsked {
  std::string reason;
};

using EventBody =
    std::variant<Durable, Tick, RecoveryChecked, MasterDetected, MasterLost, MasterSaid,
                 ExecutorSubscribed, ExecutorUpdated, ExecutorDisconnected, Spawned, SpawnFailed,
                 ContainerGone, PressureChanged, StopAsked>;

struct Event {
  Instant now;
  WallTime wall;
  EventBody body;
};

// ---- effects

// Append at seq, which follows the last one.
struct Persist {
  JournalSeq seq;
  Record record;
};

// Make the sandbox and a process that waits at its barrier; answer Spawned or SpawnFailed.
struct Spawn {
  ContainerId container;
  ExecutorSpec executor;
  Framework framework;
  std::vector<TaskSpec> tasks;
};
// Let it run.
struct Release {
  ContainerId container;
};
// Watch a process that an earlier life of the agent started; answer ContainerGone when it ends.
struct Watch {
  ContainerId container;
  ProcessRef process;
};
// SIGKILL for everything in the container; ContainerGone follows when nothing is left.
struct Destroy {
  ContainerId container;
};

struct ExecutorAccepted {};  // SUBSCRIBED
struct ExecutorRefused {     // answered with an error, stream closed
  std::string reason;
};
struct LaunchTask {
  TaskSpec task;
};
struct KillTask {
  std::string task;
  Duration grace;
};
struct AcknowledgeUpdate {
  std::string task;
  Uuid uuid;
};
struct ExecutorMessage {
  Bytes data;
};
struct ExecutorShutdown {};

struct ToExecutor {
  ExecutorKey executor;
  std::variant<ExecutorAccepted, ExecutorRefused, LaunchTask, KillTask, AcknowledgeUpdate,
               ExecutorMessage, ExecutorShutdown>
      body;
};

// Open a connection to the detected master and send register or re-register, made of the core's
// state at that moment: agent_id(), tasks(), executors(), pressure().
struct Subscribe {};
// Close the connection to the master; MasterLost follows.
struct Disconnect {
  std::string reason;
};

// The head of a task's updates, with the latest state seen. Sent once more when the latest state
// becomes terminal while the head is in flight: the resources are free from then on.
struct ForwardUpdate {
  TaskKey task;
  std::string executor;
  Update update;
  TaskState latest_state = TaskState::staging;
};
// An answer about a task that is not here: no uuid, no acknowledgement, kept nowhere.
struct AnswerUnknown {
  TaskKey task;
  TaskState state = TaskState::lost;
  Reason reason = Reason::reconciliation;
  std::string message;
};
struct Pong {
  std::uint64_t number = 0;
};
struct ReportExecutorEnded {
  ExecutorKey executor;
  WaitStatus status;
};
struct ReportPressure {
  Pressure pressure;
};
struct Unregister {
  std::string reason;
};

struct ToMaster {
  std::variant<ForwardUpdate, AnswerUnknown, Pong, ReportExecutorEnded, ReportPressure, Unregister>
      body;
};

enum class NoteLevel { info, warning, error };
struct Note {
  NoteLevel level = NoteLevel::info;
  std::string text;
};
// Everything of this agent has ended as it was told to.
struct Exit {
  std::string reason;
};

using Effect = std::variant<Persist, Spawn, Release, Watch, Destroy, ToExecutor, Subscribe,
                            Disconnect, ToMaster, Note, Exit>;
using Effects = std::vector<Effect>;

// One line each.
std::ostream& operator<<(std::ostream& out, const Command& command);
std::ostream& operator<<(std::ostream& out, const Event& event);
std::ostream& operator<<(std::ostream& out, const Effect& effect);

}  // namespace synod::agent::core
