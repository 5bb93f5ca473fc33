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
  scenario.aim = options.aim;
  scenario.less = options.less;
  scenario.leads = coordinator_leads;
  scenario.members = coordinator_members;
  scenario.lacks_voter = coordinator_lacks_voter;
  scenario.lost = coordinators_are_lost;
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
      {PlantedBug::skip_flush, "skip_flush", "coordination"},
      {PlantedBug::skip_directory_flush, "skip_directory_flush", "coordination"},
      {PlantedBug::ignore_failed_flush, "ignore_failed_flush", "coordination", true},
      {PlantedBug::torn_taken_for_whole, "torn_taken_for_whole", "coordination", true},
      {PlantedBug::corrupt_taken_for_torn, "corrupt_taken_for_torn", "coordination"},
      {PlantedBug::snapshot_not_atomic, "snapshot_not_atomic", "coordination"},
      {PlantedBug::purge_too_early, "purge_too_early", "coordination", true},
      {PlantedBug::forget_promise, "forget_promise", "coordination", true},
      {PlantedBug::count_other_ballot, "count_other_ballot", "coordination"},
      {PlantedBug::count_minority, "count_minority", "coordination"},
      {PlantedBug::wiped_voter_votes, "wiped_voter_votes", "coordination", true},
      {PlantedBug::rolled_back_voter_votes, "rolled_back_voter_votes", "coordination", true},
      {PlantedBug::membership_one_quorum, "membership_one_quorum", "coordination"},
      {PlantedBug::rules_not_agreed, "rules_not_agreed", "coordination"},
      {PlantedBug::apply_before_chosen, "apply_before_chosen", "coordination"},
      {PlantedBug::lease_without_quorum, "lease_without_quorum", "coordination"},
      {PlantedBug::lease_from_receipt, "lease_from_receipt", "coordination"},
      {PlantedBug::lease_forgotten_at_restart, "lease_forgotten_at_restart", "coordination"},
      {PlantedBug::sync_without_quorum, "sync_without_quorum", "coordination", true},
      {PlantedBug::sync_not_awaited, "sync_not_awaited", "coordination", true},
      {PlantedBug::reorder_forwarded, "reorder_forwarded", "coordination"},
      {PlantedBug::generation_ignored, "generation_ignored", "coordination", true},
      {PlantedBug::read_before_own_write, "read_before_own_write", "coordination"},
      {PlantedBug::expire_by_wall_clock, "expire_by_wall_clock", "coordination"},
      {PlantedBug::expire_early, "expire_early", "coordination"},
      {PlantedBug::touches_lost, "touches_lost", "coordination"},
      {PlantedBug::watch_after_reply, "watch_after_reply", "coordination"},
      {PlantedBug::watch_lost_on_reconnect, "watch_lost_on_reconnect", "coordination"},
      {PlantedBug::watch_fires_twice, "watch_fires_twice", "coordination"},
      {PlantedBug::watch_one_edge_only, "watch_one_edge_only", "coordination"},
      {PlantedBug::other_rules, "other_rules", "coordination"},
      {PlantedBug::fuzzy_snapshot, "fuzzy_snapshot", "coordination"},
      {PlantedBug::counters_reset_on_restore, "counters_reset_on_restore", "coordination"},
      {PlantedBug::restore_forgets_sequence, "restore_forgets_sequence", "coordination"},
      {PlantedBug::ephemerals_kept, "ephemerals_kept", "coordination"},
      {PlantedBug::multi_not_atomic, "multi_not_atomic", "coordination"},
      {PlantedBug::version_ignored, "version_ignored", "coordination"},
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
