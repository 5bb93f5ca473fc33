#include "paxos/history.h"

#include "base/check.h"
#include "base/checksum.h"

namespace synod::paxos {
namespace {

std::size_t distance(Slot from, Slot to) {
  return static_cast<std::size_t>(to.value() - from.value());
}

}  // namespace

History::History(Slot chosen, Chain chain, Membership membership, std::size_t chains_kept)
    : chosen_(chosen),
      last_(chosen),
      chains_kept_(chains_kept),
      chains_first_(chosen),
      chains_{chain},
      membership_(std::move(membership)) {}

std::optional<Chain> History::chain_at(Slot slot) const {
  if (slot < chains_first_ || slot > last_) {
    return std::nullopt;
  }
  return chains_[distance(chains_first_, slot)];
}

const Entry* History::entry_at(Slot slot) const {
  if (slot <= chosen_ || slot > last_) {
    return nullptr;
  }
  return &entries_[distance(chosen_, slot) - 1];
}

std::vector<const Membership*> History::configurations(Slot known_chosen, Slot slot) const {
  std::vector<const Membership*> in_force{&membership_};
  for (const Change& change : changes_) {
    if (change.slot <= known_chosen) {
      in_force.clear();
    }
    if (change.slot <= slot) {
      in_force.push_back(&change.membership);
    }
  }
  return in_force;
}

void History::append(Entry entry) {
  const Chain chain = chain_after(chains_.back(), last_.next(), entry);
  extend(Link{chain, std::move(entry)});
}

void History::extend(const Link& link) {
  last_ = last_.next();
  chains_.push_back(link.chain);
  note_change(last_, link.entry);
  entries_.push_back(link.entry);
}

void History::note_change(Slot slot, const Entry& entry) {
  if (entry.kind != EntryKind::readmit && entry.kind != EntryKind::membership) {
    return;
  }
  const Membership& before = changes_.empty() ? membership_ : changes_.back().membership;
  changes_.push_back(Change{slot, before.after(entry), entry.kind});
  ++version_;
}

void History::truncate(Slot keep) {
  SYNOD_CHECK(keep >= chosen_);
  while (last_ > keep) {
    chains_.pop_back();
    entries_.pop_back();
    last_ = Slot(last_.value() - 1);
  }
  while (!changes_.empty() && changes_.back().slot > keep) {
    changes_.pop_back();
    ++version_;
  }
}

void History::replace(Slot slot, Chain chain, Membership membership) {
  const std::uint64_t version = version_ + 1;
  *this = History(slot, chain, std::move(membership), chains_kept_);
  installed_ = slot;
  version_ = version;
}

void History::choose(Slot through, Effects& effects) {
  SYNOD_CHECK(through <= last_);
  while (chosen_ < through) {
    chosen_ = chosen_.next();
    Entry entry = std::move(entries_.front());
    entries_.pop_front();
    if (entry.value != nullptr) {
      effects.push_back(Deliver{chosen_, std::move(entry), *chain_at(chosen_)});
    } else if (auto* run = effects.empty() ? nullptr : std::get_if<DeliverFromLog>(&effects.back());
               run != nullptr && run->last.next() == chosen_) {
      run->last = chosen_;
    } else {
      effects.push_back(DeliverFromLog{chosen_, chosen_});
    }
    if (!changes_.empty() && changes_.front().slot == chosen_) {
      membership_ = std::move(changes_.front().membership);
      changes_.erase(changes_.begin());
      ++version_;
    }
  }
  while (chains_first_ < chosen_ && distance(chains_first_, chosen_) > chains_kept_) {
    chains_.pop_front();
    chains_first_ = chains_first_.next();
  }
}

std::uint64_t History::digest() const {
  std::uint64_t h = hash_mix(chosen_.value(), last_.value());
  h = hash_mix(h, chains_.back().value());
  h = hash_mix(h, chain_at(chosen_)->value());
  return hash_mix(h, hash_mix(chains_first_.value(), installed_.value()));
}

std::optional<std::string> History::check() const {
  if (chosen_ > last_) {
    return "I2: chosen above last";
  }
  if (entries_.size() != distance(chosen_, last_) ||
      chains_.size() != distance(chains_first_, last_) + 1) {
    return "I6: entries or hashes do not cover the log";
  }
  for (Slot slot = chosen_; slot < last_; slot = slot.next()) {
    const Entry* entry = entry_at(slot.next());
    if (entry->value == nullptr) {
      return "I6: a slot that is not chosen has no bytes";
    }
    if (chain_after(*chain_at(slot), slot.next(), *entry) != *chain_at(slot.next())) {
      return "I6: entry and chain disagree";
    }
  }
  return std::nullopt;
}

}  // namespace synod::paxos
