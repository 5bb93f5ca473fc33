// One run of the resource manager: coordinators, two masters, two agents, a framework, a storm.
#pragma once

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "base/planted.h"
#include "ports/address.h"
#include "sim/coordination/scenario.h"
#include "sim/machine.h"
#include "sim/verdict.h"

namespace synod::sim::resources {

struct MasterPlan {
  std::string name;
  std::vector<ports::Address> coordinators;
  ports::Address listen;
  Duration session_timeout = Duration::seconds(2);
  PlantedBug planted = PlantedBug::none;
};

struct AgentPlan {
  std::string name;
  std::vector<ports::Address> coordinators;
  ports::Address listen;
  std::string resources;  // as --resources
  PlantedBug planted = PlantedBug::none;
};

// How the parts of a cluster are made; `programs` registers what agents and masters start.
struct Starters {
  coordination::StartServer coordinator;
  std::function<Program(SimProcess&, const MasterPlan&)> master;
  std::function<Program(SimProcess&, const AgentPlan&)> agent;
  std::function<void(World&)> programs;
};

Verdict run_scenario(const coordination::ScenarioOptions& options, const Starters& starters);

}  // namespace synod::sim::resources
