// The machine itself: the one object from which `cli` takes every real port.
//
//   machine::Machine machine({.log_path = "", .log_level = LogLevel::info});
//   ports::Lane& engine = machine.start_lane("engine");     // a thread with a loop
//   machine.call(engine, [&] { node = make_node(engine, machine.network(), ...); });
//   machine.run();                                          // until SIGINT, SIGTERM or stop()
//   machine.call(engine, [&] { node.reset(); });            // destroyed where it was made
//
// Invariants  I1 SIGPIPE is ignored and every descriptor made here is CLOEXEC.
//             I2 Destruction ends and joins all Lanes; tasks that never ran are destroyed unrun.
// Threads     One Machine a process, made and destroyed on the main thread. Its ports may be used
//             on every Lane, as their own headers say. call() and run() are for the main thread.
// Memory      Owns all Lanes, the log and every port; they outlive whatever was built from them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "ports/disk.h"
#include "ports/entropy.h"
#include "ports/gate.h"
#include "ports/host.h"
#include "ports/lane.h"
#include "ports/network.h"
#include "ports/processes.h"
#include "ports/stream.h"

namespace synod::machine {

struct MachineOptions {
  std::string log_path;  // empty: standard error
  LogLevel log_level = LogLevel::info;
};

enum class GateSharing {
  one_lane,    // readers and writer share a Lane: every call returns at once
  many_lanes,  // real latches
};

class Machine {
 public:
  // If the log file cannot be opened the lines go to standard error, the first of them says so.
  explicit Machine(const MachineOptions& options);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // The Lane of the thread that made the Machine. It turns only inside run().
  ports::Lane& main_lane();
  // A new Lane on a thread of its own, running at once. `name` (15 characters) is shown by top.
  ports::Lane& start_lane(const std::string& name);
  // Runs the task on a Lane made by start_lane() and waits for its end. Never from that Lane.
  void call(ports::Lane& lane, ports::Task task);

  // Turns the main Lane until stop(), or until a signal of `on_signal` or SIGINT or SIGTERM comes.
  // The number of the signal that ended it, 0 after stop(). May be called again.
  int run();
  // Ends run(), now or when it starts. From any thread.
  void stop();
  // From now on the signal calls back on the main Lane instead of ending run() or the process.
  // Before run(), on the main thread.
  void on_signal(int number, std::function<void()> handler);

  ports::Network& network();
  ports::Disk& disk();
  ports::Processes& processes();
  ports::Host& host();
  Log& log();
  std::unique_ptr<ports::Gate> make_gate(std::size_t places, GateSharing sharing);

  // A Stream over an open descriptor (a terminal, a pipe on standard input), which it then owns.
  std::unique_ptr<ports::Stream> stream_of_descriptor(int descriptor);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace synod::machine
