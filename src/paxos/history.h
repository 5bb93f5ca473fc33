// The log as the core remembers it: where it ends, hashes of its recent slots, the bytes of those
// not yet chosen, and the memberships that are in force.
//
// Invariants  H1 chosen <= last; chains are known for the slots [chains_first, last], and
//                chains_first <= chosen.
//             H2 every slot in (chosen, last] has its entry; its value may be missing only between
//                extend() and choose() of one step (chosen slots that the journal has).
//             H3 changes() are those of the slots in (chosen, last], ascending.
// Memory      As core.h says.
#pragma once

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "paxos/events.h"

namespace synod::paxos {

struct Change {
  Slot slot;
  Membership membership;  // from this slot on
  EntryKind kind = EntryKind::readmit;
};

// One slot that is known by its hash, and perhaps by its bytes.
struct Link {
  Chain chain;
  Entry entry;  // value null: the journal has it
};

class History {
 public:
  History() = default;
  History(Slot chosen, Chain chain, Membership membership, std::size_t chains_kept);

  Slot chosen() const { return chosen_; }
  Slot last() const { return last_; }
  // Everything through here came in a snapshot, in this life: the log does not have it.
  Slot installed() const { return installed_; }
  Chain chain() const { return chains_.back(); }
  // Nothing if it is above last or forgotten.
  std::optional<Chain> chain_at(Slot slot) const;
  // nullptr unless chosen < slot <= last.
  const Entry* entry_at(Slot slot) const;

  // As of chosen.
  const Membership& membership() const { return membership_; }
  const std::vector<Change>& changes() const { return changes_; }
  // Differs whenever membership() or changes() may.
  std::uint64_t version() const { return version_; }
  // In force for `slot` if everything through `known_chosen` is: the membership there, and every
  // later one through `slot`.
  std::vector<const Membership*> configurations(Slot known_chosen, Slot slot) const;

  void append(Entry entry);
  void extend(const Link& link);
  // Precondition: keep >= chosen.
  void truncate(Slot keep);
  void replace(Slot slot, Chain chain, Membership membership);
  // Slots through `through` are chosen: effects deliver them. Precondition: through <= last.
  void choose(Slot through, Effects& effects);

  std::uint64_t digest() const;
  std::optional<std::string> check() const;

 private:
  void note_change(Slot slot, const Entry& entry);

  Slot chosen_;
  Slot last_;
  Slot installed_;
  std::size_t chains_kept_ = 1;
  Slot chains_first_;
  std::deque<Chain> chains_{Chain(0)};
  std::deque<Entry> entries_;
  Membership membership_;
  std::vector<Change> changes_;
  std::uint64_t version_ = 1;
};

}  // namespace synod::paxos
