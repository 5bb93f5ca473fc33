// The words of the master's core: ids, frameworks, agents, tasks, statuses, operations.
//
// Source   mesos.md 1.5, 2, 9, 11 in the project's reference. Numbers of TaskState, Source and
//          Reason are the wire's.
// Memory   Values. Members called `bytes` are serialized v1 messages that no rule here reads: the
//          face made them and gets them back as they were.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "allocator/events.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "base/instant.h"
#include "base/strong_id.h"
#include "resources/resources.h"
#include "resources/text.h"

namespace synod::master::core {

using resources::Milli;
using resources::Resources;

// A text that is an id of one kind and of no other.
template <typename Tag>
struct TextId {
  std::string value;

  bool empty() const { return value.empty(); }
  friend auto operator<=>(const TextId&, const TextId&) = default;
  friend std::ostream& operator<<(std::ostream& out, const TextId& id) { return out << id.value; }
};

using FrameworkId = TextId<struct FrameworkIdTag>;  // "<master id>-0007"
using AgentId = TextId<struct AgentIdTag>;          // "<master id>-S3"
using OfferId = TextId<struct OfferIdTag>;          // "<master id>-O12"
using TaskId = TextId<struct TaskIdTag>;
using ExecutorId = TextId<struct ExecutorIdTag>;

// Short handles minted by the core, for what is compared and walked often. Never reused.
using FrameworkKey = allocator::FrameworkKey;
using AgentKey = allocator::AgentKey;
using OfferKey = StrongId<struct OfferKeyTag, std::uint64_t>;

// One connection of a framework or an agent; minted by the face, never reused, 0 is none.
using Stream = StrongId<struct StreamTag, std::uint64_t>;

// One request to the registry; minted by the core, echoed by RegistryDone and RegistryFailed.
using OperationKey = StrongId<struct OperationKeyTag, std::uint64_t>;

// The right by which this master acts: stamped on every effect toward agents and registry, which
// refuse a lower counter of the same lineage.
struct Leadership {
  Uuid lineage;
  MasterEpoch epoch;

  friend auto operator<=>(const Leadership&, const Leadership&) = default;
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

bool is_terminal(TaskState state);
// "TASK_RUNNING"
const char* to_string(TaskState state);

enum class StatusSource : std::uint8_t { master = 0, agent = 1, executor = 2 };

// The reasons that the master itself gives; those of agents pass through as numbers.
namespace reason {
inline constexpr std::int32_t framework_removed = 3;
inline constexpr std::int32_t invalid_offers = 6;
inline constexpr std::int32_t reconciliation = 9;
inline constexpr std::int32_t agent_disconnected = 10;
inline constexpr std::int32_t agent_removed = 11;
inline constexpr std::int32_t task_invalid = 14;
inline constexpr std::int32_t task_group_invalid = 25;
inline constexpr std::int32_t agent_removed_by_operator = 31;
inline constexpr std::int32_t agent_reregistered = 32;
}  // namespace reason

// mesos.v1.TaskStatus. When `bytes` is set it is the status as the agent sent it, and the other
// fields repeat what rules read; the face sends `bytes` unchanged. Else the face makes a message of
// the fields.
struct TaskStatus {
  TaskId task;
  TaskState state = TaskState::staging;
  StatusSource source = StatusSource::master;
  std::optional<std::int32_t> reason;
  std::string message;
  AgentId agent;             // "" is absent
  ExecutorId executor;       // "" is absent
  std::optional<Uuid> uuid;  // set: the framework must acknowledge it
  WallTime timestamp;
  std::optional<bool> healthy;
  std::optional<WallTime> unreachable_time;
  Bytes bytes;

  friend bool operator==(const TaskStatus&, const TaskStatus&) = default;
};

struct Capabilities {
  bool revocable_resources = false;
  bool task_killing_state = false;
  bool gpu_resources = false;
  bool shared_resources = false;
  bool partition_aware = false;
  bool multi_role = false;
  bool reservation_refinement = false;
  bool region_aware = false;

  friend bool operator==(const Capabilities&, const Capabilities&) = default;
};

// mesos.v1.FrameworkInfo, as far as rules read it.
struct FrameworkInfo {
  std::string name;
  std::string user;
  std::string principal;
  std::optional<std::string> role;       // as it stood; nullopt when absent
  std::vector<std::string> multi_roles;  // `roles` as it stood
  // nullopt: no duration can be made of it, which refuses the subscription.
  std::optional<Duration> failover_timeout = Duration();
  bool checkpoint = false;
  Capabilities capabilities;
  Bytes bytes;  // FrameworkInfo without id

