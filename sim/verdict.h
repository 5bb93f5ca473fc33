// What a simulated run ended with.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/instant.h"

namespace synod::sim {

struct Verdict {
  std::vector<std::string> findings;  // empty: all is well
  std::uint64_t digest = 0;           // equal for equal seeds
  std::uint64_t events = 0;
  Duration simulated;
  std::uint64_t strikes = 0;  // of the storm
  std::string parameters;     // what the seed drew, for the report
  std::string summary;        // how much was done, how many faults of each kind

  bool good() const { return findings.empty(); }
};

}  // namespace synod::sim
