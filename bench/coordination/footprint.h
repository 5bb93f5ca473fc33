// What a server costs when little or nothing is asked of it: start, idle CPU, memory of sessions
// and of znodes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/coordination/servers.h"

namespace synod::bench {

struct FootprintOptions {
  double idle_seconds = 10;
  int sessions = 10'000;
  int znodes = 1'000'000;
};

// `start` gives a fresh ensemble of the kind and size. Prints as it goes.
void print_footprint(const std::vector<Kind>& kinds, const FootprintOptions& options,
                     const std::function<std::unique_ptr<Servers>(Kind, int)>& start);

}  // namespace synod::bench
