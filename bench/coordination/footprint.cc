#include "bench/coordination/footprint.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include "bench/coordination/drive.h"
#include "bench/coordination/session.h"
#include "bench/coordination/stop.h"

namespace synod::bench {
namespace {

constexpr double mib = 1024.0 * 1024.0;
constexpr int znode_size_bytes = 100;

void rest(double seconds) {
  const std::int64_t end = now_nanos() + static_cast<std::int64_t>(seconds * 1e9);
  while (now_nanos() < end && !stopped()) {
    ::usleep(50'000);
  }
}

double memory(const Servers& servers) {
  double sum = 0;
  for (const std::uint64_t bytes : servers.memory_bytes()) {
    sum += static_cast<double>(bytes);
  }
  return sum / static_cast<double>(servers.memory_bytes().size());
}

// Percent of one core, of one server.
double idle_cpu(const Servers& servers, double seconds) {
  const double before = servers.cpu_seconds();
  const std::int64_t began = now_nanos();
  rest(seconds);
  const double passed = static_cast<double>(now_nanos() - began) / 1e9;
  return 100 * (servers.cpu_seconds() - before) / passed /
         static_cast<double>(servers.ports().size());
}

void print_idle(const Servers& servers, const FootprintOptions& options) {
  rest(3);  // what a start leaves to do
  const double cpu = idle_cpu(servers, options.idle_seconds);
  std::printf("%-11s %d   served after %5.0f ms   idle %6.2f %% of a core each   %7.1f MiB each\n",
              to_string(servers.kind()), static_cast<int>(servers.ports().size()),
              servers.start_seconds() * 1000, cpu, memory(servers) / mib);
  std::fflush(stdout);
}

void print_sessions(const Servers& servers, const FootprintOptions& options) {
  const double before = memory(servers);
  const std::string error = hold_sessions(servers.ports(), options.sessions, [&] {
    rest(2);
    const double grown = memory(servers) - before;
    const double cpu = idle_cpu(servers, options.idle_seconds);
    std::printf("%-11s %d sessions: %.0f B each, %.1f MiB in all, %.2f %% of a core\n",
                to_string(servers.kind()), options.sessions, grown / options.sessions,
                (before + grown) / mib, cpu);
    std::fflush(stdout);
  });
  if (!error.empty()) {
    std::printf("%-11s %d sessions: %s\n", to_string(servers.kind()), options.sessions,
                error.c_str());
  }
}

void print_znodes(const Servers& servers, const FootprintOptions& options) {
  const double before = memory(servers);
  const std::int64_t began = now_nanos();
  const std::size_t name_bytes =
      fill_with_znodes(servers.ports().front(), options.znodes, znode_size_bytes);
  const double seconds = static_cast<double>(now_nanos() - began) / 1e9;
  const double each = (memory(servers) - before) / options.znodes;
  const double named = static_cast<double>(name_bytes) / options.znodes;
  std::printf("%-11s %d znodes of %d B: %.0f B each, %.0f beside name and data; made in %.1f s\n",
              to_string(servers.kind()), options.znodes, znode_size_bytes, each,
              each - named - znode_size_bytes, seconds);
  std::fflush(stdout);
}

}  // namespace

void print_footprint(const std::vector<Kind>& kinds, const FootprintOptions& options,
                     const std::function<std::unique_ptr<Servers>(Kind, int)>& start) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  std::printf("\nfootprint\n");
  for (const Kind kind : kinds) {
    if (kind == Kind::do_nothing) {
      continue;
    }
    for (const int count : {1, 3}) {
      if (!stopped()) {
        print_idle(*start(kind, count), options);
      }
    }
    if (!stopped()) {
      print_sessions(*start(kind, 1), options);
    }
    if (!stopped()) {
      print_znodes(*start(kind, 1), options);
    }
  }
}

}  // namespace synod::bench
