#include "machine/lane.h"

#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <vector>

#include "base/check.h"

namespace synod::machine {
namespace {

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
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

Instant boot_now() { return Instant::from_nanos(read_clock(CLOCK_BOOTTIME)); }
WallTime wall_now() { return WallTime{read_clock(CLOCK_REALTIME) / 1'000'000}; }

// The timerfd behind all timers of a Lane.
struct ThreadLane::Alarm {
  explicit Alarm(boost::asio::io_context& context) : descriptor(context) {
    const int fd = ::timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    SYNOD_CHECK(fd >= 0);
    descriptor.assign(fd);
  }

  void set(Instant at) {
    const std::int64_t nanos = std::max<std::int64_t>(1, at.nanos());
    itimerspec spec{};
    spec.it_value.tv_sec = nanos / 1'000'000'000;
    spec.it_value.tv_nsec = nanos % 1'000'000'000;
    SYNOD_CHECK(::timerfd_settime(descriptor.native_handle(), TFD_TIMER_ABSTIME, &spec, nullptr) ==
                0);
  }

  boost::asio::posix::stream_descriptor descriptor;
  std::uint64_t expirations = 0;
  bool waiting = false;
};

ThreadLane::ThreadLane(std::string name, Log& log)
    : name_(std::move(name)),
      log_(log),
      entropy_(std::make_unique<KernelEntropy>()),
      context_(std::make_unique<boost::asio::io_context>(1)),
      alarm_(std::make_unique<Alarm>(*context_)),
      scratch_(64 << 10, '\0') {}

ThreadLane::~ThreadLane() { end(); }

bool ThreadLane::enqueue(ports::Task task, std::size_t tasks_max) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (ended_ || posted_.size() >= tasks_max) {
      return false;
    }
    posted_.push_back(std::move(task));
    wake = !std::exchange(draining_, true);
  }
  if (wake) {
    boost::asio::post(*context_, [this] { drain(); });
  }
  return true;
}

bool ThreadLane::try_post(ports::Task task) {
  return enqueue(std::move(task), limits::lane_tasks_max);
}

void ThreadLane::post(ports::Task task) { (void)enqueue(std::move(task), SIZE_MAX); }

void ThreadLane::drain() {
  for (int i = 0; i < turn_tasks_max; ++i) {
    ports::Task task;
    {
      const std::lock_guard lock(mutex_);
      if (posted_.empty()) {
        draining_ = false;
        return;
      }
      task = std::move(posted_.front());
      posted_.pop_front();
    }
    task();
    if (context_->stopped()) {
      break;
    }
  }
  boost::asio::post(*context_, [this] { drain(); });
}

ports::TimerId ThreadLane::after(Duration delay, ports::Task task) {
  const Instant at = now() + std::max(delay, Duration());
  const std::uint64_t id = ++timer_last_;
  timers_.emplace(TimerKey{at, id}, std::move(task));
  timer_times_.emplace(id, at);
  if (at < armed_) {
    arm();
  }
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

// An alarm left standing after a cancel costs one idle turn, less than resetting it each time.
void ThreadLane::arm() {
  if (timers_.empty()) {
    return;
  }
  armed_ = timers_.begin()->first.first;
  alarm_->set(armed_);
  if (alarm_->waiting) {
    return;
  }
  alarm_->waiting = true;
  alarm_->descriptor.async_read_some(
      boost::asio::buffer(&alarm_->expirations, sizeof(alarm_->expirations)),
      [this](boost::system::error_code error, std::size_t) {
        alarm_->waiting = false;
        if (!error) {
          run_timers();
        }
      });
}

void ThreadLane::run_timers() {
  armed_ = Instant::max();
  const Instant turn = now();
  const std::uint64_t last = timer_last_;
  auto at = timers_.begin();
  while (at != timers_.end() && at->first.first <= turn && !context_->stopped()) {
    if (at->first.second > last) {
      ++at;
      continue;
    }
    auto node = timers_.extract(at);
    timer_times_.erase(node.key().second);
    node.mapped()();
    at = timers_.begin();
  }
  arm();
}

void ThreadLane::run() {
  const auto work = boost::asio::make_work_guard(*context_);
  context_->run();
  context_->restart();  // here, not before: a stop() that comes early must count
}

void ThreadLane::stop() { context_->stop(); }

void ThreadLane::end() {
  std::deque<ports::Task> tasks;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    tasks.swap(posted_);
  }
  tasks.clear();
  while (!timers_.empty()) {
    auto node = timers_.extract(timers_.begin());
    timer_times_.erase(node.key().second);
  }
}

}  // namespace synod::machine
