#include "machine/machine.h"

#include <pthread.h>
#include <signal.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/check.h"
#include "machine/disk.h"
#include "machine/gate.h"
#include "machine/host.h"
#include "machine/lane.h"
#include "machine/log.h"
#include "machine/network.h"
#include "machine/processes.h"
#include "machine/signals.h"
#include "machine/stream.h"

namespace synod::machine {
namespace {

class Thread {
 public:
  Thread(const std::string& name, Log& log) : lane_(name, log), thread_([this] { lane_.run(); }) {
    ::pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
  }
  ~Thread() { join(); }

  ThreadLane& lane() { return lane_; }
  void join() {
    if (thread_.joinable()) {
      lane_.stop();
      thread_.join();
    }
  }

 private:
  ThreadLane lane_;
  std::thread thread_;
};

std::unique_ptr<Log> make_log(const MachineOptions& options) {
  if (options.log_path.empty()) {
    return open_log(options.log_level);
  }
  auto file = open_log_file(options.log_path, options.log_level);
  if (file.ok()) {
    return std::move(file).value();
  }
  auto log = open_log(options.log_level);
  log->error("machine", "log file {}: {}", options.log_path, to_string(file.error()));
  return log;
}

}  // namespace

struct Machine::Parts {
  explicit Parts(const MachineOptions& options)
      : log(make_log(options)),
        main("main", *log),
        signals(main),
        network(make_network(*log)),
        disk(make_disk()),
        processes(make_processes(*log)),
        host(make_host()) {
    for (const int number : {SIGINT, SIGTERM}) {
      signals.handle(number, [this, number] {
        ended_by = number;
        main.stop();
      });
    }
  }

  // Destroyed in reverse: first whatever may still call back, last what everybody uses.
  std::unique_ptr<Log> log;
  ThreadLane main;
  std::vector<std::unique_ptr<Thread>> threads;
  Signals signals;
  int ended_by = 0;
  std::mutex stop_mutex;
  bool stop_asked = false;  // guarded by stop_mutex
  std::unique_ptr<ports::Network> network;
  std::unique_ptr<ports::Disk> disk;
  std::unique_ptr<ports::Processes> processes;
  std::unique_ptr<ports::Host> host;
};

Machine::Machine(const MachineOptions& options) {
  ::signal(SIGPIPE, SIG_IGN);
  parts_ = std::make_unique<Parts>(options);
}

Machine::~Machine() {
  // All threads stand still before any of their Lanes is taken apart.
  for (const auto& thread : parts_->threads) {
    thread->join();
  }
  parts_->processes.reset();
  for (const auto& thread : parts_->threads) {
    thread->lane().end();
  }
  parts_->main.end();
}

ports::Lane& Machine::main_lane() { return parts_->main; }

ports::Lane& Machine::start_lane(const std::string& name) {
  parts_->threads.push_back(std::make_unique<Thread>(name, *parts_->log));
  return parts_->threads.back()->lane();
}

void Machine::call(ports::Lane& lane, ports::Task task) {
  std::mutex mutex;
  std::condition_variable done;
  bool ended = false;
  static_cast<ThreadLane&>(lane).post([&] {
    task();
    task = ports::Task();  // what it captured dies on its Lane too
    const std::lock_guard lock(mutex);
    ended = true;
    done.notify_one();
  });
  std::unique_lock lock(mutex);
  done.wait(lock, [&] { return ended; });
}

int Machine::run() {
  parts_->ended_by = 0;
  {
    const std::lock_guard lock(parts_->stop_mutex);
    if (std::exchange(parts_->stop_asked, false)) {
      return 0;
    }
  }
  parts_->main.run();
  const std::lock_guard lock(parts_->stop_mutex);
  parts_->stop_asked = false;
  return parts_->ended_by;
}

void Machine::stop() {
  {
    const std::lock_guard lock(parts_->stop_mutex);
    parts_->stop_asked = true;
  }
  // As a task: a stop before the loop turns must not be lost to its restart.
  parts_->main.post([this] {
    const std::lock_guard lock(parts_->stop_mutex);
    if (parts_->stop_asked) {
      parts_->main.stop();
    }
  });
}

void Machine::on_signal(int number, std::function<void()> handler) {
  parts_->signals.handle(number, std::move(handler));
}

ports::Network& Machine::network() { return *parts_->network; }
ports::Disk& Machine::disk() { return *parts_->disk; }
ports::Processes& Machine::processes() { return *parts_->processes; }
ports::Host& Machine::host() { return *parts_->host; }
Log& Machine::log() { return *parts_->log; }

std::unique_ptr<ports::Gate> Machine::make_gate(std::size_t places, GateSharing sharing) {
  return sharing == GateSharing::one_lane ? make_trivial_gate() : make_shared_gate(places);
}

std::unique_ptr<ports::Stream> Machine::stream_of_descriptor(int descriptor) {
  return make_stream(make_pipe_transport(Descriptor(descriptor)), ports::Peer{});
}

}  // namespace synod::machine
