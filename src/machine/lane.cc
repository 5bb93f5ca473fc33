#include "machine/lane.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "machine/watch.h"

namespace synod::machine {
namespace {

constexpr std::size_t ready_max = 256;  // descriptors told in one turn
constexpr std::int64_t nanos_per_second = 1'000'000'000;

// Kernel randomness, fetched a page at a time: ids are drawn far more often than a system call is
// worth.
class KernelEntropy final : public ports::Entropy {
 public:
  std::uint64_t next() override {
    if (left_ == 0) {
      refill();
    }
    return words_[--left_];
  }

 private:
  void refill() {
    char* at = reinterpret_cast<char*>(words_);
    std::size_t wanted = sizeof(words_);
    while (wanted > 0) {
      const ssize_t got = ::getrandom(at, wanted, 0);
      SYNOD_CHECK(got > 0 || errno == EINTR);
      if (got > 0) {
        at += got;
        wanted -= static_cast<std::size_t>(got);
      }
    }
    left_ = std::size(words_);
  }

  std::uint64_t words_[32];
  std::size_t left_ = 0;
};

std::int64_t read_clock(clockid_t clock) {
  timespec time{};
  SYNOD_CHECK(::clock_gettime(clock, &time) == 0);
  return static_cast<std::int64_t>(time.tv_sec) * nanos_per_second + time.tv_nsec;
}

}  // namespace

Instant boot_now() { return Instant::from_nanos(read_clock(CLOCK_BOOTTIME)); }
WallTime wall_now() { return WallTime{read_clock(CLOCK_REALTIME) / 1'000'000}; }

ThreadLane::ThreadLane(std::string name, Log& log)
    : name_(std::move(name)),
      log_(log),
      entropy_(std::make_unique<KernelEntropy>()),
      scratch_(64 << 10, '\0'),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      waker_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      ready_(ready_max) {
  epoll_event event{};
  // Edge-triggered: each write wakes once, and nobody needs to read it.
  event.events = EPOLLIN | EPOLLET;
  SYNOD_CHECK(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, waker_.get(), &event) == 0);
}

ThreadLane::~ThreadLane() { end(); }

// --- tasks

bool ThreadLane::enqueue(ports::Task task, std::size_t tasks_max) {
  bool asleep = false;
  {
    const std::lock_guard lock(mutex_);
    if (ended_ || posted_.size() >= tasks_max) {
      return false;
    }
    posted_.push_back(std::move(task));
    asleep = std::exchange(sleeps_, false);
  }
  if (asleep) {
    wake();
  }
  return true;
}

void ThreadLane::wake() {
  const std::uint64_t one = 1;
  // A counter that is full has woken it already.
  (void)!::write(waker_.get(), &one, sizeof(one));
}

bool ThreadLane::try_post(ports::Task task) {
  return enqueue(std::move(task), limits::lane_tasks_max);
}

void ThreadLane::post(ports::Task task) { (void)enqueue(std::move(task), SIZE_MAX); }

void ThreadLane::run_tasks() {
  std::size_t left = turn_tasks_max;
  while (left > 0 && !stop_asked_) {
    if (batch_.empty()) {
      const std::lock_guard lock(mutex_);
      if (posted_.empty()) {
        return;
      }
      if (posted_.size() <= left) {
        batch_.swap(posted_);
      } else {
        for (std::size_t i = 0; i < left; ++i) {
          batch_.push_back(std::move(posted_.front()));
          posted_.pop_front();
        }
      }
    }
    ports::Task task = std::move(batch_.front());
    batch_.pop_front();
    task();
    --left;
  }
}

// --- turns

