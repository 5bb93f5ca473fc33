// The words of the consensus: ballots, positions in histories, entries, members.
//
// Source  Lamport, "Paxos Made Simple" (2001); Junqueira, Reed and Serafini, "Zab" (DSN 2011) for
//         why whole histories and not single slots are adopted; paxos/README.md.
// Memory  Values. An entry's bytes are immutable and shared (see Value).
#pragma once

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"

namespace synod::paxos {

// The right to lead, totally ordered. (0, 0) is "none". A node never uses one number twice: it
// promises its own ballot durably before anyone hears of it.
struct Ballot {
  std::uint64_t number = 0;
  NodeId node;

  friend auto operator<=>(const Ballot&, const Ballot&) = default;
};

// Identifies the log up to and including one slot: a hash over values and slots, not over ballots,
// so that adopting an equal log under a new ballot changes no chain.
using Chain = StrongId<struct ChainTag, std::uint64_t>;

// Where a record stands in the journal of this run of the process, from 1. Records become durable
// in this order.
using Lsn = StrongId<struct LsnTag, std::uint64_t>;

// Shared on purpose: one proposal goes to the journal's Lane, to every follower's link and to
// apply, and may be four megabytes; nobody ever changes it.
using Value = std::shared_ptr<const Bytes>;

// What a slot holds. Frozen numbers: they stand in logs and on the wire.
enum class EntryKind : std::uint8_t {
  batch = 0,    // client requests; opaque here
  open = 1,     // a leader's first entry: payload is its ballot. Opens a zxid_epoch at apply
  readmit = 2,  // Readmit below: a wiped voter may vote again
  // 3 is never written: release 0.1.0 takes it for one without effect.
  membership = 4,  // a whole new Membership, and what it means to the owner: decode_change()
};

constexpr bool is_entry_kind(std::uint8_t number) { return number <= 4 && number != 3; }

struct Entry {
  EntryKind kind = EntryKind::batch;
  Value value;  // never null
};

Entry make_entry(EntryKind kind, Bytes bytes);
Chain chain_after(Chain before, Slot slot, const Entry& entry);

// The end of somebody's log, and the newest complete history in it. Greater is newer.
struct Position {
  Ballot adopted;
  Slot last;
  Chain chain;  // at `last`; equal whenever (adopted, last) are
};

// A member of the ensemble as the log knows it.
struct Member {
  NodeId node;
  Incarnation incarnation;  // the one that may vote; another one on the same node only learns
  std::uint32_t weight = 1;
  std::uint32_t group = 0;  // zoo.cfg's group.N; all 0 without groups
  bool observer = false;
  // How the owner reaches it, in the owner's words. Empty for founders: their files say it.
  std::string address{};

  friend bool operator==(const Member&, const Member&) = default;
};

// Payload of EntryKind::readmit. Of node 0: nobody; a leader seals a change of members with it.
struct Readmit {
  NodeId node;
  Incarnation incarnation;
};

Bytes encode(const Readmit& readmit);
// False if malformed.
bool decode(ByteView bytes, Readmit& readmit);
// EntryKind::open.
Bytes encode(const Ballot& ballot);
bool decode(ByteView bytes, Ballot& ballot);

std::ostream& operator<<(std::ostream& out, const Ballot& ballot);  // "2.3": number.node
std::ostream& operator<<(std::ostream& out, EntryKind kind);
std::ostream& operator<<(std::ostream& out, const Entry& entry);        // "batch:apple"
std::ostream& operator<<(std::ostream& out, const Position& position);  // "2.3/17"
std::ostream& operator<<(std::ostream& out, const Member& member);

}  // namespace synod::paxos
