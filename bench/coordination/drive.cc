#include "bench/coordination/drive.h"

#include <cstdio>
#include <stdexcept>

#include "bench/coordination/session.h"
#include "bench/coordination/stop.h"

namespace synod::bench {
namespace {

constexpr int session_timeout_ms = 30'000;
constexpr int siblings = 1000;
constexpr int creates_under_way = 500;
constexpr int filled_size_bytes = 100;

}  // namespace

std::size_t fill_with_znodes(int port, int znodes, int size_bytes) {
  Session::Shared shared;
  Session session(shared, 0);
  if (std::string error = session.open(port, session_timeout_ms); !error.empty()) {
    throw std::runtime_error(error);
  }
  std::string frames;
  std::int32_t xid = 0;
  int waiting = 1;
  std::size_t name_bytes = 0;
  const std::string data(static_cast<std::size_t>(size_bytes), 'x');
  append_create(frames, ++xid, "/fill", "");
  for (int i = 0; i < znodes && !stopped(); ++i) {
    const std::string parent = "/fill/" + std::to_string(i / siblings);
    if (i % siblings == 0) {
      append_create(frames, ++xid, parent, "");
      ++waiting;
    }
    const std::string name = "node-" + std::to_string(i);
    name_bytes += name.size();
    append_create(frames, ++xid, parent + "/" + name, data);
    if (++waiting >= creates_under_way || i + 1 == znodes) {
      if (std::string error = session.call(frames, waiting); !error.empty()) {
        throw std::runtime_error(error);
      }
      frames.clear();
      waiting = 0;
    }
  }
  session.close_session();
  if (shared.outcome.failed > 0) {
    throw std::runtime_error("replies with errors");
  }
  return name_bytes;
}

int drive(const DriveOptions& options) {
  if (options.fill > 0) {
    fill_with_znodes(options.ports.front(), options.fill, filled_size_bytes);
  }
  if (!options.prepared) {
    if (const std::string error = prepare(options.ports, options.load.payload_size_bytes);
        !error.empty()) {
      throw std::runtime_error(error);
    }
  }
  if (options.load.seconds <= 0) {
    std::puts("{}");
    return 0;
  }
  const Outcome outcome = run_load(
      options.ports, options.load, [] {}, [] {});
  const Histogram& latency = outcome.latency;
  std::printf(
      "{\"operations\": %llu, \"failed\": %llu, \"rate\": %.0f, \"p50_us\": %.0f, \"p99_us\": "
      "%.0f, "
      "\"p999_us\": %.0f, \"max_us\": %.0f, \"error\": \"%s\"}\n",
      static_cast<unsigned long long>(outcome.operations),
      static_cast<unsigned long long>(outcome.failed), outcome.rate(), latency.percentile_us(50),
      latency.percentile_us(99), latency.percentile_us(99.9), latency.max_us(),
      outcome.error.c_str());
  return outcome.error.empty() ? 0 : 1;
}

}  // namespace synod::bench
