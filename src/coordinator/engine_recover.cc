// From an open journal to a living core: the snapshot, then what is known to be chosen of the log,
// then the core with the rest.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "coordinator/engine.h"
#include "coordinator/journal_records.h"
#include "ports/entropy.h"

namespace synod::coordinator {
namespace {

// Tickets of our reads; the courier's and the applier's lie elsewhere.
constexpr std::uint64_t replay_ticket_base = std::uint64_t{1} << 63;
constexpr std::size_t replayed_log_size_bytes = 4 << 20;

}  // namespace

void Engine::take(Opened&& r) {
  if (std::exchange(phase_, Phase::recovering) == Phase::repairing) {
    lane_.log().info("engine", "the log is whole again");
    needs_.reset();
    repair_reads_.clear();
    guests_.clear();
    links_.reset();  // whom we are may have changed; the others connect again
    const ports::WriteHold hold(shared_.gate);
    shared_.view.reason = "recovers its log";
  }
  applier_.abandon();
  recovered_ = paxos::Recovered{};
  opened_ = std::move(r);
  Result<RecoveredNode> node = to_paxos(opened_->state);
  if (!node.ok()) {
    fail(node.error());
    return;
  }
  recovered_.identity = node->identity;
  recovered_.promised = node->promised;
  recovered_.adopted = node->adopted;
  recovered_.log_first = opened_->log_first;
  recovered_.doubtful = node->doubtful;
  recovered_.lease = node->lease;
  recovered_.membership = paxos::Membership(node->identity.founders);
  recovered_.chosen_chain = paxos::Chain(opened_->tail_before_chain);
  if (!opened_->snapshot.has_value()) {
    znode::State state(znode::State::Options{.planted = options_.planted});
    applier_.restore(std::move(state), Slot(), recovered_.chosen_chain, recovered_.membership);
    recovered_snapshot();
    return;
  }
  const storage::SnapshotId& id = opened_->snapshot->id;
  recovered_.chosen = id.slot;
  recovered_.chosen_chain = paxos::Chain(id.chain);
  if (!paxos::decode(id.meta, recovered_.membership)) {
    fail(Error{ErrorCode::corrupt, "the snapshot names no members"});
    return;
  }
  const Status known =
      check_rules(id.slot, rules_of(recovered_.membership), options_.release.rules);
  if (!known.ok() && options_.planted != PlantedBug::rules_not_agreed) {
    fail(known.error());
    return;
  }
  applier_.push(paxos::InstallSnapshot{id.slot, recovered_.chosen_chain, recovered_.membership});
  applier_.run();
}

void Engine::take(SnapshotContent&& r) {
  const bool end = r.bytes.empty();
  applier_.on(std::move(r));
  if (phase_ == Phase::recovering && end && applier_.waiting() == 0) {
    recovered_snapshot();
  }
}

// The state stands at the snapshot's slot: on with the log.
void Engine::recovered_snapshot() {
  replay(std::move(opened_->tail));
  replay_on();
}

// Slots that the log itself notes as chosen are applied; the core gets the others.
void Engine::replay(std::vector<storage::SlotValue> slots) {
  for (const storage::SlotValue& slot : slots) {
    Result<paxos::RecoveredEntry> entry = to_paxos(slot);
    if (!entry.ok()) {
      fail(entry.error());
      return;
    }
    if (slot.slot <= opened_->state.chosen) {
      applier_.push(paxos::Deliver{slot.slot, entry->entry, entry->chain});
      recovered_.membership = recovered_.membership.after(entry->entry);
      recovered_.chosen = slot.slot;
      recovered_.chosen_chain = entry->chain;
    } else {
      recovered_.tail.push_back(std::move(entry).value());
    }
  }
  while (applier_.run()) {
  }
}

void Engine::replay_on() {
  if (phase_ != Phase::recovering) {
    return;
  }
  const Slot have(recovered_.chosen.value() + recovered_.tail.size());
  if (have < opened_->state.last) {
    replay_ticket_ = replay_ticket_base | (replay_ticket_ + 1);
    journal(ReadLog{replay_ticket_, have.next(), opened_->state.last, replayed_log_size_bytes});
    return;
  }
  start_core();
}

void Engine::start_core() {
  lane_.log().info("engine", "recovered: applied={} last={} promised={}.{}",
                   recovered_.chosen.value(), opened_->state.last.value(),
                   recovered_.promised.number, recovered_.promised.node.value());
  paxos::Options core;
  core.self = options_.self;
  core.configured = options_.members;
  // 0 means none, everywhere.
  core.fresh_incarnation = Incarnation(lane_.entropy().next() | 1);
  core.fresh_cluster = ClusterId(lane_.entropy().next() | 1);
  core.rules = options_.release.rules;
  core.rules_of_changes = znode::rules_version_of_changes;
  core.heartbeat_interval = options_.heartbeat_interval;
  core.election_timeout = options_.election_timeout;
  core.lease = options_.lease;
  core.planted =
      options_.planted == PlantedBug::answer_before_flush ? PlantedBug::none : options_.planted;
  core_.emplace(core, recovered_);
  recovered_ = paxos::Recovered{};
  opened_.reset();
  phase_ = Phase::running;
  members_ = core_->membership().members();
  open_links();
  step(paxos::Started{lane_.now()});
  tick();
  end_turn_soon();
}

}  // namespace synod::coordinator
