// Seeds in processes of their own: a failed check of the code under test is that seed's failure.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sim/program/runs.h"

namespace synod::sim {

struct Outcome {
  std::uint64_t seed = 0;
  bool good = false;
  bool judged = false;  // by a checker, not by an abort
  std::string text;     // parameters, summary, findings; or the last words of one that died
};

// The number that stands behind the word in an outcome's text.
std::uint64_t number_behind(const std::string& text, const std::string& word,
                            std::uint64_t otherwise);

// Runs seeds, `jobs` at a time, until `heard` says stop or none is left.
void run_many(const RunOptions& base, const std::vector<std::uint64_t>& seeds, unsigned jobs,
              const std::function<bool(const Outcome&)>& heard);

}  // namespace synod::sim
