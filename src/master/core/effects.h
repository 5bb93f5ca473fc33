// What the master's core asks for.
//
// Order  Effects are performed in the order given. Messages of one stream keep their order.
// Right  Every effect toward an agent or the registry carries the leadership it was decided under;
//        the face drops nothing and adds nothing to it, the receiver compares.
#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <variant>
#include <vector>

#include "master/core/types.h"

namespace synod::master::core {

// ---- to a framework

struct Subscribed {
  FrameworkId framework;
};
struct Offer {
  OfferId id;
  AgentId agent;
  std::string role;     // allocation_info; the face strips it for frameworks without MULTI_ROLE
  Resources resources;  // without allocation roles
  std::vector<ExecutorId> executors;  // of this framework on that agent
  // Host name, address, attributes. Shared with the core because an agent's description is large,
  // immutable, and goes into every offer of it.
  std::shared_ptr<const AgentInfo> agent_info;
};
struct Offers {
  std::vector<Offer> offers;
};
struct Rescind {
  OfferId offer;
};
struct Update {
  TaskStatus status;
};
// Answer to an operation with an id that was not carried out (OPERATION_ERROR).
struct UpdateOperation {
  std::string operation;
  std::string message;
  AgentId agent;
};
struct Message {
  AgentId agent;
  ExecutorId executor;
  Bytes data;
};
// An agent was lost (no executor), or an executor of this framework ended.
struct Failure {
  AgentId agent;
  ExecutorId executor;
  std::optional<std::int32_t> status;
};
struct FrameworkError {
  std::string message;
};

struct ToFramework {
  Stream stream;
  // Its capabilities decide the shape of resources on the wire.
  Capabilities capabilities;
  std::variant<Subscribed, Offers, Rescind, Update, UpdateOperation, Message, Failure,
               FrameworkError>
      body;
};

// ---- to an agent

struct Registered {
  AgentId agent;
  Duration silence_limit;
};
struct Refused {
  enum class Reason : std::uint8_t { gone = 2, invalid = 4 };
  Reason reason = Reason::invalid;
  std::string message;
};
struct Launch {
  FrameworkId framework;
  FrameworkInfo framework_info;
  std::string role;  // allocation_info for the task's and executor's resources
  TaskSpec task;     // agent and executor.framework filled in; resources without allocation roles
};
struct KillTask {
  FrameworkId framework;
  TaskId task;
  Bytes kill_policy;
};
struct AcknowledgeUpdate {
  FrameworkId framework;
  TaskId task;
  Uuid uuid;
};
struct ReconcileTasks {
  struct Item {
    FrameworkId framework;
    TaskId task;
  };
  std::vector<Item> tasks;
};
// No framework: everything. A framework: all of it. An executor as well: that one.
struct Shutdown {
  FrameworkId framework;
  ExecutorId executor;
  std::string message;
};
struct Ping {
  std::uint64_t number = 0;
};
struct ExecutorMessage {
  FrameworkId framework;
  ExecutorId executor;
  Bytes data;
};
struct UpdateFramework {
  FrameworkId framework;
  FrameworkInfo info;
};

struct ToAgent {
  Stream stream;
  AgentId agent;  // "" when refused before it had one
  Leadership leadership;
  std::variant<Registered, Refused, Launch, KillTask, AcknowledgeUpdate, ReconcileTasks, Shutdown,
               Ping, ExecutorMessage, UpdateFramework>
      body;
};

// Close the stream after what was sent on it. No StreamClosed is expected; one does no harm.
struct CloseStream {
  Stream stream;
  std::string reason;
};

// ---- to the registry. Each is answered by RegistryDone or RegistryFailed.

struct AdmitAgent {
  AgentRecord agent;
};
struct MarkReachable {  // unreachable (or unknown) -> admitted
  AgentRecord agent;
};
struct MarkUnreachable {
  AgentId agent;
  WallTime since;
};
struct MarkGone {
  AgentId agent;
  WallTime since;
};
struct RemoveAgent {
  AgentId agent;
};
struct PutFramework {
  FrameworkRecord framework;
};
struct RemoveFramework {
  FrameworkId framework;
};
// Changes nothing: its being done proves that this master led when it was asked.
struct ConfirmLeadership {};
struct PutWeights {
  std::vector<WeightRecord> weights;
};

struct ToRegistry {
  OperationKey operation;
  Leadership leadership;
  std::variant<AdmitAgent, MarkReachable, MarkUnreachable, MarkGone, RemoveAgent, PutFramework,
               RemoveFramework, PutWeights, ConfirmLeadership>
      body;
};

// ---- to the face itself

// Send Wake at this instant; replaces the one asked for before. Instant::max(): none.
struct WakeAt {
  Instant at;
};
// Send Turn as soon as other work had its chance.
struct Continue {};

enum class NoteLevel : std::uint8_t { info, warning, error };
struct Note {
  NoteLevel level = NoteLevel::info;
  std::string text;
};

using Effect = std::variant<ToFramework, ToAgent, CloseStream, ToRegistry, WakeAt, Continue, Note>;
using Effects = std::vector<Effect>;

std::ostream& operator<<(std::ostream& out, const Effect& effect);

}  // namespace synod::master::core
