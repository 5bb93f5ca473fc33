// The real parts of a cluster on simulated ports: what cli does with threads and sockets.
#pragma once

#include <set>

#include "sim/coordination/scenario.h"
#include "sim/machine.h"
#include "sim/resources/scenario.h"

namespace synod::sim {

// A coordinator, its configuration read from the text of a zoo.cfg.
Program start_coordinator(SimProcess& process, const coordination::ServerPlan& plan);

// Whether it leads its ensemble.
bool coordinator_leads(const SimProcess& process);

// The members of its ensemble, as its log says.
std::set<int> coordinator_members(const SimProcess& process);
bool coordinator_lacks_voter(const SimProcess& process);
// Whether what the newest of their logs asks for a quorum cannot be had: too many of its voters
// have lost their disks, or were never heard of.
bool coordinators_are_lost(const std::map<int, const SimProcess*>& processes);  // by server

Program start_master(SimProcess& process, const resources::MasterPlan& plan);
Program start_agent(SimProcess& process, const resources::AgentPlan& plan);
// What they start: `synod executor`, `synod sentinel`.
void register_programs(World& world);

}  // namespace synod::sim