void ThreadLane::turn() {
  const bool sleep = may_sleep();
  timespec timeout{};
  if (sleep && !timers_.empty()) {
    const Duration left = timers_.begin()->first.first - now();
    const std::int64_t nanos = std::clamp(left, Duration(), sleep_max).nanos();
    timeout.tv_sec = nanos / nanos_per_second;
    timeout.tv_nsec = nanos % nanos_per_second;
  }
  const bool forever = sleep && timers_.empty();
  const int count = ::epoll_pwait2(epoll_.get(), ready_.data(), static_cast<int>(ready_.size()),
                                   forever ? nullptr : &timeout, nullptr);
  if (sleep) {
    const std::lock_guard lock(mutex_);
    sleeps_ = false;
  }
  run_ready(static_cast<std::size_t>(std::max(count, 0)));
  run_timers();
  run_tasks();
  run_turn_ends();
}

bool ThreadLane::may_sleep() {
  if (!batch_.empty() || !turn_ends_.empty()) {
    return false;
  }
  const std::lock_guard lock(mutex_);
  sleeps_ = posted_.empty();
  return sleeps_;
}

void ThreadLane::run_ready(std::size_t count) {
  ready_count_ = count;
  for (ready_at_ = 0; ready_at_ < ready_count_ && !stop_asked_; ++ready_at_) {
    if (auto* watch = static_cast<Watch*>(ready_[ready_at_].data.ptr)) {
      watch->ready(ready_[ready_at_].events);
    }
  }
  ready_count_ = 0;
}

bool ThreadLane::register_watch(int operation, int descriptor, std::uint32_t events, Watch& watch) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watch;
  return ::epoll_ctl(epoll_.get(), operation, descriptor, &event) == 0;
}

void ThreadLane::forget_watch(const Watch& watch) {
  for (std::size_t i = ready_at_; i < ready_count_; ++i) {
    if (ready_[i].data.ptr == &watch) {
      ready_[i].data.ptr = nullptr;
    }
  }
}

// One that asks again meanwhile has the next turn.
void ThreadLane::run_turn_ends() {
  std::vector<std::shared_ptr<TurnEnd>> ends;
  ends.swap(turn_ends_);
  for (const std::shared_ptr<TurnEnd>& end : ends) {
    end->on_turn_end();
  }
  if (turn_ends_.empty()) {  // keeps its room
    ends.clear();
    turn_ends_.swap(ends);
  }
}

// --- timers

ports::TimerId ThreadLane::after(Duration delay, ports::Task task) {
  const Instant at = now() + std::max(delay, Duration());
  const std::uint64_t id = ++timer_last_;
  timers_.emplace(TimerKey{at, id}, std::move(task));
  timer_times_.emplace(id, at);
  return ports::TimerId(id);
}

void ThreadLane::cancel(ports::TimerId timer) {
  const auto time = timer_times_.find(timer.value());
  if (time == timer_times_.end()) {
    return;
  }
  // Taken out before it is destroyed: its destructor may set or cancel other timers.
  auto node = timers_.extract(TimerKey{time->second, timer.value()});
  timer_times_.erase(time);
}

void ThreadLane::run_timers() {
  if (timers_.empty()) {
    return;
  }
  const Instant turn = now();
  const std::uint64_t last = timer_last_;
  auto at = timers_.begin();
  while (at != timers_.end() && at->first.first <= turn && !stop_asked_) {
    if (at->first.second > last) {
      ++at;
      continue;
    }
    auto node = timers_.extract(at);
    timer_times_.erase(node.key().second);
    node.mapped()();
    at = timers_.begin();
  }
}

// --- its life

void ThreadLane::run() {
  while (!stop_asked_) {
    turn();
  }
  stop_asked_ = false;  // here, not before: a stop() that comes early must count
}

void ThreadLane::stop() {
  stop_asked_ = true;
  wake();
}

void ThreadLane::end() {
  std::deque<ports::Task> tasks;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    tasks.swap(posted_);
  }
  tasks.clear();
  batch_.clear();
  turn_ends_.clear();
  while (!timers_.empty()) {
    auto node = timers_.extract(timers_.begin());
    timer_times_.erase(node.key().second);
  }
}

}  // namespace synod::machine
