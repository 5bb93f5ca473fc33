// A simulated computer: address, disk, clocks, processes; and a process with its Lanes.
//
// Faults  kill (the process ends, its peers hear of it), pause (SIGSTOP), power_off (everything
//         ends, nobody hears, unflushed bytes are lost), clocks that drift and jump.
// Memory  See world.h.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/instant.h"
#include "base/log.h"
#include "base/prng.h"
#include "ports/disk.h"
#include "ports/entropy.h"
#include "ports/gate.h"
#include "ports/lane.h"
#include "ports/network.h"
#include "ports/processes.h"
#include "sim/disk.h"
#include "sim/host.h"
#include "sim/world.h"

namespace synod::sim {

class SimProcesses;

struct MachineOptions {
  std::string name;
  std::string address;  // "10.0.0.1"
  DiskOptions disk;
  std::int64_t cpus_milli = 4000;
  std::uint64_t memory_bytes = std::uint64_t{8} << 30;
  // The machine's monotonic clock shows offset + elapsed * (1 + drift / 1e6).
  Duration clock_offset;
  std::int64_t clock_drift_ppm = 0;
};

// What runs in a process: whatever `main` made, destroyed when the process ends.
using Program = std::shared_ptr<void>;  // type-erased; nobody else keeps a share
using Main = std::function<Program(SimProcess&)>;

class SimEntropy final : public ports::Entropy {
 public:
  explicit SimEntropy(std::uint64_t seed) : prng_(seed) {}
  std::uint64_t next() override { return prng_.next(); }

 private:
  Prng prng_;
};

// One thread, so nobody ever waits; what is left is to see that the rules are kept.
class SimGate final : public ports::Gate {
 public:
  void enter_read(std::size_t place) override;
  void leave_read(std::size_t place) override;
  void enter_write() override;
  void leave_write() override;

 private:
  std::map<std::size_t, int> readers_;
  bool writing_ = false;
};

class SimLog final : public Log {
 public:
  explicit SimLog(SimProcess& process) : process_(process) {}
  bool enabled(LogLevel level) const override;
  void write(LogLevel level, std::string_view part, std::string_view line) override;

 private:
  SimProcess& process_;
};

class SimLane final : public ports::Lane {
 public:
  SimLane(SimProcess& process, std::string name, std::uint64_t seed);
  ~SimLane() override;

  bool try_post(ports::Task task) override;
  ports::TimerId after(Duration delay, ports::Task task) override;
  void cancel(ports::TimerId timer) override;
  Instant now() const override;
  WallTime wall() const override;
  Log& log() override { return log_; }
  ports::Entropy& entropy() override { return entropy_; }

  SimProcess& process() const { return process_; }
  const std::string& name() const { return name_; }
  // The Lane's place in the world's time.
  Instant clock() const { return clock_; }
  void spend(Duration span) { clock_ = clock_ + span; }
  // For the simulated ports: an event of the machine, not counted against the bound. Runs at the
  // first turn at or after `when`, after what was queued by then.
  void deliver(Instant when, ports::Task task);
  std::size_t waiting() const { return waiting_; }

 private:
  friend class SimMachine;
  friend class SimProcess;
  friend class World;

  void enqueue(ports::Task task);
  void schedule_turn();
  void turn();
  void end();

  SimProcess& process_;
  std::string name_;
  SimEntropy entropy_;
  SimLog log_;
  Instant clock_;
  std::deque<ports::Task> tasks_;
  std::size_t waiting_ = 0;  // posted, not yet begun
  bool turn_scheduled_ = false;
  bool ended_ = false;
  std::map<ports::TimerId, ports::Task> timers_;
  std::uint64_t timer_next_ = 1;
};

class SimProcess {
 public:
  SimProcess(SimMachine& machine, ports::ProcessId id, std::string name, std::uint64_t seed);
  ~SimProcess();
  SimProcess(const SimProcess&) = delete;
  SimProcess& operator=(const SimProcess&) = delete;

  const std::string& name() const { return name_; }
  ports::ProcessId id() const { return id_; }
  SimMachine& machine() const { return machine_; }
  World& world() const;
  bool alive() const { return alive_; }
  bool paused() const { return paused_; }

  // --- the ports, for the program's Node
  SimLane& main_lane() { return *lanes_.front(); }
  SimLane& add_lane(const std::string& name);
  SimGate& gate() { return gate_; }
  ports::Network& network();
  ports::Disk& disk();
  ports::Processes& processes();
  ports::Host& host();
  // From within a turn of the process: it ends where its Lane stands.
  void exit(int code);
  // The program itself, to be looked at by checkers of the whole cluster; nullptr once ended.
  template <typename T>
  T* program() const {
    return static_cast<T*>(program_.get());
  }

