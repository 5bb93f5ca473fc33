// What the master's core hears.
//
// Time comes with each event and from nowhere else: `now` for timers, `wall` for what people and
// the registry read.
#pragma once

#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "master/core/types.h"

namespace synod::master::core {

// ---- the process

// The registry as it was read after the epoch was raised: the first event of all. Until then the
// core serves nobody.
struct Recovered {
  RegistrySnapshot registry;
};
// The instant of the last WakeAt has come (or any other time: it never does harm).
struct Wake {};
// The answer to Continue: go on with the allocation under way.
struct Turn {};

// ---- the registry's answers, in any order

struct RegistryDone {
  OperationKey operation;
};
// Surely not applied. What may have been applied must be found out by the face before it speaks.
struct RegistryFailed {
  OperationKey operation;
  std::string reason;
};

// ---- frameworks. Calls name the framework; the face has asked check_call() before.

struct Subscribe {
  Stream stream;
  FrameworkId id;  // "": a new framework
  FrameworkInfo info;
  std::set<std::string> suppressed_roles;
};
// The stream of a framework or of an agent broke, or the face cut it.
struct StreamClosed {
  Stream stream;
};
struct Teardown {
  FrameworkId framework;
};
struct Accept {
  FrameworkId framework;
  std::vector<OfferId> offers;
  std::vector<Operation> operations;
  Duration refuse = Duration::seconds(5);  // the face: absent, negative or absurd is 5 s
};
struct Decline {
  FrameworkId framework;
  std::vector<OfferId> offers;
  Duration refuse = Duration::seconds(5);
};
struct Revive {
  FrameworkId framework;
  std::vector<std::string> roles;  // empty: all
};
struct Suppress {
  FrameworkId framework;
  std::vector<std::string> roles;  // empty: all
};
struct Kill {
  FrameworkId framework;
  TaskId task;
  AgentId agent;      // "" is absent
  Bytes kill_policy;  // mesos.v1.KillPolicy, "" is absent
};
struct ShutdownExecutor {
  FrameworkId framework;
  AgentId agent;
  ExecutorId executor;
};
struct Acknowledge {
  FrameworkId framework;
  AgentId agent;
  TaskId task;
  Uuid uuid;
};
struct Reconcile {
  struct Item {
    TaskId task;
    AgentId agent;  // "" is absent
  };
  FrameworkId framework;
  std::vector<Item> tasks;  // empty: all
};
struct MessageExecutor {
  FrameworkId framework;
  AgentId agent;
  ExecutorId executor;
  Bytes data;
};

// ---- agents

// SUBSCRIBE of mesos/internal.proto. The face has checked versions and the lineage.
struct AgentSubscribe {
  Stream stream;
  AgentId id;  // "": a new agent
  AgentInfo info;
  std::vector<ReportedTask> tasks;
  std::vector<ReportedExecutor> executors;
  std::vector<ReportedFramework> frameworks;
  bool accepts_tasks = true;
  std::string why_not;
};
struct AgentUpdate {
  Stream stream;
  FrameworkId framework;
  TaskStatus status;
  TaskState latest_state = TaskState::staging;
};
struct AgentPong {
  Stream stream;
  std::uint64_t number = 0;
};
struct AgentExecutorExited {
  Stream stream;
  FrameworkId framework;
  ExecutorId executor;
  std::int32_t status = 0;
};
struct AgentMessage {
  Stream stream;
  FrameworkId framework;
  ExecutorId executor;
  Bytes data;
};
// False: the agent protects itself (full disk, say) and is offered to nobody until true.
struct AgentAcceptsTasks {
  Stream stream;
  bool accepts = true;
  std::string why_not;
};
// The agent ends in order, and its tasks with it.
struct AgentGoodbye {
  Stream stream;
  std::string message;
};

// ---- the operator

struct UpdateWeights {
  std::vector<WeightRecord> weights;
};
struct OperatorTeardown {
  FrameworkId framework;
};
// The agent will never come back: its tasks are told gone for good.
struct MarkAgentGone {
  AgentId agent;
};

using EventBody =
    std::variant<Recovered, Wake, Turn, RegistryDone, RegistryFailed, Subscribe, StreamClosed,
                 Teardown, Accept, Decline, Revive, Suppress, Kill, ShutdownExecutor, Acknowledge,
                 Reconcile, MessageExecutor, AgentSubscribe, AgentUpdate, AgentPong,
                 AgentExecutorExited, AgentMessage, AgentAcceptsTasks, AgentGoodbye, UpdateWeights,
                 OperatorTeardown, MarkAgentGone>;

struct Event {
  Instant now;
  WallTime wall;
  EventBody body;
};

std::ostream& operator<<(std::ostream& out, const Event& event);

}  // namespace synod::master::core
