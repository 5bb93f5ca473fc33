// Calls of agents, and what the core hears of them.
//
// Source   src/mesos/internal.proto.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "master/core/events.h"

namespace mesos::v1 {
class TaskStatus;
}

namespace synod::mesos::internal {
class AgentCall;
class MasterEpoch;
}  // namespace synod::mesos::internal

namespace synod::master {

// A status as an agent sent it.
core::TaskStatus status_of(const ::mesos::v1::TaskStatus& status);

// The leadership that a message names; nullopt if its lineage is none.
std::optional<core::Leadership> leadership_of(const mesos::internal::MasterEpoch& message);

// What a SUBSCRIBE says. `peer_ip` stands in where it names no address. Error: invalid_argument,
// which is told to the agent as a refusal.
Result<core::AgentSubscribe> agent_subscription_of(const mesos::internal::AgentCall& call,
                                                   core::Stream stream, const std::string& peer_ip);

// The event of any other call. nullopt: nothing for the core (usage that changes nothing, a type
// that only later masters know). Error: malformed.
Result<std::optional<core::EventBody>> agent_event_of(const mesos::internal::AgentCall& call,
                                                      core::Stream stream);

}  // namespace synod::master
