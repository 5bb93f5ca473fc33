#include "coordinator/log_repair.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "coordinator/journal_records.h"

namespace synod::coordinator {
namespace {

Result<std::uint64_t> chain_of(std::uint64_t before, Slot slot, ByteView bytes) {
  SYNOD_TRY_ASSIGN(const paxos::Entry entry, decode_entry(bytes));
  return paxos::chain_after(paxos::Chain(before), slot, entry).value();
}

}  // namespace

Result<std::unique_ptr<LogRepair>> LogRepair::begin(ports::Disk& disk, std::string directory,
                                                    storage::SnapshotStore& snapshots) {
  SYNOD_TRY_ASSIGN(storage::LogSalvage salvage, storage::LogSalvage::read(disk, directory));
  std::unique_ptr<LogRepair> repair(new LogRepair(disk, std::move(directory), std::move(salvage)));
  SYNOD_TRY(repair->choose_snapshot(snapshots));
  SYNOD_TRY(repair->walk());
  return repair;
}

// The newest one that is sound from end to end and lies within the own history.
Status LogRepair::choose_snapshot(storage::SnapshotStore& snapshots) {
  for (const storage::SnapshotRef& ref : snapshots.all()) {
    const Slot slot = ref.id.slot;
    const bool ours = !state_.identity.has_value() || state_.identity->cluster.value() == 0 ||
                      state_.identity->cluster == ref.id.cluster;
    SYNOD_TRY_ASSIGN(const auto own, salvage_.value(slot));
    const bool fits = !own.has_value() || own->chain == ref.id.chain;
    if (slot > state_.last || !ours || !fits) {
      continue;
    }
    if (Status sound = snapshots.verify(slot); !sound.ok()) {
      if (sound.error().code != ErrorCode::corrupt) {
        return sound;
      }
      SYNOD_TRY(snapshots.set_aside(slot));
      continue;
    }
    start_from(slot, ref.id.chain);
    return {};
  }
  return {};
}

void LogRepair::start_from(Slot slot, std::uint64_t chain) {
  start_ = slot;
  start_chain_ = chain;
  verified_ = slot;
  verified_chain_ = chain;
  tentative_.reset();
  fetched_.erase(fetched_.begin(), fetched_.upper_bound(slot));
  if (slot > state_.last) {
    state_.last = slot;
    state_.last_chain = chain;
  }
}

Result<std::optional<storage::SlotValue>> LogRepair::value(Slot slot) {
  auto it = fetched_.find(slot);
  if (it != fetched_.end()) {
    return std::optional<storage::SlotValue>{it->second};
  }
  return salvage_.value(slot);
}

// What was fetched on trust did not lead to the own log.
void LogRepair::drop_tentative() {
  verified_ = Slot(tentative_->value() - 1);
  verified_chain_ = tentative_before_;
  fetched_.erase(fetched_.lower_bound(*tentative_), fetched_.end());
  tentative_.reset();
}

// Something else was chosen: the own slots so far are of a history that was dropped by an adoption
// which is lost in a gap. What lies behind the gap has been voted for and stays.
void LogRepair::forget_own() {
  for (Slot slot = start_.next(); slot <= verified_; slot = slot.next()) {
    salvage_.forget(slot);
  }
  fetched_.clear();
  verified_ = start_;
  verified_chain_ = start_chain_;
}

Status LogRepair::walk() {
  while (verified_ < state_.last) {
    const Slot slot = verified_.next();
    SYNOD_TRY_ASSIGN(const auto found, value(slot));
    if (!found.has_value()) {
      return {};
    }
    const bool own = fetched_.count(slot) == 0;
    const auto chain = chain_of(verified_chain_, slot, found->bytes);
    if (!chain.ok() || *chain != found->chain) {
      // Either what was fetched is of another history, or this value was dropped within a gap.
      tentative_.has_value() ? drop_tentative() : salvage_.forget(slot);
      return {};
    }
    if (own) {
      tentative_.reset();
    }
    verified_ = slot;
    verified_chain_ = *chain;
  }
  if (tentative_.has_value() && salvage_.certain() && verified_chain_ != state_.last_chain) {
    drop_tentative();
  }
  return {};
}

std::optional<RepairNeeds> LogRepair::needs() const {
  if (verified_ >= state_.last) {
    return {};
  }
  RepairNeeds needs;
  needs.identity = state_.identity;
  needs.first = verified_.next();
  const auto next = salvage_.next_readable(needs.first.next());
  needs.through = next.has_value() ? Slot(next->value() - 1) : state_.last;
  needs.snapshot = wants_snapshot_;
  for (const storage::LogGap& gap : salvage_.gaps()) {
    needs.reason += fmt::format("{}{} at {}: {}", needs.reason.empty() ? "" : "; ", gap.file,
                                gap.offset, gap.reason);
  }
  if (needs.reason.empty()) {
    needs.reason = fmt::format("the log begins behind slot {} and no sound snapshot covers that",
                               start_.value());
  }
  return needs;
}

Result<bool> LogRepair::take(const RepairSlots& slots) {
  const Slot before = verified_;
  const Slot first = verified_.next();
  if (verified_ >= state_.last) {
    return false;
  }
  wants_snapshot_ = slots.slots.empty() && slots.log_first > first && slots.snapshot > verified_;
  if (wants_snapshot_ || slots.slots.empty() || slots.slots.front().slot != first) {
    return wants_snapshot_;
  }
  if (slots.before_chain != verified_chain_) {
    if (tentative_.has_value()) {
      drop_tentative();
      return false;
    }
    if (first <= slots.chosen && verified_ > start_) {
      forget_own();
      return true;
    }
    return false;
  }
  std::uint64_t chain = verified_chain_;
  for (const storage::SlotValue& given : slots.slots) {
    if (given.slot > state_.last) {
      break;
    }
    SYNOD_TRY_ASSIGN(const std::uint64_t after, chain_of(chain, given.slot, given.bytes));
    if (given.slot > slots.chosen && !tentative_.has_value()) {
      tentative_ = given.slot;
      tentative_before_ = chain;
    }
    chain = after;
    fetched_[given.slot] = storage::SlotValue{given.slot, state_.adopted, after, given.bytes};
  }
  SYNOD_TRY(walk());
  return verified_ > before;
}

Status LogRepair::take_snapshot(const storage::SnapshotRef& ref) {
  wants_snapshot_ = false;
  if (ref.id.slot > verified_) {
    start_from(ref.id.slot, ref.id.chain);
  }
  return walk();
}

Status LogRepair::finish(std::uint64_t nonce) {
  storage::RebuildPlan plan;
  plan.state = state_;
  plan.certain = salvage_.certain();
  plan.start = start_;
  plan.start_chain = start_chain_;
  Slot next = start_.next();
  return storage::rebuild_log(disk_, directory_, nonce, plan,
                              [&]() -> Result<std::optional<storage::SlotValue>> {
                                if (next > verified_) {
                                  return std::optional<storage::SlotValue>{};
                                }
                                SYNOD_TRY_ASSIGN(auto found, value(next));
                                if (!found.has_value()) {
                                  return Error{ErrorCode::corrupt, "went bad meanwhile"};
                                }
                                next = next.next();
                                return found;
                              });
}

Result<std::vector<storage::SlotValue>> LogRepair::read(Slot from, Slot through,
                                                        std::size_t size_bytes_max,
                                                        std::uint64_t& before_chain) {
  std::vector<storage::SlotValue> out;
  const Slot end = std::min(through, verified_);
  if (from <= start_) {
    return Error{ErrorCode::not_found, "not in what is readable of a damaged log"};
  }
  before_chain = start_chain_;
  if (from > start_.next()) {
    SYNOD_TRY_ASSIGN(const auto before, value(Slot(from.value() - 1)));
    if (!before.has_value()) {
      return Error{ErrorCode::not_found, "not in what is readable of a damaged log"};
    }
    before_chain = before->chain;
  }
  std::size_t size = 0;
  for (Slot slot = from; slot <= end && size < size_bytes_max; slot = slot.next()) {
    SYNOD_TRY_ASSIGN(auto found, value(slot));
    if (!found.has_value()) {
      break;
    }
    size += found->bytes.size();
    out.push_back(std::move(*found));
  }
  return out;
}

}  // namespace synod::coordinator
