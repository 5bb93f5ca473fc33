// What a seed draws for a run: the ensemble, its network, its load and its storm.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/limits.h"
#include "sim/coordination/scenario.h"
#include "sim/faults.h"
#include "sim/network.h"

namespace synod::sim::coordination {

// Servers of two releases in one ensemble.
struct Releases {
  struct Change {
    Duration at;  // of the storm
    int server = 1;
  };
  std::set<int> older;  // at first
  // From then on the server's process is one of the other release: forwards, or back.
  std::vector<Change> changes;
  std::uint16_t older_format = 1;  // between peers
  std::uint32_t older_rules = 1;
};

struct Parameters {
  // What the storm aims at: "all", or the name of one weakness.
  std::string aim = "all";
  std::optional<Faults::Partial> partial;  // one partition instead of a storm
  int servers = 3;                         // voters
  int observers = 0;                       // more servers, with the numbers behind
  int spares = 0;                          // more servers, no members: they may become some
  int groups = 0;                          // of voters, in turn; 0: a majority of all
  int clients = 4;
  int floods = 0;        // clients that ask for more than all can be given, instead of a storm
  int operations = 100;  // each client's
  int burst_max = 8;
  std::uint64_t data_max = 0;
  Duration storm;
  std::int32_t tick_ms = 500;
  std::int32_t session_timeout_ms = 4000;
  std::uint64_t snapshot_count = 200;
  std::uint64_t log_slots_kept = 20'000;
  int edge_lanes = 0;
  bool linearizable_reads = false;  // synod.linearizableReads
  std::int32_t lease_ms = 0;        // synod.leaseMs
  std::int64_t drift_ppm_max = 20'000;
  NetworkOptions network;
  FaultOptions faults;
  Releases releases;
  std::size_t lane_tasks_max = limits::lane_tasks_max;
};

Parameters draw_parameters(const ScenarioOptions& options);
std::string show(const Parameters& parameters);
// Every name that ScenarioOptions::aim takes.
const std::vector<std::string>& aims();

}  // namespace synod::sim::coordination
