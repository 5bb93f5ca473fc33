#include <algorithm>
#include <sstream>

#include "base/check.h"
#include "base/checksum.h"
#include "paxos/world_test.h"

namespace synod::paxos::testing {

// ---- Journal

Chain Journal::State::chain_at(Slot slot) const {
  SYNOD_CHECK(slot >= base && slot <= last());
  return slot == base ? base_chain : log[slot.value() - base.value() - 1].chain;
}

void Journal::State::apply(const Record& record) {
  if (const auto* r = std::get_if<IdentityRecord>(&record)) {
    identity = *r;
    doubtful = false;
  } else if (const auto* r2 = std::get_if<PromiseRecord>(&record)) {
    SYNOD_CHECK(r2->ballot > promised);
    promised = r2->ballot;
  } else if (const auto* r3 = std::get_if<AppendRecord>(&record)) {
    SYNOD_CHECK(r3->slot == last().next() && r3->before == chain_at(last()));
    log.push_back(Shown{r3->chain, r3->entry});
    noted_chosen = r3->chosen;
  } else if (const auto* lease_record = std::get_if<LeaseRecord>(&record)) {
    lease = lease_record->length;
  } else if (const auto* r4 = std::get_if<StageRecord>(&record)) {
    if (staged_ballot != r4->ballot || staged_keep != r4->keep) {
      staged_ballot = r4->ballot;
      staged_keep = r4->keep;
      staged.clear();
    }
    SYNOD_CHECK(r4->slot > staged_keep &&
                r4->slot.value() <= staged_keep.value() + staged.size() + 1);
    staged.resize(r4->slot.value() - staged_keep.value() - 1);
    staged.push_back(Shown{r4->chain, r4->entry});
  }
}

// Adopt needs the staged snapshot, which lies beside the log.
void Journal::apply(State& state, const Record& record) const {
  const auto* r = std::get_if<AdoptRecord>(&record);
  if (r == nullptr) {
    state.apply(record);
    return;
  }
  if (r->snapshot) {
    SYNOD_CHECK(staged_snapshot_.has_value() && staged_snapshot_->slot == r->keep);
    state.base = r->keep;
    state.base_chain = staged_snapshot_->chain;
    state.base_membership = staged_snapshot_->membership;
    state.log.clear();
  }
  SYNOD_CHECK(r->keep >= state.base && r->keep <= state.last());
  while (state.last() > r->keep) {
    state.log.pop_back();
  }
  for (std::size_t i = 0; state.last() < r->last; ++i) {
    SYNOD_CHECK(state.staged_ballot == r->ballot && state.staged_keep == r->keep);
    state.log.push_back(state.staged.at(i));
  }
  SYNOD_CHECK(state.chain_at(state.last()) == r->chain);
  state.adopted = r->ballot;
  state.staged_ballot = Ballot{};
  state.staged.clear();
}

void Journal::append(const Persist& persist) {
  pending_.push_back(persist);
  apply(visible_, persist.record);
}

bool Journal::flush(std::size_t count) {
  bool any = false;
  constexpr std::size_t past_max = 6;
  if (remembers_ && count > 0 && !pending_.empty()) {
    past_.push_back(durable_);
    if (past_.size() > past_max) {
      past_.pop_front();
    }
  }
  for (; count > 0 && !pending_.empty(); --count) {
    apply(durable_, pending_.front().record);
    durable_lsn_ = pending_.front().lsn;
    durable_ballot_ = pending_.front().ballot;
    pending_.pop_front();
    any = true;
  }
  return any;
}

void Journal::lose_unflushed() {
  pending_.clear();
  visible_ = durable_;
}

void Journal::lose_last_flush(bool torn) {
  if (!torn) {
    SYNOD_CHECK(!past_.empty());
    durable_ = past_.back();
  }
  durable_.doubtful = true;
  visible_ = durable_;
}

void Journal::reboot(std::size_t lost, bool believed) {
  if (lost = std::min(lost, past_.size()); lost > 0) {
    durable_ = past_[past_.size() - lost];
    past_.resize(past_.size() - lost);
  }
  durable_.doubtful = durable_.doubtful || !believed;
  visible_ = durable_;
}

void Journal::trim(Slot through, const Membership& membership) {
  for (State* state : {&durable_, &visible_}) {
    if (through > state->base && through <= state->last()) {
      state->base_chain = state->chain_at(through);
      state->base_membership = membership;
      while (state->base < through) {
        state->log.pop_front();
        state->base = state->base.next();
      }
    }
  }
}

Recovered Journal::recover() const {
  const State& disk = durable_;
  Recovered recovered;
  recovered.identity = disk.identity;
  recovered.promised = disk.promised;
  recovered.adopted = disk.adopted;
  recovered.chosen = disk.base;
  recovered.chosen_chain = disk.base_chain;
  recovered.membership = disk.base_membership;
  recovered.log_first = disk.base.next();
  recovered.doubtful = disk.doubtful;
  recovered.lease = disk.lease;
  if (recovered.membership.empty()) {
    recovered.membership = Membership(disk.identity.founders);
  }
  // What the log notes as chosen is applied before the core lives.
  Slot slot = disk.base;
  for (const Shown& shown : disk.log) {
    slot = slot.next();
    if (slot <= disk.noted_chosen) {
      recovered.chosen = slot;
      recovered.chosen_chain = shown.chain;
      recovered.membership = recovered.membership.after(shown.entry);
    } else {
      recovered.tail.push_back(RecoveredEntry{slot, shown.chain, shown.entry});
    }
  }
  return recovered;
}

std::uint64_t Journal::digest() const {
  std::uint64_t h = 0;
  for (const State* state : {&durable_, &visible_}) {
    h = hash_mix(h, hash_mix(state->promised.number, state->promised.node.value()));
    h = hash_mix(h, hash_mix(state->adopted.number, state->adopted.node.value()));
    h = hash_mix(h, hash_mix(state->chain_at(state->last()).value(), state->last().value()));
    h = hash_mix(h, state->staged.empty() ? 0 : state->staged.back().chain.value());
    h = hash_mix(h, hash_mix(state->staged_keep.value(), state->staged.size()));
    h = hash_mix(h, static_cast<std::uint64_t>(state->lease.nanos()));
  }
  return hash_mix(h, pending_.size());
}

// ---- Judge

void Judge::blame(const std::string& what) {
  if (verdict_.empty()) {
    verdict_ = what;
  }
}

// A durable log is a vote for each of its slots, in the ballot it has adopted.
void Judge::on_durable(NodeId node, const Journal::State& state) {
  promised_[node] = state.promised;
  in_doubt_.erase(node);
  if (state.identity.in_doubt && !state.doubtful) {
    in_doubt_[node] = state.identity.incarnation;
  }
  vouch();
  if (state.adopted == Ballot{}) {
    judge();
    return;
  }
  Slot slot = state.base;
  for (const Journal::Shown& shown : state.log) {
    before_.emplace(shown.chain, state.chain_at(slot));
    entries_.emplace(shown.chain, shown.entry);
    slot = slot.next();
    auto& voters = votes_[Key{state.adopted, slot, shown.chain}];
    voters.insert({node, state.identity.incarnation});
  }
  judge();
}

// By its own history: the members after the last slot that it has in common with what is chosen,
// and those of every change since.
std::vector<Membership> Judge::needed(const Key& key) const {
  std::vector<const Entry*> path;
  Chain chain = key.chain;
  Slot slot = key.slot;
  while (slot > Slot(0) && !(slot <= chosen() && chosen_[slot.value() - 1] == chain)) {
    auto entry = entries_.find(chain);
    if (entry == entries_.end()) {
      break;
    }
    path.push_back(&entry->second);
    chain = before_.at(chain);
    slot = Slot(slot.value() - 1);
  }
  std::vector<Membership> all{memberships_[std::min(slot, chosen()).value()]};
  for (auto entry = path.rbegin(); entry != path.rend(); ++entry) {
    if ((*entry)->kind == EntryKind::readmit || (*entry)->kind == EntryKind::membership) {
      all.push_back(Membership(all.back()).after(**entry));
    }
  }
  return all;
}

bool Judge::is_chosen(const Key& key) const {
  auto it = votes_.find(key);
  if (it == votes_.end()) {
    return false;
  }
  const std::vector<Membership> all = needed(key);
  return std::all_of(all.begin(), all.end(), [&](const Membership& membership) {
    return membership.quorum([&](const Member& member) {
      return std::any_of(it->second.begin(), it->second.end(), [&](const Vote& vote) {
        return vote.first == member.node &&
               (vote.second == member.incarnation || vouched_.count({vote, key.ballot}) != 0);
      });
    });
  });
}

// One in doubt counts in a ballot from when none of the others has promised more: whoever it may
// have promised more, and forgotten, had not got a quorum, and nobody holds that promise now.
void Judge::vouch() {
  for (const auto& [doubted, incarnation] : in_doubt_) {
    const Ballot ballot = promised_[doubted];
    const auto no_more = [&](const auto& promise) {
      const Member* member = membership().find(promise.first);
      return member == nullptr || member->observer || promise.second <= ballot;
    };
    if (std::all_of(promised_.begin(), promised_.end(), no_more)) {
      vouched_.insert({Vote{doubted, incarnation}, ballot});
    }
  }
}

void Judge::judge() {
  for (const auto& [key, voters] : votes_) {
    if (key.slot <= chosen() && key.chain != chosen_[key.slot.value() - 1] && is_chosen(key)) {
      blame("two values are chosen for slot " + std::to_string(key.slot.value()));
    }
  }
  bool again = true;
  while (again) {
    again = false;
    for (const auto& [key, voters] : votes_) {
      if (key.slot == chosen().next() && is_chosen(key)) {
        const Entry& entry = entries_.at(key.chain);
        const Chain previous = chosen_.empty() ? Chain(0) : chosen_.back();
        auto proposed = proposed_.find(*entry.value);
        if (before_.at(key.chain) != previous) {
          blame("slot " + std::to_string(key.slot.value()) + " follows another history");
        }
        if (entry.kind == EntryKind::batch && proposed != proposed_.end() &&
            proposed->second != previous) {
          blame("'" + *entry.value + "' is chosen after another log than it was proposed for");
        }
        chosen_.push_back(key.chain);
        memberships_.push_back(memberships_.back().after(entry));
        again = true;
        break;
      }
    }
  }
}

void Judge::on_read(NodeId node, std::uint64_t token) { reads_[{node, token}] = delivered_; }

void Judge::on_read_ready(NodeId node, std::uint64_t token, Slot slot) {
  ++reads_answered_;
  if (slot < reads_[{node, token}]) {
    blame("node " + std::to_string(node.value()) + " answers a read at slot " +
          std::to_string(slot.value()) + " and slot " +
          std::to_string(reads_[{node, token}].value()) + " was delivered before");
  }
}

void Judge::on_delivered(NodeId node, Slot slot, Chain chain) {
  delivered_ = std::max(delivered_, slot);
  if (slot > chosen()) {
    blame("node " + std::to_string(node.value()) + " delivers slot " +
          std::to_string(slot.value()) + " which is not chosen");
  } else if (chosen_[slot.value() - 1] != chain) {
    blame("node " + std::to_string(node.value()) + " delivers another slot " +
          std::to_string(slot.value()) + " than was chosen");
  }
}

void Judge::on_proposed(const Entry& entry, Chain before) {
  proposed_.emplace(*entry.value, before);
}

std::string Judge::check_quorums(const Disks& disks) const {
  const Membership& membership = memberships_.back();
  std::vector<Member> voters;
  for (const Member& member : membership.members()) {
    if (!member.observer) {
      voters.push_back(member);
    }
  }
  for (std::uint32_t set = 1; set < (1U << voters.size()); ++set) {
    const Journal::State* newest = nullptr;
    const bool quorum = membership.quorum([&](const Member& member) {
      for (std::size_t i = 0; i < voters.size(); ++i) {
        const Journal::State& disk = *disks.at(voters[i].node);
        if (voters[i].node == member.node && (set >> i & 1U) != 0 &&
            disk.identity.incarnation == member.incarnation && !disk.doubtful) {
          const bool newer = newest == nullptr || std::pair(disk.adopted, disk.last()) >
                                                      std::pair(newest->adopted, newest->last());
          newest = newer ? &disk : newest;
          return true;
        }
      }
      return false;
    });
    if (!quorum || chosen() == Slot(0)) {
      continue;
    }
    const bool has = newest->last() >= chosen() &&
                     (newest->base > chosen() || newest->chain_at(chosen()) == chosen_.back());
    if (!has) {
      return "slot " + std::to_string(chosen().value()) +
             " was chosen and the newest log of a quorum does not have it";
    }
  }
  return "";
}

}  // namespace synod::paxos::testing
