#include "sim/program/runs.h"

#include <iostream>

#include "base/prng.h"
#include "sim/coordination/scenario.h"
#include "sim/program/parts.h"

namespace synod::sim {
namespace {

bool is_resources(const RunOptions& options) {
  if (options.kind.empty()) {
    return Prng(options.seed ^ 0x6b696e64ULL).chance(1, 4);
  }
  return options.kind == "resources";
}

Verdict run_once(const RunOptions& options) {
  coordination::ScenarioOptions scenario;
  scenario.seed = options.seed;
  scenario.planted = options.planted;
  scenario.leads = coordinator_leads;
  scenario.trace = options.trace ? &std::cout : nullptr;
  scenario.logs = options.verbose ? &std::cerr : nullptr;
  if (is_resources(options)) {
    const resources::Starters starters{start_coordinator, start_master, start_agent,
                                       register_programs};
    return resources::run_scenario(scenario, starters);
  }
  return coordination::run_scenario(scenario, start_coordinator);
}

}  // namespace

Verdict run_seed(const RunOptions& options) {
  Verdict verdict = run_once(options);
  // By the seed, so that a replay does as the first run did.
  const bool drawn = Prng(options.seed ^ 0x7477696365ULL).chance(1, 20);
  if ((drawn || options.twice) && !options.trace) {
    const Verdict again = run_once(options);
    if (again.digest != verdict.digest) {
      verdict.findings.push_back("determinism: the same seed ran differently the second time");
    }
  }
  return verdict;
}

const std::vector<NamedBug>& planted_bugs() {
  static const std::vector<NamedBug> bugs = {
      {PlantedBug::answer_before_flush, "answer_before_flush", "coordination"},
      {PlantedBug::count_leader_at_send, "count_leader_at_send", "coordination"},
      {PlantedBug::mix_histories, "mix_histories", "coordination"},
      {PlantedBug::repeat_forwarded_write, "repeat_forwarded_write", "coordination"},
      {PlantedBug::skip_master_epoch_check, "skip_master_epoch_check", "resources"},
      {PlantedBug::read_registry_before_epoch, "read_registry_before_epoch", "resources"},
  };
  return bugs;
}

PlantedBug bug_of(const std::string& name) {
  for (const NamedBug& bug : planted_bugs()) {
    if (bug.name == name) {
      return bug.bug;
    }
  }
  return PlantedBug::none;
}

}  // namespace synod::sim
