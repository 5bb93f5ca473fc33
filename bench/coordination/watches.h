// What watches cost: the fan-out of one event to many sessions, the memory of many watches, and who
// waits while a session restores a hundred thousand of them.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "bench/coordination/servers.h"

namespace synod::bench {

struct WatchesOptions {
  int fan_out_sessions = 10'000;
  int rounds = 5;
  int watching_sessions = 1'000;  // each watches the same `shared_paths`
  int shared_paths = 1'000;
  int restored_paths = 100'000;
};

// `start` starts one server of a kind. Throws std::runtime_error.
void print_watches(const std::vector<Kind>& kinds, const WatchesOptions& options,
                   const std::function<std::unique_ptr<Servers>(Kind)>& start);

}  // namespace synod::bench
