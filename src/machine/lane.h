// A Lane as a thread: a queue of tasks, timers, and epoll for descriptors.
//
// A turn: descriptors that are ready, timers that are due, tasks, then whatever asked for the end
// of the turn (streams that were written to: all that a turn wrote leaves in one system call). The
// thread sleeps only in epoll, and is woken through an eventfd only when it sleeps. Time is
// CLOCK_BOOTTIME, which counts suspended time too; epoll's timeout does not, so it sleeps at most
// sleep_max while timers are set.
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
#include <vector>

#include "base/limits.h"
#include "machine/descriptor.h"
#include "ports/entropy.h"
#include "ports/lane.h"

struct epoll_event;

namespace synod::machine {

class Watch;

Instant boot_now();
WallTime wall_now();

// Called at the end of a turn that it asked for (ThreadLane::at_turn_end).
class TurnEnd {
 public:
  virtual ~TurnEnd() = default;
  virtual void on_turn_end() = 0;
};

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

  // Once, before the loop turns again or sleeps.
  void at_turn_end(std::shared_ptr<TurnEnd> what) { turn_ends_.push_back(std::move(what)); }
  // For Watch: epoll_ctl; and nothing of what this turn has seen is told to it any more.
  bool register_watch(int operation, int descriptor, std::uint32_t events, Watch& watch);
  void forget_watch(const Watch& watch);
  // Where streams of this Lane read into, one at a time.
  Bytes& scratch() { return scratch_; }
  const std::string& name() const { return name_; }

 private:
  static constexpr std::size_t turn_tasks_max = 128;
  static constexpr Duration sleep_max = Duration::seconds(1);
  using TimerKey = std::pair<Instant, std::uint64_t>;

  bool enqueue(ports::Task task, std::size_t tasks_max);
  void wake();
  void turn();
  bool may_sleep();
  void run_ready(std::size_t count);
  void run_timers();
  void run_tasks();
  void run_turn_ends();

  const std::string name_;
  Log& log_;
  std::unique_ptr<ports::Entropy> entropy_;
  Bytes scratch_;

  Descriptor epoll_;
  Descriptor waker_;  // an eventfd
  std::vector<epoll_event> ready_;
  std::size_t ready_at_ = 0;     // the one that is being told
  std::size_t ready_count_ = 0;  // of this turn
  std::vector<std::shared_ptr<TurnEnd>> turn_ends_;
  std::atomic<bool> stop_asked_{false};

  std::mutex mutex_;
  std::deque<ports::Task> posted_;  // guarded by mutex_
  bool sleeps_ = false;             // guarded by mutex_: whoever posts wakes it
  bool ended_ = false;              // guarded by mutex_
  std::deque<ports::Task> batch_;   // taken from posted_, about to run

  std::map<TimerKey, ports::Task> timers_;
  std::map<std::uint64_t, Instant> timer_times_;
  std::uint64_t timer_last_ = 0;
};

}  // namespace synod::machine
