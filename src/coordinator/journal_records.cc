#include "coordinator/journal_records.h"

#include "paxos/membership.h"

namespace synod::coordinator {
namespace {

// The longest lease that this server grants, in milliseconds. Frozen (docs/formats/log.md).
constexpr std::uint32_t lease_note_key = 512;

struct ToStorage {
  NodeId self;
  std::vector<storage::Record> out{};

  void operator()(const paxos::IdentityRecord& r) {
    out.push_back(storage::Identity{r.cluster, self, r.incarnation,
                                    paxos::encode(paxos::Membership(r.founders))});
    storage::Note doubt = storage::doubt_note(r.incarnation.value());
    if (!r.in_doubt) {
      doubt.bytes.clear();  // the doubt, if there was one, is drawn: it had no vote to lose
    }
    out.push_back(std::move(doubt));
  }
  void operator()(const paxos::PromiseRecord& r) {
    out.push_back(storage::Promise{to_storage(r.ballot)});
  }
  void operator()(const paxos::AppendRecord& r) {
    out.push_back(
        storage::Value{to_storage(r.ballot), r.slot, r.chain.value(), encode_entry(r.entry)});
    if (r.chosen.value() > 0) {
      out.push_back(storage::Chosen{r.chosen});
    }
  }
  void operator()(const paxos::LeaseRecord& r) {
    ByteWriter length;
    length.u32(static_cast<std::uint32_t>(r.length.millis()));
    out.push_back(storage::Note{lease_note_key, length.take()});
  }
  void operator()(const paxos::StageRecord& r) {
    out.push_back(
        storage::Stage{to_storage(r.ballot), r.slot, r.chain.value(), encode_entry(r.entry)});
  }
  void operator()(const paxos::AdoptRecord& r) {
    storage::Adopt adopt;
    adopt.ballot = to_storage(r.ballot);
    adopt.keep_through = r.keep;
    adopt.last = r.last;
    adopt.chain = r.chain.value();
    adopt.snapshot = r.snapshot;
    adopt.keep_chain = r.snapshot ? r.keep_chain.value() : 0;
    out.push_back(adopt);
  }
};

}  // namespace

storage::Ballot to_storage(const paxos::Ballot& ballot) {
  return storage::Ballot{ballot.number, ballot.node};
}

paxos::Ballot to_paxos(const storage::Ballot& ballot) {
  return paxos::Ballot{ballot.round, ballot.node};
}

Bytes encode_entry(const paxos::Entry& entry) {
  Bytes bytes;
  bytes.reserve(1 + entry.value->size());
  bytes.push_back(static_cast<char>(entry.kind));
  bytes.append(*entry.value);
  return bytes;
}

Result<paxos::Entry> decode_entry(ByteView bytes) {
  if (bytes.empty() || !paxos::is_entry_kind(static_cast<std::uint8_t>(bytes[0]))) {
    return Error{ErrorCode::malformed, "a slot holds no entry of a known kind"};
  }
  return paxos::make_entry(static_cast<paxos::EntryKind>(bytes[0]), Bytes(bytes.substr(1)));
}

std::vector<storage::Record> to_storage(const paxos::Record& record, NodeId self) {
  ToStorage convert{self};
  std::visit(convert, record);
  return std::move(convert.out);
}

Result<RecoveredNode> to_paxos(const storage::LogState& state) {
  RecoveredNode node;
  if (state.identity.has_value()) {
    node.identity.cluster = state.identity->cluster;
    node.identity.incarnation = state.identity->incarnation;
    paxos::Membership founders;
    if (!paxos::decode(state.identity->founders, founders)) {
      return Error{ErrorCode::malformed, "the founders in the log are malformed"};
    }
    node.identity.founders = founders.members();
  }
  const std::optional<std::uint64_t> doubt = storage::doubt_of(state.notes);
  // A doubt anew, before the first one was over, makes it no wiped voter.
  const bool anew = doubt.has_value() && *doubt == storage::doubt_unclaimed;
  const std::uint64_t claim =
      anew ? storage::doubt_before_of(state.notes) : doubt.value_or(storage::doubt_unclaimed);
  node.identity.in_doubt =
      claim != storage::doubt_unclaimed && Incarnation(claim) == node.identity.incarnation;
  node.doubtful = anew;
  if (const auto lease = state.notes.find(lease_note_key); lease != state.notes.end()) {
    ByteReader in(lease->second);
    node.lease = Duration::millis(in.u32());
    if (!in.done()) {
      return Error{ErrorCode::malformed, "the note on leases in the log is malformed"};
    }
  }
  node.promised = to_paxos(state.promised);
  node.adopted = to_paxos(state.adopted);
  return node;
}

Result<paxos::RecoveredEntry> to_paxos(const storage::SlotValue& value) {
  SYNOD_TRY_ASSIGN(paxos::Entry entry, decode_entry(value.bytes));
  return paxos::RecoveredEntry{value.slot, paxos::Chain(value.chain), std::move(entry)};
}

}  // namespace synod::coordinator
