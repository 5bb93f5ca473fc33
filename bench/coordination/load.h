// The load: many sessions over one thread, non-blocking, each with a fixed number of requests
// under way, or all together at a fixed rate (open loop).
//
// A request is written as soon as a reply makes room for it; all that one turn of epoll makes
// possible for a session leaves in one send. Latency runs from the moment a request is due: in an
// open loop that is its place in the schedule, whatever the server does.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/coordination/histogram.h"

namespace synod::bench {

enum class Work {
  read,       // getData of one of `keys` znodes
  write,      // setData of one
  mix_90_10,  // nine reads to a write
  mix_50_50,
  create_delete,  // create, then delete of the same: two operations
  ephemeral,      // create of a sequential ephemeral, then its delete
  multi_ten,      // ten setData in one multi: one operation
  children,       // getChildren of a znode with 100
};
const char* to_string(Work work);

struct Load {
  Work work = Work::read;
  int sessions = 1;
  int outstanding = 1;  // requests under way of each session
  int payload_size_bytes = 100;
  double rate = 0;       // operations a second over all sessions; 0: closed loop
  int first_server = 0;  // of the first session; the others follow in turn
  double warm_seconds = 0.3;
  double seconds = 1;
};

struct Outcome {
  double seconds = 0;
  std::uint64_t operations = 0;
  std::uint64_t failed = 0;  // replies with an error; anything but 0 spoils the run
  Histogram latency;
  std::string error;  // of a connection; empty if there was none

  double rate() const { return seconds > 0 ? static_cast<double>(operations) / seconds : 0; }
};

inline constexpr int keys = 1000;
inline constexpr int listed = 100;

// Makes the znodes that all works need. Empty if it went well.
std::string prepare(const std::vector<int>& ports, int payload_size_bytes);

// `at_begin` and `at_end` are called at the ends of the measured span.
Outcome run_load(const std::vector<int>& ports, const Load& load,
                 const std::function<void()>& at_begin, const std::function<void()>& at_end);

// Opens that many idle sessions and keeps them until `while_open` returns.
std::string hold_sessions(const std::vector<int>& ports, int sessions,
                          const std::function<void()>& while_open);

}  // namespace synod::bench
