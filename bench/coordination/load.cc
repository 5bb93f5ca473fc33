#include "bench/coordination/load.h"

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <memory>

#include "bench/coordination/session.h"
#include "bench/coordination/stop.h"

namespace synod::bench {
namespace {

constexpr int session_timeout_ms = 40'000;
constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t drain_max = 20 * second;

class Runner {
 public:
  Runner(const std::vector<int>& ports, const Load& load) : scratch_(256 << 10) {
    shared_.load = load;
    shared_.payload.assign(static_cast<std::size_t>(load.payload_size_bytes), 'x');
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < load.sessions && shared_.outcome.error.empty(); ++i) {
      auto session = std::make_unique<Session>(shared_, i);
      const auto server = static_cast<std::size_t>(i + load.first_server) % ports.size();
      shared_.outcome.error = session->open(ports[server], session_timeout_ms);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u32 = static_cast<std::uint32_t>(sessions_.size());
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, session->descriptor(), &event);
      sessions_.push_back(std::move(session));
      polled_out_.push_back(false);
    }
  }
  ~Runner() { ::close(epoll_); }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  Outcome run(const std::function<void()>& at_begin, const std::function<void()>& at_end) {
    const Load& load = shared_.load;
    if (!ok()) {
      return shared_.outcome;
    }
    const std::int64_t started = now_nanos();
    next_due_ = started;
    if (load.rate <= 0) {
      for (std::size_t i = 0; i < sessions_.size(); ++i) {
        for (int n = 0; n < load.outstanding; ++n) {
          sessions_[i]->issue(started);
        }
        send(i);
      }
    }
    turn_until(started + nanos(load.warm_seconds));
    at_begin();
    shared_.measuring = true;
    const std::int64_t began = now_nanos();
    turn_until(began + nanos(load.seconds));
    shared_.outcome.seconds = static_cast<double>(now_nanos() - began) / second;
    shared_.measuring = false;
    at_end();
    shared_.issuing = false;
    const std::int64_t drained = now_nanos() + drain_max;
    while (ok() && shared_.under_way > 0 && now_nanos() < drained) {
      turn(drained);
    }
    for (const auto& session : sessions_) {
      if (ok()) {
        session->close_session();
      }
    }
    return shared_.outcome;
  }

 private:
  bool ok() const { return shared_.outcome.error.empty() && !stopped(); }
  static std::int64_t nanos(double seconds) { return static_cast<std::int64_t>(seconds * second); }

  void turn_until(std::int64_t end) {
    while (ok() && now_nanos() < end) {
      turn(end);
    }
  }

  // Everything whose time has come, each session in turn.
  void issue_due() {
    const auto interval = static_cast<std::int64_t>(second / shared_.load.rate);
    const std::int64_t now = now_nanos();
    for (; next_due_ <= now; next_due_ += interval) {
      sessions_[next_session_]->issue(next_due_);
      send(next_session_);
      next_session_ = (next_session_ + 1) % sessions_.size();
    }
  }

  void turn(std::int64_t end) {
    const bool open_loop = shared_.load.rate > 0 && shared_.issuing;
    if (open_loop) {
      issue_due();
    }
    const std::int64_t until = open_loop ? next_due_ : end;
    const std::int64_t wait = std::max<std::int64_t>(0, until - now_nanos());
    timespec timeout{wait / second, wait % second};
    const long count =
        ::syscall(SYS_epoll_pwait2, epoll_, events_.data(), events_.size(), &timeout, nullptr, 0);
    for (long i = 0; i < count; ++i) {
      const std::size_t index = events_[static_cast<std::size_t>(i)].data.u32;
      if (!sessions_[index]->on_readable(scratch_.data(), scratch_.size())) {
        shared_.outcome.error = "a connection was lost";
        return;
      }
      watch_output(index);
    }
  }

  void send(std::size_t index) {
    if (!sessions_[index]->send_some()) {
      shared_.outcome.error = "a connection was lost";
    }
    watch_output(index);
  }

