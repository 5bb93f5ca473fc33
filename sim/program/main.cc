// synod_sim: simulated clusters from seeds.
//
//   synod_sim --seeds 200           fresh seeds, each printed if it fails, with how to replay it
//   synod_sim --seed N [--trace]    one seed again, bit for bit
//   synod_sim --twice --seeds 5     each seed twice: the digests must be equal
//   synod_sim --planted             every planted bug must be found within 200 fresh seeds
//
// Every seed runs in a process of its own, so that a failed check of the code under test is that
// seed's failure and not the end of the program. Exit code 0: all is well; 1: something was found
// (or a planted bug was not); 2: usage.
#include <fmt/format.h>

#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "sim/program/campaign.h"
#include "sim/program/runs.h"

namespace synod::sim {
namespace {

struct Flags {
  std::vector<std::uint64_t> seeds;
  std::uint64_t fresh = 0;
  bool planted = false;
  bool trace = false;
  bool twice = false;
  unsigned jobs = 2;
  std::uint64_t within = 200;
  std::string kind;  // empty: as the seed says
  std::string bug;
};

int usage() {
  std::cerr << "usage: synod_sim [--seed N]... [--seeds N] [--planted [--bug NAME] [--within N]] "
               "[--kind coordination|resources] [--trace] [--twice] [--jobs N]\n";
  return 2;
}

bool read_flags(int argc, char** argv, Flags& flags) {
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--planted") {
      flags.planted = true;
      continue;
    }
    if (name == "--twice") {
      flags.twice = true;
      continue;
    }
    if (name == "--trace") {
      flags.trace = true;
      continue;
    }
    if (i + 1 >= argc) {
      return false;
    }
    const std::string value = argv[++i];
    if (name == "--kind") {
      flags.kind = value;
      continue;
    }
    if (name == "--bug") {
      flags.bug = value;
      continue;
    }
    char* end = nullptr;
    const std::uint64_t number = std::strtoull(value.c_str(), &end, 0);
    if (end == value.c_str() || *end != '\0') {
      return false;
    }
    if (name == "--seed") {
      flags.seeds.push_back(number);
    } else if (name == "--seeds") {
      flags.fresh = number;
    } else if (name == "--jobs") {
      flags.jobs = static_cast<unsigned>(number);
    } else if (name == "--within") {
      flags.within = number;
    } else {
      return false;
    }
  }
  return flags.kind.empty() || flags.kind == "coordination" || flags.kind == "resources";
}

std::vector<std::uint64_t> fresh_seeds(std::uint64_t count) {
  std::random_device device;
  std::vector<std::uint64_t> seeds;
  for (std::uint64_t i = 0; i < count; ++i) {
    seeds.push_back((std::uint64_t{device()} << 16 ^ device()) & 0xffffffffffULL);
  }
  return seeds;
}

RunOptions base_options(const Flags& flags) {
  RunOptions options;
  options.kind = flags.kind;
  options.trace = flags.trace;
  options.twice = flags.twice;
  return options;
}

// One run after the other, in this process: a debugger and the trace see everything.
int replay(const Flags& flags) {
  int failed = 0;
  for (const std::uint64_t seed : flags.seeds) {
    RunOptions options = base_options(flags);
    options.seed = seed;
    options.planted = bug_of(flags.bug);
    options.verbose = true;
    const Verdict verdict = run_seed(options);
    std::cout << fmt::format("seed {} {} digest {:016x} events {} simulated {} ms\n  {}\n  {}\n",
                             seed, verdict.good() ? "good" : "BAD", verdict.digest, verdict.events,
                             verdict.simulated.millis(), verdict.parameters, verdict.summary);
    for (const std::string& finding : verdict.findings) {
      std::cout << "  " << finding << "\n";
    }
    failed += verdict.good() ? 0 : 1;
  }
  return failed == 0 ? 0 : 1;
}

int main_with(const Flags& flags) {
  if (flags.planted) {
    return find_planted(base_options(flags), flags.bug, flags.within, flags.jobs, fresh_seeds);
  }
  if (!flags.seeds.empty()) {
    return replay(flags);
  }
  const std::uint64_t count = flags.fresh == 0 ? 200 : flags.fresh;
  return run_campaign(base_options(flags), fresh_seeds(count), flags.jobs);
}

}  // namespace
}  // namespace synod::sim

int main(int argc, char** argv) {
  synod::sim::Flags flags;
  if (!synod::sim::read_flags(argc, argv, flags)) {
    return synod::sim::usage();
  }
  return synod::sim::main_with(flags);
}
