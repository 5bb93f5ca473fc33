// Many seeds, some at a time, each in a process of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sim/program/runs.h"

namespace synod::sim {

using DrawSeeds = std::function<std::vector<std::uint64_t>(std::uint64_t)>;

// Prints every failure with its replay, and the rate. 0 if there was none, else 1. Ends early after
// `seconds_max`, unless that is 0.
int run_campaign(const RunOptions& base, const std::vector<std::uint64_t>& seeds, unsigned jobs,
                 double seconds_max);

struct PlantedOptions {
  std::string only;  // a name; empty: all
  std::uint64_t within = 2000;
  // No bug is begun after that, and none that takes many seeds; 0: all are looked for.
  double seconds_max = 0;
};

// Looks for planted bugs, each in up to `within` fresh seeds, beginning with another one every day;
// prints the seed that found it and what was found. 0 if all that were looked for were found.
int find_planted(const RunOptions& base, const PlantedOptions& planted, unsigned jobs,
                 const DrawSeeds& draw);

// Looks for a smaller run that fails in the same way: fewer strikes, clients and operations. Prints
// its flags. 0 if the seed fails at all.
int shrink(const RunOptions& base, std::uint64_t seed, unsigned jobs);

}  // namespace synod::sim