  void watch_output(std::size_t index) {
    const bool wanted = sessions_[index]->has_output();
    if (wanted == polled_out_[index]) {
      return;
    }
    polled_out_[index] = wanted;
    epoll_event event{};
    event.events = wanted ? EPOLLIN | EPOLLOUT : EPOLLIN;
    event.data.u32 = static_cast<std::uint32_t>(index);
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, sessions_[index]->descriptor(), &event);
  }

  Session::Shared shared_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<bool> polled_out_;
  std::vector<char> scratch_;
  std::array<epoll_event, 512> events_{};
  int epoll_ = -1;
  std::int64_t next_due_ = 0;
  std::size_t next_session_ = 0;
};

std::string padded(int number) {
  std::string text = std::to_string(number);
  return std::string(5 - text.size(), '0') + text;
}

}  // namespace

const char* to_string(Work work) {
  switch (work) {
    case Work::read: return "read";
    case Work::write: return "write";
    case Work::mix_90_10: return "90/10";
    case Work::mix_50_50: return "50/50";
    case Work::create_delete: return "create+delete";
    case Work::ephemeral: return "ephemeral";
    case Work::multi_ten: return "multi-10";
    case Work::children: return "children";
  }
  return "?";
}

std::string prepare(const std::vector<int>& ports, int payload_size_bytes) {
  Session::Shared shared;
  Session session(shared, 0);
  if (std::string error = session.open(ports.front(), session_timeout_ms); !error.empty()) {
    return error;
  }
  const std::string data(static_cast<std::size_t>(payload_size_bytes), 'x');
  std::string frames;
  std::int32_t count = 0;
  for (const char* path : {"/bench", "/bench/own", "/bench/seq", "/bench/list"}) {
    append_create(frames, ++count, path, "");
  }
  for (int i = 0; i < keys; ++i) {
    append_create(frames, ++count, "/bench/k" + padded(i), data);
  }
  for (int i = 0; i < listed; ++i) {
    append_create(frames, ++count, "/bench/list/child-" + padded(i), "");
  }
  if (std::string error = session.call(frames, count); !error.empty()) {
    return error;
  }
  session.close_session();
  return shared.outcome.failed == 0 ? "" : "a create failed";
}

Outcome run_load(const std::vector<int>& ports, const Load& load,
                 const std::function<void()>& at_begin, const std::function<void()>& at_end) {
  return Runner(ports, load).run(at_begin, at_end);
}

std::string open_sessions(Session::Shared& shared, const std::vector<int>& ports, int count,
                          std::vector<std::unique_ptr<Session>>& sessions) {
  // So many wait for their answer together: one at a time, the first would expire before the last
  // is open.
  constexpr std::size_t together = 40;
  for (int i = 0; i < count; ++i) {
    const auto server = static_cast<std::size_t>(i) % ports.size();
    sessions.push_back(std::make_unique<Session>(shared, i));
    if (std::string error = sessions.back()->begin_open(ports[server], session_timeout_ms);
        !error.empty()) {
      return error;
    }
    const std::size_t begun = sessions.size();
    const bool last = i + 1 == count;
    if (begun % together != 0 && !last) {
      continue;
    }
    for (std::size_t at = (begun - 1) / together * together; at < begun; ++at) {
      if (std::string error = sessions[at]->end_open(); !error.empty()) {
        return error;
      }
    }
  }
  return {};
}

std::string hold_sessions(const std::vector<int>& ports, int sessions,
                          const std::function<void()>& while_open) {
  Session::Shared shared;
  std::vector<std::unique_ptr<Session>> open;
  if (std::string error = open_sessions(shared, ports, sessions, open); !error.empty()) {
    return error;
  }
  while_open();
  // What expired meanwhile weighs nothing: it must not be counted.
  for (const auto& session : open) {
    if (!session->call(ping_frame(), 1).empty()) {
      return "sessions expired before the last was open: the figures above are void";
    }
  }
  return {};
}

}  // namespace synod::bench
