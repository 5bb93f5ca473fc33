// The simulated world: one queue of events, virtual time, machines, their processes and Lanes.
//
// Everything that happens is an event with a moment; events of one moment happen in an order drawn
// from the seed, and so does the delay before each turn of a Lane. A Lane runs one task a turn;
// what the turn costs (cpu, disk) moves the Lane's own clock ahead of the world's, and what it
// sends or posts from there leaves at that moment. Nothing reads the machine underneath, so the
// same seed and options give the same run, which digest() proves.
//
// Invariants
//   W1 An event owned by a process that has ended does not happen.
//   W2 Tasks of one Lane run in the order in which they were posted to it, never two at once.
//   W3 A Lane's clock never runs backwards, nor does the world's.
//
// Threads One.
// Memory  World owns machines, machines own processes, processes own Lanes; all live until the
//         World ends, so that a reference to one that has ended is harmless. The program of a
//         process is destroyed when the process ends, outside any turn.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/prng.h"
#include "ports/lane.h"

namespace synod::sim {

class Programs;
class SimLane;
class SimMachine;
class SimNetwork;
class SimProcess;
struct MachineOptions;

struct WorldOptions {
  std::uint64_t seed = 1;
  // Lower it to make try_post answer false.
  std::size_t lane_tasks_max = limits::lane_tasks_max;
  // What a turn costs the Lane.
  Duration turn_cost_min = Duration::micros(1);
  Duration turn_cost_max = Duration::micros(12);
  // A turn is late by up to turn_late_max once in so many turns; 0 is never.
  std::uint64_t turn_late_once_in = 400;
  Duration turn_late_max = Duration::millis(4);
  LogLevel log_level = LogLevel::info;
  // Lines of log kept of each process, for the report of a failure.
  std::size_t log_lines_max = 200;
  // Every line of log and every note, as it happens; nullptr is silence.
  std::ostream* trace = nullptr;
};

class World {
 public:
  explicit World(WorldOptions options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // The world's time. All machines' clocks follow from it.
  Instant now() const { return now_; }
  // Where whoever runs just now stands: its Lane's clock, or now() outside a turn.
  Instant here() const;
  SimProcess* current_process() const;
  // Whoever runs has ended in the midst of its turn: what it still does has no effect.
  bool current_ended() const;

  // Draws for workloads and faults; does not disturb the world's own draws.
  Prng& prng() { return user_prng_; }
  const WorldOptions& options() const { return options_; }

  SimMachine& add_machine(const MachineOptions& options);
  const std::vector<std::unique_ptr<SimMachine>>& machines() const { return machines_; }
  // By "10.0.0.1" or by name; nullptr if there is none.
  SimMachine* find_machine(const std::string& address_or_name) const;
  SimNetwork& network() { return *network_; }
  // What the processes can start.
  Programs& programs() { return *programs_; }

  // For whoever drives the world: runs outside any process.
  void at(Instant when, ports::Task task);
  void after(Duration delay, ports::Task task) { at(here() + delay, std::move(task)); }

  // Runs the next event; false if there is none.
  bool step();
  // Runs everything up to the moment, which then is now().
  void run_until(Instant moment);
  void run_for(Duration span) { run_until(now_ + span); }
  // Runs until the condition holds after some event; false if the deadline came first.
  bool run_until(Instant deadline, const std::function<bool()>& condition);

  // Over every event so far, every line of log and every note.
  std::uint64_t digest() const { return digest_; }
  std::uint64_t events() const { return events_; }
  // Something worth telling: goes into the digest and the trace.
  void note(std::string_view line);
  // The last lines of every process, ended ones included.
  void print_logs(std::ostream& out) const;

  // --- for the simulated ports
  // `owner` nullptr: nobody's; the event happens whatever ends.
  void schedule(Instant when, const SimProcess* owner, ports::Task task);
  Prng& own_prng() { return prng_; }
  void trace_line(const std::string& who, std::string_view line);
  void mix(std::uint64_t word);

 private:
  friend class SimLane;
  friend class SimProcess;
  friend class SimMachine;

  struct Event {
    Instant at;
    std::uint64_t order = 0;  // drawn for turns, 0 for the rest: those keep their sequence
    std::uint64_t sequence = 0;
    const SimProcess* owner = nullptr;
    ports::Task task;
  };
  struct Later {
    bool operator()(const Event& a, const Event& b) const;
  };

  void push(Instant when, std::uint64_t order, const SimProcess* owner, ports::Task task);
  void bury();

  WorldOptions options_;
  Prng prng_;
  Prng user_prng_;
  Instant now_;
  std::vector<Event> queue_;  // a heap: the next event is in front
  std::uint64_t sequence_next_ = 1;
  std::uint64_t process_next_ = 1;
  std::uint64_t events_ = 0;
  std::uint64_t digest_ = 0;
  SimLane* current_ = nullptr;
  std::vector<SimProcess*> dead_;  // ended, their programs not yet destroyed
  std::unique_ptr<Programs> programs_;
  std::unique_ptr<SimNetwork> network_;
  std::vector<std::unique_ptr<SimMachine>> machines_;
};

}  // namespace synod::sim
