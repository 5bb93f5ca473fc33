// From a seed to a verdict: which kind of cluster a seed runs, made of the real parts.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/planted.h"
#include "sim/coordination/scenario.h"
#include "sim/verdict.h"

namespace synod::sim {

struct RunOptions {
  std::uint64_t seed = 1;
  std::string kind;  // "coordination", "resources"; empty: as the seed says
  PlantedBug planted = PlantedBug::none;
  // Ensembles only: see coordination/scenario.h.
  std::string aim;
  coordination::Reductions less;
  bool trace = false;    // every event's lines to standard output
  bool twice = false;    // whatever the seed says
  bool verbose = false;  // the last log lines of every process if something is found
};

// Runs it twice, once in twenty seeds, and says so if the digests differ.
Verdict run_seed(const RunOptions& options);

struct NamedBug {
  PlantedBug bug = PlantedBug::none;
  const char* name = "";
  const char* kind = "";
  bool seldom = false;  // takes more than some fifty seeds
};
const std::vector<NamedBug>& planted_bugs();
// none for an unknown or empty name.
PlantedBug bug_of(const std::string& name);

}  // namespace synod::sim
