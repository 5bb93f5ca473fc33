#include "bench/coordination/watches.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "bench/coordination/session.h"
#include "bench/coordination/stop.h"

namespace synod::bench {
namespace {

constexpr int session_timeout_ms = 60'000;
constexpr std::string_view watched_path = "/watched";
constexpr std::size_t event_size = 4 + reply_header_size + 4 + 4 + 4 + watched_path.size();
constexpr double event_seconds_max = 60;
// As ZooKeeper's own clients cut it, below the limit of a frame.
constexpr std::size_t restore_size_bytes = 128 << 10;
constexpr std::size_t probes = 200;

using Sessions = std::vector<std::unique_ptr<Session>>;

void demand(const std::string& error) {
  if (!error.empty()) {
    throw std::runtime_error(error);
  }
}

std::string watching_read(std::int32_t xid) {
  std::string out;
  FrameWriter frame(out);
  frame.i32(xid);
  frame.i32(op::get_data);
  frame.sized(watched_path);
  frame.byte(1);
  return out;
}

std::string set_data(std::int32_t xid) {
  std::string out;
  FrameWriter frame(out);
  frame.i32(xid);
  frame.i32(op::set_data);
  frame.sized(watched_path);
  frame.sized("news");
  frame.i32(-1);
  return out;
}

struct FanOut {
  double reply_ms = 0;  // the writer's
  double last_ms = 0;   // the last session's event
};

// One write, and its event at every session. All descriptors stand in one epoll.
FanOut fan_out_once(Session& writer, const Sessions& sessions, std::int32_t xid) {
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<std::size_t> missing(sessions.size(), event_size);
  for (std::size_t i = 0; i <= sessions.size(); ++i) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    const int fd = i == sessions.size() ? writer.descriptor() : sessions[i]->descriptor();
    ::epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
  }
  const std::string frame = set_data(xid);
  FanOut result;
  std::size_t told = 0;
  std::array<char, 4096> scratch{};
  std::vector<epoll_event> events(1024);
  const std::int64_t began = now_nanos();
  const auto passed_ms = [began] { return static_cast<double>(now_nanos() - began) / 1e6; };
  if (::send(writer.descriptor(), frame.data(), frame.size(), MSG_NOSIGNAL) < 0) {
    ::close(poll);
    throw std::runtime_error("the writer's connection is lost");
  }
  while (!stopped() && (told < sessions.size() || result.reply_ms <= 0)) {
    const int count = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), 1000);
    for (int i = 0; i < count; ++i) {
      const std::size_t which = events[static_cast<std::size_t>(i)].data.u64;
      const bool is_writer = which == sessions.size();
      const int fd = is_writer ? writer.descriptor() : sessions[which]->descriptor();
      const ssize_t got = ::recv(fd, scratch.data(), scratch.size(), 0);
      if (got <= 0) {
        continue;
      }
      if (is_writer) {
        result.reply_ms = passed_ms();
      } else if (missing[which] > 0) {
        missing[which] -= std::min(missing[which], static_cast<std::size_t>(got));
        told += missing[which] == 0 ? 1 : 0;
      }
    }
    if (passed_ms() > event_seconds_max * 1000) {
      ::close(poll);
      throw std::runtime_error("events are missing");
    }
  }
  result.last_ms = passed_ms();
  ::close(poll);
  return result;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

void print_fan_out(const Servers& servers, const WatchesOptions& options) {
  Session::Shared shared;
  Session writer(shared, -1);
  demand(writer.open(servers.ports().front(), session_timeout_ms));
  std::string create;
  append_create(create, 1, watched_path, "news");
  demand(writer.call(create, 1));
  Sessions sessions;
  demand(open_sessions(shared, servers.ports(), options.fan_out_sessions, sessions));
  std::vector<double> reply;
  std::vector<double> last;
  const double cpu_before = servers.cpu_seconds();
  for (int round = 0; round < options.rounds && !stopped(); ++round) {
    for (const auto& session : sessions) {
      demand(session->send_frames(watching_read(round + 1)));
    }
    for (const auto& session : sessions) {
      demand(session->await_replies(1));
    }
    const FanOut one = fan_out_once(writer, sessions, round + 2);
    reply.push_back(one.reply_ms);
    last.push_back(one.last_ms);
  }
  std::printf(
      "%-11s one event to %d sessions: last delivery %.1f ms (%.1f-%.1f), writer's reply %.1f ms "
      "(%.1f-%.1f)%s\n",
      to_string(servers.kind()), options.fan_out_sessions, median(last),
      *std::max_element(last.begin(), last.end()), *std::min_element(last.begin(), last.end()),
      median(reply), *std::max_element(reply.begin(), reply.end()),
      *std::min_element(reply.begin(), reply.end()),
      shared.outcome.failed > 0 ? "  REPLIES WITH ERRORS" : "");
  std::printf("%-11s   server CPU of a round, registering included: %.0f ms\n", "",
              (servers.cpu_seconds() - cpu_before) * 1000 / options.rounds);
  std::fflush(stdout);
}