  // What it subscribes to: `multi_roles` with MULTI_ROLE, else `role` or "*".
  std::vector<std::string> roles() const;

  friend bool operator==(const FrameworkInfo&, const FrameworkInfo&) = default;
};

// mesos.v1.AgentInfo, as far as rules read it.
struct AgentInfo {
  std::string hostname;
  std::string ip;
  std::int32_t port = 5051;
  Resources total;
  resources::Attributes attributes;
  bool has_gpus() const { return total.scalar("gpus") > 0; }
  Bytes bytes;  // AgentInfo without id and resources

  friend bool operator==(const AgentInfo&, const AgentInfo&) = default;
};

enum class ExecutorType : std::uint8_t { unknown = 0, by_default = 1, custom = 2 };

struct ExecutorSpec {
  ExecutorId id;
  FrameworkId framework;  // "" is filled in
  ExecutorType type = ExecutorType::custom;
  Resources resources;  // may carry allocation roles; the core checks and strips them
  bool has_command = true;
  Bytes bytes;  // ExecutorInfo

  friend bool operator==(const ExecutorSpec&, const ExecutorSpec&) = default;
};

// mesos.v1.TaskInfo, as far as rules read it.
struct TaskSpec {
  TaskId id;
  std::string name;
  AgentId agent;
  Resources resources;  // may carry allocation roles; the core checks and strips them
  std::optional<ExecutorSpec> executor;
  bool has_command = false;
  // What a look at the message alone found wrong (translate); "" if nothing.
  std::string malformed;
  Bytes bytes;  // TaskInfo

  friend bool operator==(const TaskSpec&, const TaskSpec&) = default;
};

enum class OperationType : std::uint8_t {
  launch = 1,
  reserve = 2,
  unreserve = 3,
  create = 4,
  destroy = 5,
  launch_group = 6,
  grow_volume = 11,
  shrink_volume = 12,
  create_disk = 13,
  destroy_disk = 14,
};
// "LAUNCH"
const char* to_string(OperationType type);

// One operation of an ACCEPT. Tasks belong to launch and launch_group.
struct Operation {
  OperationType type = OperationType::launch;
  std::string id;  // "" is absent: no feedback is wanted
  std::vector<TaskSpec> tasks;
  Bytes bytes;  // Offer.Operation, for types other than launch

  friend bool operator==(const Operation&, const Operation&) = default;
};

// A task as an agent reports it when it subscribes.
struct ReportedTask {
  FrameworkId framework;
  TaskId id;
  std::string name;
  ExecutorId executor;                   // "" for command tasks
  TaskState state = TaskState::running;  // the latest
  Resources resources;
  std::optional<TaskState> update_state;  // of the oldest unacknowledged update
  std::optional<Uuid> update_uuid;
  Bytes bytes;  // mesos.v1.Task

  friend bool operator==(const ReportedTask&, const ReportedTask&) = default;
};

struct ReportedExecutor {
  FrameworkId framework;
  ExecutorSpec spec;

  friend bool operator==(const ReportedExecutor&, const ReportedExecutor&) = default;
};

struct ReportedFramework {
  FrameworkId id;
  FrameworkInfo info;

  friend bool operator==(const ReportedFramework&, const ReportedFramework&) = default;
};

// ---- what the registry holds

struct AgentRecord {
  AgentId id;
  std::string hostname;
  std::string ip;
  std::int32_t port = 0;
  Bytes bytes;  // AgentInfo

  friend bool operator==(const AgentRecord&, const AgentRecord&) = default;
};

struct LostAgentRecord {  // unreachable or gone
  AgentId id;
  WallTime since;

  friend bool operator==(const LostAgentRecord&, const LostAgentRecord&) = default;
};

struct FrameworkRecord {
  enum class State : std::uint8_t { connected = 1, disconnected = 2, completed = 3 };

  FrameworkId id;
  State state = State::connected;
  WallTime since;  // of that state
  FrameworkInfo info;

  friend bool operator==(const FrameworkRecord&, const FrameworkRecord&) = default;
};

struct WeightRecord {
  std::string role;
  Milli weight = 1000;

  friend bool operator==(const WeightRecord&, const WeightRecord&) = default;
};

struct RegistrySnapshot {
  std::vector<AgentRecord> admitted;
  std::vector<LostAgentRecord> unreachable;
  std::vector<LostAgentRecord> gone;
  std::vector<FrameworkRecord> frameworks;
  std::vector<WeightRecord> weights;
};

}  // namespace synod::master::core
