// synod_sim: simulated clusters from seeds.
//
//   synod_sim --seeds 200           fresh seeds, each printed if it fails, with how to replay it
//   synod_sim --minutes 10          fresh seeds for that long
//   synod_sim --minutes 10 --drawn-from TEXT   the same seeds in the same order for the same text
//   synod_sim --seed N [--trace]    one seed again, bit for bit
//   synod_sim --seed N --shrink     the least of it that fails in the same way
//   synod_sim --twice --seeds 5     each seed twice: the digests must be equal
//   synod_sim --planted             every planted bug must be found within 2,000 fresh seeds
//
// Ensembles only: --aim NAME storms that aim at one weakness, --with NAME faults that are left out
// otherwise (sim/coordination/README.md); --strikes N, --skip N, --clients N, --operations N leave
// out what a failing seed does not need.
//
// Every seed runs in a process of its own, so that a failed check of the code under test is that
// seed's failure and not the end of the program. Exit code 0: all is well; 1: something was found
// (or a planted bug was not); 2: usage.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "base/checksum.h"
#include "base/prng.h"
#include "sim/coordination/parameters.h"
#include "sim/program/campaign.h"
#include "sim/program/runs.h"

namespace synod::sim {
namespace {

struct Flags {
  std::vector<std::uint64_t> seeds;
  std::uint64_t fresh = 0;
  std::uint64_t minutes = 0;
  std::string drawn_from;
  bool planted = false;
  bool shrink = false;
  unsigned jobs = 2;
  PlantedOptions wanted;
  std::string bug;
  RunOptions run;
};

int usage() {
  std::cerr << "usage: synod_sim [--seed N [--shrink] [--trace]]... [--seeds N] [--minutes N] "
               "[--drawn-from TEXT] [--twice]\n"
               "                 [--planted [--bug NAME] [--within N] [--seconds N]] [--jobs N]\n"
               "                 [--kind coordination|resources] [--aim NAME]\n"
               "                 [--strikes N] [--skip N]... [--clients N] [--operations N]\n";
  return 2;
}

bool read_word(const std::string& name, Flags& flags) {
  for (const auto& [word, flag] :
       {std::pair("--planted", &flags.planted), std::pair("--twice", &flags.run.twice),
        std::pair("--trace", &flags.run.trace), std::pair("--shrink", &flags.shrink)}) {
    if (name == word) {
      *flag = true;
      return true;
    }
  }
  return false;
}

bool is_aim(const std::string& name) {
  const std::vector<std::string>& all = coordination::aims();
  return std::find(all.begin(), all.end(), name) != all.end();
}

bool read_text(const std::string& name, const std::string& value, Flags& flags) {
  if (name == "--drawn-from" && !value.empty()) {
    flags.drawn_from = value;
  } else if (name == "--kind" && (value == "coordination" || value == "resources")) {
    flags.run.kind = value;
  } else if (name == "--bug" && bug_of(value) != PlantedBug::none) {
    flags.bug = value;
  } else if (name == "--aim" && is_aim(value)) {
    flags.run.aim = value;
    flags.run.kind = "coordination";
  } else {
    return false;
  }
  return true;
}

bool read_number(const std::string& name, std::uint64_t number, Flags& flags) {
  coordination::Reductions& less = flags.run.less;
  if (name == "--seed") {
    flags.seeds.push_back(number);
  } else if (name == "--seeds") {
    flags.fresh = number;
  } else if (name == "--minutes") {
    flags.minutes = number;
  } else if (name == "--jobs") {
    flags.jobs = static_cast<unsigned>(number);
  } else if (name == "--within") {
    flags.wanted.within = number;
  } else if (name == "--seconds") {
    flags.wanted.seconds_max = static_cast<double>(number);
  } else if (name == "--strikes") {
    less.strikes_max = number;
  } else if (name == "--skip") {
    less.skipped.insert(number);
  } else if (name == "--clients") {
    less.clients_max = static_cast<int>(number);
  } else if (name == "--operations") {
    less.operations_max = static_cast<int>(number);
  } else {
    return false;
  }
  return true;
}

bool read_flags(int argc, char** argv, Flags& flags) {
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (read_word(name, flags)) {
      continue;
    }
    if (i + 1 >= argc) {
      return false;
    }
    const std::string value = argv[++i];
    if (read_text(name, value, flags)) {
      continue;
    }
    char* end = nullptr;
    const std::uint64_t number = std::strtoull(value.c_str(), &end, 0);
    if (end == value.c_str() || *end != '\0' || !read_number(name, number, flags)) {
      return false;
    }
  }
  return true;
}

std::vector<std::uint64_t> fresh_seeds(std::uint64_t count) {
  std::random_device device;
  std::vector<std::uint64_t> seeds;
  for (std::uint64_t i = 0; i < count; ++i) {
    seeds.push_back((std::uint64_t{device()} << 16 ^ device()) & 0xffffffffffULL);
  }
  return seeds;
}

// Nobody has seen them before either; but whoever has the text finds what another one found.
std::vector<std::uint64_t> seeds_drawn_from(const std::string& text, std::uint64_t count) {
  Prng prng(hash64(text));
  std::vector<std::uint64_t> seeds;
  for (std::uint64_t i = 0; i < count; ++i) {
    seeds.push_back(prng.next() & 0xffffffffffULL);
  }
  return seeds;
}

// One run after the other, in this process: a debugger and the trace see everything.
int replay(const Flags& flags) {
  int failed = 0;
  for (const std::uint64_t seed : flags.seeds) {
    RunOptions options = flags.run;
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
    PlantedOptions wanted = flags.wanted;
    wanted.only = flags.bug;
    return find_planted(flags.run, wanted, flags.jobs, fresh_seeds);
  }
  RunOptions run = flags.run;
  run.planted = bug_of(flags.bug);
  if (flags.shrink && flags.seeds.size() == 1) {
    return shrink(run, flags.seeds.front(), flags.jobs);
  }
  if (!flags.seeds.empty()) {
    return replay(flags);
  }
  const std::uint64_t wanted = flags.fresh == 0 ? 200 : flags.fresh;
  const std::uint64_t count = flags.minutes != 0 ? 1'000'000 : wanted;
  return run_campaign(
      run,
      flags.drawn_from.empty() ? fresh_seeds(count) : seeds_drawn_from(flags.drawn_from, count),
      flags.jobs, static_cast<double>(flags.minutes) * 60);
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
