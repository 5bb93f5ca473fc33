// What read-only endpoints are served from: immutable pieces, one per agent and per framework.
//
// A piece is made anew only when its agent or framework changed, and then replaces the old one; a
// View is a list of pointers to pieces, so taking one costs O(agents + frameworks) pointers and no
// copy of a task. Pieces are shared_ptr<const> because readers on other Lanes keep a view as long
// as they render it, while the core goes on.
//
// Memory  A piece lives as long as the core or a view holds it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "master/core/types.h"

namespace synod::master::core {

struct TaskView {
  TaskId id;
  std::string name;
  FrameworkId framework;
  AgentId agent;
  ExecutorId executor;  // "" for command tasks
  std::string role;
  TaskState state = TaskState::staging;  // the latest
  Resources resources;
  std::vector<TaskStatus> statuses;  // the newest of each state, oldest first
  Bytes spec;                        // mesos.v1.TaskInfo; "" for a task found on an agent
  Bytes reported;  // mesos.v1.Task as an agent reported it; "" for one launched by this master
};

struct ExecutorView {
  ExecutorId id;
  FrameworkId framework;
  AgentId agent;
  Resources resources;
  Bytes bytes;  // mesos.v1.ExecutorInfo
};

struct OfferView {
  OfferId id;
  FrameworkId framework;
  AgentId agent;
  std::string role;
  Resources resources;
  WallTime since;
};

struct AgentView {
  enum class State : std::uint8_t { recovered, admitting, connected, disconnected };

  AgentId id;
  State state = State::connected;
  // Shared with offers, which outlive changes. Nothing but the record's while recovered.
  std::shared_ptr<const AgentInfo> info;
  WallTime registered_at;
  WallTime reregistered_at;  // 0 if never
  bool accepts_tasks = true;
  std::string why_not;
  bool over_committed = false;
  Resources total;
  Resources offered;
  Resources allocated;
  std::vector<TaskView> tasks;
  std::vector<ExecutorView> executors;
  std::vector<OfferView> offers;
};

struct FrameworkView {
  enum class State : std::uint8_t { recovered, connected, disconnected, completed };

  FrameworkId id;
  State state = State::connected;
  FrameworkInfo info;
  std::vector<std::string> suppressed_roles;
  WallTime registered_at;
  WallTime reregistered_at;  // 0 if never
  WallTime unregistered_at;  // 0 unless completed
  Resources offered;         // scalars, summed over the agents
  Resources allocated;
  std::vector<TaskView> completed_tasks;    // the last ones, oldest first
  std::vector<TaskView> unreachable_tasks;  // of agents that are unreachable
};

// Counts since this master began to lead.
struct Counters {
  std::uint64_t offers_made = 0;
  std::uint64_t offers_rescinded = 0;
  std::uint64_t offers_declined = 0;
  std::uint64_t calls_accept = 0;
  std::uint64_t calls_decline = 0;
  std::uint64_t tasks_launched = 0;
  std::map<TaskState, std::uint64_t> tasks_ended;  // by terminal state
  std::uint64_t status_updates_valid = 0;
  std::uint64_t status_updates_invalid = 0;
  std::uint64_t acknowledgements_valid = 0;
  std::uint64_t acknowledgements_invalid = 0;
  std::uint64_t agents_registered = 0;
  std::uint64_t agents_reregistered = 0;
  std::uint64_t agents_unreachable = 0;
  std::uint64_t agents_removed = 0;
  std::uint64_t allocation_turns = 0;
};

struct View {
  std::vector<std::shared_ptr<const AgentView>> agents;
  std::vector<std::shared_ptr<const FrameworkView>> frameworks;  // not completed
  std::vector<std::shared_ptr<const FrameworkView>> completed;
  std::vector<LostAgentRecord> unreachable;
  std::vector<LostAgentRecord> gone;
  std::vector<WeightRecord> weights;
  Counters counters;
};

}  // namespace synod::master::core
