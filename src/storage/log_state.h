// What a sequence of records amounts to: the acceptor's durable state and what slots are visible.
//
// The same code runs when records are appended and when they are recovered, so the two cannot
// disagree. Where the bytes of a slot lie is the log index's matter (log_index.h).
//
// Invariants  L1 promised never decreases; adopted <= promised.
//             L2 visible slots are (base, last] without holes, in increasing order.
//             L3 staged slots are [staged_first, staged_last] of one ballot, without holes.
//             L4 chosen <= last never decreases.
// Memory      The notes, and 8 bytes per slot whose chain is kept.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "storage/record.h"

namespace synod::storage {

class LogState {
 public:
  Ballot promised;
  Ballot adopted;
  std::optional<Identity> identity;
  Slot chosen;
  Slot base;  // a snapshot stands in for slots through here; 0 is none
  std::uint64_t base_chain = 0;
  Slot last;  // last visible slot, or base
  std::uint64_t last_chain = 0;
  Ballot staged_ballot;
  Slot staged_first{1};
  Slot staged_last;  // < staged_first: nothing is staged
  std::uint64_t staged_chain = 0;
  std::map<std::uint32_t, Bytes> notes;

  // Chain hashes of visible slots from chains_first on, without holes, through `last`.
  Slot chains_first{1};
  std::deque<std::uint64_t> chains;
  std::vector<std::uint64_t> staged_chains;  // of [staged_first, staged_last], or of a tail of it

  bool has_staged() const { return staged_last >= staged_first; }

  // Of a visible slot, or of base; nothing if it is not known any more. Slot 0 has chain 0.
  std::optional<std::uint64_t> chain_at(Slot slot) const;

  // Why the record may not follow, or nothing.
  std::optional<std::string> objection(const Record& record) const;

  // Precondition: no objection.
  void apply(const Record& record);

  // Slots through `slot` are gone from the log: their chains need not be kept.
  void forget_chains_through(Slot slot);

  Checkpoint checkpoint() const;
  // What a segment that begins with it starts from; chains of earlier slots are not known.
  static LogState from_checkpoint(const Checkpoint& checkpoint);

  friend bool operator==(const LogState&, const LogState&) = default;
};

}  // namespace synod::storage
