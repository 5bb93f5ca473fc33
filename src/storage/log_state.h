// What a sequence of records amounts to: the acceptor's durable state and what slots are visible.
//
// The same code runs when records are appended and when they are recovered, so the two cannot
// disagree. Where the bytes of a slot lie is the log index's matter (log_index.h).
//
// Invariants  L1 promised never decreases; adopted <= promised.
//             L2 visible slots are (base, last] without holes, in increasing order.
//             L3 staged slots are [staged_first, staged_last] of one ballot, without holes.
//             L4 chosen <= last never decreases.
// Memory      Constant but for the notes.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

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

  bool has_staged() const { return staged_last >= staged_first; }

  // Why the record may not follow, or nothing. `chain_at` answers the chain hash of a visible slot
  // (needed by Adopt and Base); nothing if it is not known any more.
  using ChainAt = std::function<std::optional<std::uint64_t>(Slot)>;
  std::optional<std::string> objection(const Record& record, const ChainAt& chain_at) const;

  // Precondition: no objection. `chain_at` as above.
  void apply(const Record& record, const ChainAt& chain_at);

  Checkpoint checkpoint() const;

  friend bool operator==(const LogState&, const LogState&) = default;
};

}  // namespace synod::storage
