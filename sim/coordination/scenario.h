// One run: an ensemble, its clients, a storm, the calm after it, and the judgement.
#pragma once

#include <climits>
#include <cstdint>
#include <functional>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "base/planted.h"
#include "ports/address.h"
#include "sim/machine.h"
#include "sim/verdict.h"

namespace synod::sim::coordination {

// What is left out of a run, to find out what of a failing seed matters.
struct Reductions {
  int clients_max = INT_MAX;
  int operations_max = INT_MAX;  // each client's
  std::uint64_t strikes_max = UINT64_MAX;
  std::set<std::uint64_t> skipped;  // strikes of the storm, by their numbers from 1
};

struct ScenarioOptions {
  std::uint64_t seed = 1;
  PlantedBug planted = PlantedBug::none;
  // What the storm aims at (parameters.h); empty: as the seed says.
  std::string aim = {};
  Reductions less = {};
  std::ostream* trace = nullptr;
  // Where the last log lines go if something is found; nullptr is nowhere.
  std::ostream* logs = nullptr;
  // Whether this server leads the ensemble, for faults that aim at it; empty: nobody can tell.
  std::function<bool(const SimProcess&)> leads = {};
  // Who is a member, as this server knows it: numbers of servers.
  std::function<std::set<int>(const SimProcess&)> members = {};
  // Whether a member that votes was never heard of, as this server knows it.
  std::function<bool(const SimProcess&)> lacks_voter = {};
  // Whether so many disks are lost that these, which are all servers by number, must stand still.
  std::function<bool(const std::map<int, const SimProcess*>&)> lost = {};
};

// What a server of the ensemble is told besides its ports.
struct ServerPlan {
  int id = 1;                         // server.N
  std::vector<ports::Address> peers;  // all of them, by id from 1
  int voters = 0;                     // the first so many; the others observe
  int listed = 0;                     // in the file, besides itself: the first so many; 0: all
  int groups = 0;                     // voters take turns in them; 0: none
  std::uint16_t client_port = 2181;
  std::int32_t tick_ms = 500;
  std::uint64_t snapshot_count = 200;  // slots between snapshots
  std::uint64_t log_slots_kept = 20'000;
  int edge_lanes = 0;  // 0: edges on the engine's own Lane
  bool linearizable_reads = false;
  std::int32_t lease_ms = 0;  // synod.leaseMs
  bool small_queues = false;  // and batches: little is too much for it
  bool reconfig = false;      // members join and leave: by anybody, at any time
  // As if of an older release: what it says to know; 0: as this one does.
  std::uint32_t rules = 0;
  std::uint16_t peer_format = 0;
  PlantedBug planted = PlantedBug::none;
};

using StartServer = std::function<Program(SimProcess&, const ServerPlan&)>;

// Runs the servers that `start` makes.
Verdict run_scenario(const ScenarioOptions& options, const StartServer& start);

}  // namespace synod::sim::coordination
