// What really ran on the agents' machines: every command that was started, when, and how it ended.
//
// It looks at processes, not at what anybody says of them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ports/processes.h"
#include "sim/resources/framework.h"
#include "sim/world.h"

namespace synod::sim::resources {

struct RunRecord {
  std::string task;
  std::string machine;
  Amount amount;
  Instant began;
  std::optional<Instant> ended;
  ports::ExitStatus status;
  bool power_lost = false;  // by which it ended
  // When the machine first lost its power after the end.
  std::optional<Instant> power_lost_after;
  // By then what its executor saw of the end was on the disk, as slow as that was.
  Duration end_written_within;
};

class Witness {
 public:
  // Listens to the world's programs from now on.
  Witness(World& world, Amount agent_total);
  ~Witness();

  const std::vector<RunRecord>& runs() const { return runs_; }
  // Of all that runs there now.
  Amount running(const std::string& machine) const;
  // Found while it happened: more in use at once on a machine than it has.
  const std::vector<std::string>& complaints() const { return complaints_; }

 private:
  void on_start(SimProcess& process);
  void watch_power(SimMachine& machine);

  World& world_;
  Amount agent_total_;
  std::set<std::string> watched_;  // machines
  std::vector<RunRecord> runs_;
  std::vector<std::string> complaints_;
};

// Compares what ran with what the framework was told of its tasks.
std::vector<std::string> judge(const Witness& witness,
                               const std::map<std::string, TaskRecord>& tasks);

}  // namespace synod::sim::resources