  // --- from outside
  // Runs `main` on the first Lane's next turn. Once.
  void run(Main main);
  bool running() const { return running_; }
  // What a signal other than SIGKILL, SIGSTOP and SIGCONT does; without it they end the process.
  void on_signal(std::function<void(int)> handler) { signal_handler_ = std::move(handler); }
  // Hands it to the handler on the first Lane; false if there is none.
  bool take_signal(int number);
  void kill(int signal = 9);
  void pause();
  void resume();

  const std::optional<ports::ExitStatus>& status() const { return status_; }
  // Told once, outside any turn, with the moment.
  void on_end(std::function<void(SimProcess&)> told) { ended_.push_back(std::move(told)); }

  // As a real process has them; for find_by_environment and signal_group.
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;
  std::int64_t session = 0;             // pid of its session's leader
  std::set<ports::ProcessId> children;  // whose exit status it may know
  std::uint64_t number() const { return number_; }

 private:
  friend class SimLane;
  friend class SimLog;
  friend class SimMachine;
  friend class World;

  enum class Silence { peers_hear, peers_do_not };
  void end(ports::ExitStatus status, Instant at, Silence silence);
  void destroy_program();

  SimMachine& machine_;
  ports::ProcessId id_;
  std::string name_;
  std::uint64_t number_;  // over the whole World: the owner's number on its disk
  Prng prng_;
  bool alive_ = true;
  bool ending_ = false;
  bool running_ = false;
  bool paused_ = false;
  std::optional<ports::ExitStatus> status_;
  SimGate gate_;
  std::unique_ptr<SimProcesses> processes_;
  std::vector<std::unique_ptr<SimLane>> lanes_;
  std::deque<std::string> log_lines_;
  std::vector<std::function<void(SimProcess&)>> ended_;
  std::function<void(int)> signal_handler_;
  Program program_;
};

class SimMachine final : public DiskClock {
 public:
  SimMachine(World& world, const MachineOptions& options, std::uint64_t seed);
  ~SimMachine() override;

  const std::string& name() const { return options_.name; }
  const std::string& address() const { return options_.address; }
  const MachineOptions& options() const { return options_; }
  World& world() const { return world_; }
  SimDisk& disk() { return disk_; }
  SimHost& host() { return host_; }
  ports::Network& network() { return *network_; }

  // A new process; `main` runs on its first Lane's first turn.
  SimProcess& start(const std::string& name, Main main);
  // The same, but nothing runs before SimProcess::run().
  SimProcess& start_idle(const std::string& name);
  SimProcess* find(std::int64_t pid) const;  // alive ones only
  const std::vector<std::unique_ptr<SimProcess>>& processes() const { return processes_; }

  bool powered() const { return powered_; }
  // Every process ends, no peer hears of it, what was not flushed is lost or kept by the seed.
  void power_off();
  // The same from within the so-many-th operation of the disk from now on: the Lane that makes it
  // does and says nothing more.
  void power_off_at_operation(std::uint64_t operation);
  void power_on();
  // Told of every loss of power, once its processes have ended.
  void on_power_off(std::function<void(SimMachine&)> told) {
    power_told_.push_back(std::move(told));
  }
  std::uint64_t boots() const { return boots_; }

  // Moves the calendar clock; the monotonic one is not touched.
  void jump_wall(Duration by) { wall_offset_ = wall_offset_ + by; }
  Instant local_time(Instant world_time) const;
  WallTime wall_time(Instant world_time) const;
  Duration to_world(Duration local) const;

  // --- DiskClock
  Instant now() const override { return world_.here(); }
  Instant settled() const override { return world_.now(); }
  void spend(Duration span) override;
  std::uint64_t owner() const override;

 private:
  World& world_;
  MachineOptions options_;
  Prng prng_;
  SimDisk disk_;
  SimHost host_;
  std::unique_ptr<ports::Network> network_;
  std::vector<std::unique_ptr<SimProcess>> processes_;
  std::int64_t pid_next_ = 100;
  std::uint64_t start_time_next_ = 1;
  std::uint64_t boots_ = 1;
  bool powered_ = true;
  std::vector<std::function<void(SimMachine&)>> power_told_;
  Duration wall_offset_;
};

}  // namespace synod::sim
