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
#include <set>
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
  std::uint64_t stop = 8;  // SIGTERM: an orderly end
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
  std::uint64_t flap = 0;        // a link comes and goes many times
  std::uint64_t jump_clock = 0;  // a calendar clock leaps by up to an hour
  // Disks that fail for a while, and are honest otherwise.
  std::uint64_t fail_flush = 0;  // flushes end in EIO; some of what they held is lost
  std::uint64_t fail_io = 0;     // reads and writes end in EIO
  std::uint64_t full_disk = 0;
  // One machine of a run at most has its disk replaced by an empty one, corrupted, or lied to.
  std::uint64_t wipe = 0;
  std::uint64_t corrupt = 0;      // bits flip in what was written long ago or just now
  std::uint64_t lost_writes = 0;  // writes land elsewhere or nowhere, and the flush says yes
  // Aimed ones; they need to be told who leads, or of answers.
  std::uint64_t depose = 0;
  std::uint64_t usurp = 0;
  std::uint64_t doze = 0;
  std::uint64_t forget = 0;
  std::uint64_t amnesia = 0;        // takes the one wipe of a run; with lost_writes, some of those
  std::uint64_t shuffle_disks = 0;  // one drawn disk is quick, all others slow
  // The whole room goes dark right after an answer to a client, once in so many answers.
  std::uint64_t dark_once_in = 0;
  // Those that a change of members would keep and those that it would not lose sight of each other
  // about when it is asked for, once in so many changes.
  std::uint64_t part_once_in = 0;
  Duration outage_max = Duration::millis(3000);
  // Where the log lies: what `corrupt` aims at.
  std::string corrupted_prefix = "/";
  // The victim's disk is replaced by an empty one when its process ends again and again. Not for
  // what it must mend by itself.
  bool operator_replaces = false;
  // For a seed that fails, to find out what of it matters: strikes by their number, from 1, that do
  // nothing, and after how many the storm is over.
  std::set<std::uint64_t> skipped;
  std::uint64_t strikes_max = UINT64_MAX;
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
  // Ends the process, orderly or not, and starts it again; what is down is left to whoever starts
  // it.
  void restart(SimMachine& machine);
  // For `depose`: whether this process leads the others now.
  void set_leads(std::function<bool(const SimProcess&)> leads) { leads_ = std::move(leads); }
  // Whether a voter is missing as this process knows it, so that no other one may lose its disk.
  void set_lacks(std::function<bool(const SimProcess&)> lacks) { lacks_ = std::move(lacks); }
  // A client was told that what it asked for is done. From outside any turn.
  void answered();
  // A client asks now that these machines, by their number from 0, be the voters. From outside any
  // turn.
  void change_asked(const std::set<std::size_t>& voters);
  // The target's process; nullptr while it is down.
  SimProcess* process(const SimMachine& machine) const;
  // How often each kind struck.
  const std::map<std::string, int>& counts() const { return counts_; }
  // How many strikes there were, those that were skipped among them.
  std::uint64_t strikes() const { return strikes_; }
  // Replaces the victim's disk by an empty one, as an operator does who is told that it is damaged.
  // The one machine whose disk may have lost or changed what it was given; nullptr: none.
  const SimMachine* victim() const { return victim_; }
  bool wiped() const { return wiped_; }
  // False if this machine is not the victim.
  bool replace_disk(SimMachine& machine);

  // faults_partial.cc: the partial partitions of the Omni-Paxos paper, each with a node in its
  // midst that a quorum can reach. The storm must be empty meanwhile.
  enum class Partial { quorum_loss, constrained, chained };
  static constexpr Duration partial_lag = Duration::millis(1500);
  // Begins it and returns the node in the midst; nullptr if nobody leads.
  SimMachine* begin_partial(Partial kind);
  // The node that leads; nullptr if none does, or nobody can tell.
  SimMachine* leader() const;

 private:
  void next();
  void strike();
  SimMachine& draw_target();
  SimMachine& draw_any();
  Duration draw_span(Duration most);
  void start(SimMachine& machine);
  void start_later(SimMachine& machine, Duration delay);

  void kill();
  void stop();
  void end_orderly(SimProcess& running);
  void power();
  void power_at_operation();
  void power_all();
  void pause();
  void isolate();
  void cut_links();
  void slow_disk();
  void slow_link();
  void take_turns();

  // faults_disk.cc
  void fail_flush();
  void fail_io();
  void full_disk();
  void corrupt();
  void lost_writes();
  void wipe();
  void flap();
  void flap_on(const std::string& a, const std::string& b, std::int64_t times);
  void jump_clock();
  bool one_is_missing() const;
  SimMachine* draw_victim();

  // faults_aimed.cc
  void depose();
  using OnSuccessor = std::function<void(SimMachine& successor)>;
  // Looks every `interval` whether another one leads; heals `old` if none does before `until`.
  void await_successor(SimMachine& old, Duration interval, Instant until, OnSuccessor then);
  void end_successor(SimMachine& old, SimMachine& successor);
  void shuffle_disks();
  void usurp();
  void restore_middle(SimMachine& old, SimMachine& successor);
  void amnesia();
  void amnesia_strikes(SimMachine& away, SimMachine& wiped);
  void cut_off(SimMachine& machine);
  void cut_for(Duration span, const SimMachine& a, const SimMachine& b);
  void heal(SimMachine& machine);
  bool counts_strike();

  // faults_leases.cc
  void doze();
  void forget();
  void heal_later(SimMachine& machine, Duration most);

  World& world_;
  Prng prng_;
  std::vector<SimMachine*> targets_;
  std::vector<SimMachine*> others_;
  FaultOptions options_;
  Start start_;
  Instant until_;
  std::function<bool(const SimProcess&)> leads_;
  std::function<bool(const SimProcess&)> lacks_;
  bool calm_ = true;
  bool deposing_ = false;
  std::uint64_t strikes_ = 0;
  // The one whose disk may lose what it was given.
  SimMachine* victim_ = nullptr;
  bool wiped_ = false;
  SimMachine* quick_ = nullptr;                   // whose disk is quick while the others are slow
  Instant dark_after_;                            // not again before
  std::map<std::string, SimProcess*> processes_;  // by machine name
  std::map<std::string, int> counts_;
  std::map<std::string, int> exits_;  // one soon after the other
};

}  // namespace synod::sim
