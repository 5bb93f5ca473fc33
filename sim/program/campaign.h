// Many seeds, some at a time, each in a process of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sim/program/runs.h"

namespace synod::sim {

using DrawSeeds = std::function<std::vector<std::uint64_t>(std::uint64_t)>;

// Prints every failure with its replay, and the rate. 0 if there was none, else 1.
int run_campaign(const RunOptions& base, const std::vector<std::uint64_t>& seeds, unsigned jobs);

// Looks for each planted bug (or the one named) in up to `within` fresh seeds; prints the seed that
// found it and what was found. 0 if all were.
int find_planted(const RunOptions& base, const std::string& only, std::uint64_t within,
                 unsigned jobs, const DrawSeeds& draw);

}  // namespace synod::sim
