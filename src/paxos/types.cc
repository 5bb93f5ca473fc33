#include "paxos/types.h"

#include <algorithm>

#include "base/checksum.h"
#include "paxos/membership.h"

namespace synod::paxos {
namespace {

// Enough of a value to recognise it in a line of text.
constexpr std::size_t shown_bytes_max = 24;

bool printable(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

Entry make_entry(EntryKind kind, Bytes bytes) {
  return Entry{kind, std::make_shared<const Bytes>(std::move(bytes))};
}

Chain chain_after(Chain before, Slot slot, const Entry& entry) {
  const std::uint64_t seed = slot.value() * 256 + static_cast<std::uint8_t>(entry.kind);
  return Chain(hash_mix(before.value(), hash64(*entry.value, seed)));
}

Bytes encode(const Readmit& readmit) {
  ByteWriter out;
  out.u32(readmit.node.value());
  out.u64(readmit.incarnation.value());
  return out.take();
}

bool decode(ByteView bytes, Readmit& readmit) {
  ByteReader in(bytes);
  readmit.node = NodeId(in.u32());
  readmit.incarnation = Incarnation(in.u64());
  return in.done();
}

Bytes encode(const Ballot& ballot) {
  ByteWriter out;
  out.u64(ballot.number);
  out.u32(ballot.node.value());
  return out.take();
}

bool decode(ByteView bytes, Ballot& ballot) {
  ByteReader in(bytes);
  ballot.number = in.u64();
  ballot.node = NodeId(in.u32());
  return in.done();
}

std::ostream& operator<<(std::ostream& out, const Ballot& ballot) {
  return out << ballot.number << '.' << ballot.node;
}

std::ostream& operator<<(std::ostream& out, EntryKind kind) {
  switch (kind) {
    case EntryKind::batch: return out << "batch";
    case EntryKind::open: return out << "open";
    case EntryKind::readmit: return out << "readmit";
    case EntryKind::membership: return out << "membership";
  }
  return out << "kind-" << +static_cast<std::uint8_t>(kind);
}

std::ostream& operator<<(std::ostream& out, const Entry& entry) {
  Ballot ballot;
  Readmit readmit;
  Membership membership;
  ByteView owners;
  if (entry.value == nullptr) {
    return out << entry.kind << ":in-journal";
  }
  if (entry.kind == EntryKind::open && decode(*entry.value, ballot)) {
    return out << "open:" << ballot;
  }
  if (entry.kind == EntryKind::readmit && decode(*entry.value, readmit)) {
    if (readmit.node == NodeId()) {
      return out << "seal";
    }
    return out << "readmit:" << readmit.node << '/' << readmit.incarnation;
  }
  if (entry.kind == EntryKind::membership && decode_change(*entry.value, membership, owners)) {
    return out << "membership:" << membership;
  }
  if (entry.value->size() <= shown_bytes_max && printable(*entry.value)) {
    return out << *entry.value;
  }
  return out << entry.kind << ':' << entry.value->size() << "-bytes";
}

std::ostream& operator<<(std::ostream& out, const Position& position) {
  return out << position.adopted << '/' << position.last;
}

std::ostream& operator<<(std::ostream& out, const Member& member) {
  out << member.node << '/' << member.incarnation;
  if (member.weight != 1) {
    out << " weight=" << member.weight;
  }
  if (member.group != 0) {
    out << " group=" << member.group;
  }
  if (member.observer) {
    out << " observer";
  }
  return member.address.empty() ? out : out << " at " << member.address;
}

}  // namespace synod::paxos
