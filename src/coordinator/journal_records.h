// Between the records of paxos and those of storage.
//
// storage does not know paxos: this is where ballots, entries and members become numbers and bytes,
// and back.
//
// Errors  What comes from the disk is checked: malformed.
#pragma once

#include <optional>
#include <vector>

#include "base/result.h"
#include "paxos/events.h"
#include "storage/log.h"
#include "storage/log_state.h"
#include "storage/record.h"

namespace synod::coordinator {

storage::Ballot to_storage(const paxos::Ballot& ballot);
paxos::Ballot to_paxos(const storage::Ballot& ballot);

// A slot's bytes: u8 kind, then the entry's value.
Bytes encode_entry(const paxos::Entry& entry);
Result<paxos::Entry> decode_entry(ByteView bytes);

// What to append for one record of the core, in this order. `self` goes into identities.
std::vector<storage::Record> to_storage(const paxos::Record& record, NodeId self);

// Everything that the core needs of a recovered log but what concerns the applied state: fills
// identity, promised, adopted, log_first, doubtful and lease.
struct RecoveredNode {
  paxos::IdentityRecord identity;  // incarnation 0: none yet
  paxos::Ballot promised;
  paxos::Ballot adopted;
  bool doubtful = false;
  Duration lease;
};
Result<RecoveredNode> to_paxos(const storage::LogState& state);

// A slot as it was read back.
Result<paxos::RecoveredEntry> to_paxos(const storage::SlotValue& value);

}  // namespace synod::coordinator