// setWatches frames for `paths` paths "/PREFIX-N" that do not exist: they are watched for creation.
std::vector<std::string> restore_frames(const std::string& prefix, int paths) {
  std::vector<std::string> frames;
  std::vector<std::string> names;
  std::size_t size = 0;
  const auto close = [&] {
    if (names.empty()) {
      return;
    }
    std::string out;
    {
      FrameWriter frame(out);
      frame.i32(xid_set_watches);
      frame.i32(op::set_watches);
      frame.i64(0);
      frame.i32(0);
      frame.i32(static_cast<std::int32_t>(names.size()));
      for (const std::string& name : names) {
        frame.sized(name);
      }
      frame.i32(0);
    }
    frames.push_back(std::move(out));
    names.clear();
    size = 0;
  };
  for (int i = 0; i < paths; ++i) {
    names.push_back(prefix + std::to_string(i));
    size += names.back().size() + 4;
    if (size > restore_size_bytes) {
      close();
    }
  }
  close();
  return frames;
}

void print_memory(const Servers& servers, const WatchesOptions& options) {
  Session::Shared shared;
  Sessions sessions;
  demand(open_sessions(shared, servers.ports(), options.watching_sessions, sessions));
  ::usleep(500'000);
  const double before = static_cast<double>(servers.memory_bytes().front());
  const std::vector<std::string> frames = restore_frames("/shared-", options.shared_paths);
  for (const auto& session : sessions) {
    for (const std::string& frame : frames) {
      demand(session->call(frame, 1));
    }
    demand(session->call(ping_frame(), 1));  // as clients do: the server drops what the burst took
  }
  ::usleep(500'000);
  const double watches = static_cast<double>(options.watching_sessions) * options.shared_paths;
  const double grown = static_cast<double>(servers.memory_bytes().front()) - before;
  std::printf("%-11s %.0f watches, %d sessions on the same %d paths: %.1f B each\n",
              to_string(servers.kind()), watches, options.watching_sessions, options.shared_paths,
              grown / watches);
  std::fflush(stdout);
}

// Milliseconds of one read.
double probe(Session& session, std::int32_t xid) {
  std::string out;
  {
    FrameWriter frame(out);
    frame.i32(xid);
    frame.i32(op::get_data);
    frame.sized(watched_path);
    frame.byte(0);
  }
  const std::int64_t began = now_nanos();
  demand(session.call(out, 1));
  return static_cast<double>(now_nanos() - began) / 1e6;
}

void print_restore(const Servers& servers, const WatchesOptions& options) {
  Session::Shared shared;
  Sessions sessions;
  demand(open_sessions(shared, servers.ports(), 2, sessions));
  Session& other = *sessions[1];
  std::int32_t xid = 0;
  std::vector<double> quiet;
  for (std::size_t i = 0; i < probes; ++i) {
    quiet.push_back(probe(other, ++xid));
  }
  const std::vector<std::string> frames = restore_frames("/restored-", options.restored_paths);
  std::string all;
  for (const std::string& frame : frames) {
    all += frame;
  }
  // From a process of its own, so that the reads go on meanwhile.
  const pid_t restorer = ::fork();
  if (restorer == 0) {
    ::_exit(sessions[0]->call(all, static_cast<int>(frames.size())).empty() ? 0 : 1);
  }
  const std::int64_t began = now_nanos();
  std::vector<double> meanwhile;
  int status = 0;
  while (::waitpid(restorer, &status, WNOHANG) == 0) {
    meanwhile.push_back(probe(other, ++xid));
  }
  const double took = static_cast<double>(now_nanos() - began) / 1e6;
  demand(status == 0 ? "" : "watches could not be restored");
  std::printf(
      "%-11s setWatches of %d paths in %d frames: %.0f ms; another session's reads: median %.2f, "
      "worst %.2f ms (before: %.2f, %.2f)\n",
      to_string(servers.kind()), options.restored_paths, static_cast<int>(frames.size()), took,
      median(meanwhile), *std::max_element(meanwhile.begin(), meanwhile.end()), median(quiet),
      *std::max_element(quiet.begin(), quiet.end()));
  std::fflush(stdout);
}

}  // namespace

void print_watches(const std::vector<Kind>& kinds, const WatchesOptions& options,
                   const std::function<std::unique_ptr<Servers>(Kind)>& start) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  std::printf("\nwatches, one server\n");
  for (const Kind kind : kinds) {
    if (kind == Kind::do_nothing || stopped()) {
      continue;
    }
    {
      const auto servers = start(kind);
      print_fan_out(*servers, options);
      if (!stopped()) {
        print_restore(*servers, options);
      }
    }
    if (!stopped()) {
      print_memory(*start(kind), options);  // of a server that has no room to spare
    }
  }
}

}  // namespace synod::bench
