// A Lane as a thread: a queue of tasks, timers, and Asio's loop for descriptors.
//
// Tasks and timers are ours, so that the queue is bounded and time is CLOCK_BOOTTIME, which counts
// suspended time too; Asio waits for descriptors only.
//
// Invariants  I1 Tasks run in the order of posting; at most turn_tasks_max of them run before
//                descriptors and timers get their turn.
//             I2 A timer set while timers run waits for the next turn.
// Threads     try_post, post and stop from any thread; the rest on the thread inside run().
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/limits.h"
#include "ports/entropy.h"
#include "ports/lane.h"

namespace boost::asio {
class io_context;
}

namespace synod::machine {

Instant boot_now();
WallTime wall_now();

class ThreadLane final : public ports::Lane {
 public:
  ThreadLane(std::string name, Log& log);
  ~ThreadLane() override;

  [[nodiscard]] bool try_post(ports::Task task) override;
  ports::TimerId after(Duration delay, ports::Task task) override;
  void cancel(ports::TimerId timer) override;
  Instant now() const override { return boot_now(); }
  WallTime wall() const override { return wall_now(); }
  Log& log() override { return log_; }
  ports::Entropy& entropy() override { return *entropy_; }

  // Like try_post without the bound: for the kernel's answers to what was asked for, which must
  // not be lost. Dropped once the Lane has ended.
  void post(ports::Task task);

  // Turns until stop(). May be called again unless end() was.
  void run();
  void stop();
  // Refuses tasks from now on and destroys those that wait, and the timers. Not while run() runs.
  void end();

  boost::asio::io_context& context() { return *context_; }
  // Where streams of this Lane read into, one at a time.
  Bytes& scratch() { return scratch_; }
  const std::string& name() const { return name_; }

 private:
  static constexpr int turn_tasks_max = 128;
  struct Alarm;
  using TimerKey = std::pair<Instant, std::uint64_t>;

  bool enqueue(ports::Task task, std::size_t tasks_max);
  void drain();
  void arm();
  void run_timers();

  const std::string name_;
  Log& log_;
  std::unique_ptr<ports::Entropy> entropy_;
  std::unique_ptr<boost::asio::io_context> context_;
  std::unique_ptr<Alarm> alarm_;
  Bytes scratch_;

  std::mutex mutex_;
  std::deque<ports::Task> posted_;  // guarded by mutex_
  bool draining_ = false;           // guarded by mutex_: a drain() is under way or scheduled
  bool ended_ = false;              // guarded by mutex_

  std::map<TimerKey, ports::Task> timers_;
  std::map<std::uint64_t, Instant> timer_times_;
  std::uint64_t timer_last_ = 0;
  Instant armed_ = Instant::max();
};

}  // namespace synod::machine
