// What goes wrong in a run: a storm of faults drawn from a seed over machines that run one process
// of interest each, and the calm after it.
//
// A process that exits by itself is started again soon, as a supervisor would.
// Every fault ends by itself after a drawn span; calm() ends all of them: power on, processes
// started, links healed, disks at their speed, nobody paused.
//
// Memory  The World and the machines outlive it. `start` is called whenever a process is due.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/prng.h"
#include "sim/machine.h"
#include "sim/network.h"
#include "sim/world.h"

namespace synod::sim {

struct FaultOptions {
  // Between one fault and the next.
  Duration gap_min = Duration::millis(20);
  Duration gap_max = Duration::millis(1500);
  // Weights of the kinds; 0 leaves one out.
  std::uint64_t kill = 10;
  std::uint64_t power = 10;
  std::uint64_t power_at_operation = 12;
  std::uint64_t power_all = 3;
  std::uint64_t pause = 8;
  std::uint64_t isolate = 8;
  std::uint64_t cut_links = 8;
  std::uint64_t break_streams = 10;
  std::uint64_t slow_disk = 8;
  std::uint64_t slow_link = 4;
  std::uint64_t take_turns = 8;
  std::uint64_t wipe = 0;  // a disk is replaced by an empty one: once in a run
  // Aimed ones; they need to be told who leads, or of answers.
  std::uint64_t depose = 0;
  std::uint64_t shuffle_disks = 0;  // one drawn disk is quick, all others slow
  // The whole room goes dark right after an answer to a client, once in so many answers.
  std::uint64_t dark_once_in = 0;
  Duration outage_max = Duration::millis(3000);
};

class Faults {
 public:
  using Start = std::function<SimProcess&(SimMachine&)>;

  // `targets` run the processes of interest, `others` only take part in networks.
  Faults(World& world, std::vector<SimMachine*> targets, std::vector<SimMachine*> others,
         FaultOptions options, Start start);

  // Starts every target's process.
  void start_all();
  // Faults from now until then.
  void begin(Instant until);
  void calm();
  // For `depose`: whether this process leads the others now.
  void set_leads(std::function<bool(const SimProcess&)> leads) { leads_ = std::move(leads); }
  // A client was told that what it asked for is done. From outside any turn.
  void answered();
  // The target's process; nullptr while it is down.
  SimProcess* process(const SimMachine& machine) const;
  // How often each kind struck.
  const std::map<std::string, int>& counts() const { return counts_; }

 private:
  void next();
  void strike();
  SimMachine& draw_target();
  SimMachine& draw_any();
  Duration draw_span(Duration most);
  void start(SimMachine& machine);
  void start_later(SimMachine& machine, Duration delay);

  void kill();
  void power();
  void power_at_operation();
  void power_all();
  void pause();
  void isolate();
  void cut_links();
  void slow_disk();
  void slow_link();
  void take_turns();
  void wipe();

  // faults_aimed.cc
  void depose();
  void await_successor(SimMachine& old, Instant until);
  void end_successor(SimMachine& old, SimMachine& successor);
  void shuffle_disks();
  void heal(SimMachine& machine);

  World& world_;
  Prng prng_;
  std::vector<SimMachine*> targets_;
  std::vector<SimMachine*> others_;
  FaultOptions options_;
  Start start_;
  Instant until_;
  std::function<bool(const SimProcess&)> leads_;
  bool calm_ = true;
  bool deposing_ = false;
  bool wiped_ = false;
  SimMachine* quick_ = nullptr;                   // whose disk is quick while the others are slow
  Instant dark_after_;                            // not again before
  std::map<std::string, SimProcess*> processes_;  // by machine name
  std::map<std::string, int> counts_;
};

}  // namespace synod::sim
