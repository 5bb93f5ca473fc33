#include "sim/program/campaign.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <iostream>
#include <optional>

#include "sim/program/children.h"

namespace synod::sim {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::string other_flags(const RunOptions& options) {
  std::string flags = options.kind.empty() ? "" : " --kind " + options.kind;
  flags += options.aim.empty() ? "" : " --aim " + options.aim;
  return flags;
}

// All of them, beginning with another one every day.
std::vector<NamedBug> bugs_of_today() {
  std::vector<NamedBug> bugs = planted_bugs();
  constexpr std::time_t day = 24 * 60 * 60;
  const auto first = static_cast<std::size_t>(std::time(nullptr) / day * 7) % bugs.size();
  std::rotate(bugs.begin(), bugs.begin() + static_cast<std::ptrdiff_t>(first), bugs.end());
  return bugs;
}

}  // namespace

int run_campaign(const RunOptions& base, const std::vector<std::uint64_t>& seeds, unsigned jobs,
                 double seconds_max) {
  const auto start = std::chrono::steady_clock::now();
  int bad = 0;
  std::size_t ran = 0;
  std::uint64_t simulated_ms = 0;
  run_many(base, seeds, jobs, [&](const Outcome& outcome) {
    ++ran;
    simulated_ms += number_behind(outcome.text, " simulated ", 0);
    if (!outcome.good) {
      ++bad;
      std::cout << fmt::format("BAD seed {}\n{}replay: ./dev sim --seed {}{}\n", outcome.seed,
                               outcome.text, outcome.seed, other_flags(base));
      std::cout.flush();
    }
    return seconds_max != 0 && seconds_since(start) > seconds_max;
  });
  const double seconds = seconds_since(start);
  std::cout << fmt::format(
      "{} seeds, {} bad, {:.1f} s, {:.2f} seeds/s, {:.1f} simulated s a seed\n", ran, bad, seconds,
      static_cast<double>(ran) / seconds,
      static_cast<double>(simulated_ms) / 1000 / static_cast<double>(ran));
  return bad == 0 ? 0 : 1;
}

int find_planted(const RunOptions& base, const PlantedOptions& planted, unsigned jobs,
                 const DrawSeeds& draw) {
  const auto start = std::chrono::steady_clock::now();
  int missing = 0;
  int looked = 0;
  for (const NamedBug& bug : bugs_of_today()) {
    if (!planted.only.empty() && planted.only != bug.name) {
      continue;
    }
    if (planted.seconds_max != 0 && seconds_since(start) > planted.seconds_max) {
      break;
    }
    if (planted.seconds_max != 0 && bug.seldom) {
      continue;
    }
    ++looked;
    RunOptions options = base;
    options.planted = bug.bug;
    options.kind = bug.kind;
    std::optional<Outcome> found;
    std::size_t ran = 0;
    std::size_t aborted = 0;
    run_many(options, draw(planted.within), jobs, [&](const Outcome& outcome) {
      ++ran;
      aborted += !outcome.good && !outcome.judged ? 1 : 0;
      if (outcome.judged && !found) {
        found = outcome;
      }
      return found.has_value();
    });
    if (!found) {
      ++missing;
      std::cout << fmt::format("NOT FOUND {} in {} seeds ({} aborted)\n", bug.name, ran, aborted);
    } else {
      std::cout << fmt::format("found {} with seed {}, the {}th ({} aborted before)\n{}", bug.name,
                               found->seed, ran, aborted, found->text);
      std::cout << fmt::format("replay: ./dev sim --seed {} --bug {}{}\n", found->seed, bug.name,
                               other_flags(options));
    }
    std::cout.flush();
  }
  std::cout << fmt::format("{} of {} planted bugs looked for, {} not found, {:.1f} s\n", looked,
                           planted_bugs().size(), missing, seconds_since(start));
  return missing == 0 && looked != 0 ? 0 : 1;
}

}  // namespace synod::sim
