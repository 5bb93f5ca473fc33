#include "paxos/membership.h"

#include <algorithm>
#include <map>

namespace synod::paxos {
namespace {

// A membership names at most the nodes that NodeId allows.
constexpr std::size_t members_max = 255;

}  // namespace

Membership::Membership(std::vector<Member> members) : members_(std::move(members)) {
  std::stable_sort(members_.begin(), members_.end(),
                   [](const Member& a, const Member& b) { return a.node < b.node; });
  members_.erase(std::unique(members_.begin(), members_.end(),
                             [](const Member& a, const Member& b) { return a.node == b.node; }),
                 members_.end());
}

const Member* Membership::find(NodeId node) const {
  auto it = std::find_if(members_.begin(), members_.end(),
                         [&](const Member& member) { return member.node == node; });
  return it == members_.end() ? nullptr : &*it;
}

bool Membership::votes(NodeId node, Incarnation incarnation) const {
  const Member* member = find(node);
  return member != nullptr && !member->observer && member->incarnation == incarnation;
}

bool Membership::quorum(const std::function<bool(const Member&)>& has) const {
  struct Weights {
    std::uint64_t all = 0;
    std::uint64_t have = 0;
  };
  std::map<std::uint32_t, Weights> groups;
  for (const Member& member : members_) {
    if (member.observer || member.weight == 0) {
      continue;
    }
    Weights& weights = groups[member.group];
    weights.all += member.weight;
    weights.have += has(member) ? member.weight : 0;
  }
  std::size_t won = 0;
  for (const auto& [group, weights] : groups) {
    won += weights.have * 2 > weights.all ? 1 : 0;
  }
  return won * 2 > groups.size();
}

bool Membership::names_addresses() const {
  return std::any_of(members_.begin(), members_.end(),
                     [](const Member& member) { return !member.address.empty(); });
}

Membership Membership::after(const Entry& entry) const {
  Membership changed = *this;
  if (entry.kind == EntryKind::readmit) {
    Readmit readmit;
    if (decode(*entry.value, readmit)) {
      for (Member& member : changed.members_) {
        if (member.node == readmit.node) {
          member.incarnation = readmit.incarnation;
        }
      }
    }
  } else if (entry.kind == EntryKind::membership) {
    Membership whole;
    ByteView owners;
    if (decode_change(*entry.value, whole, owners)) {
      return whole;
    }
  }
  return changed;
}

Bytes encode(const Membership& membership) {
  ByteWriter out;
  out.u32(static_cast<std::uint32_t>(membership.members().size()));
  for (const Member& member : membership.members()) {
    out.u32(member.node.value());
    out.u64(member.incarnation.value());
    out.u32(member.weight);
    out.u32(member.group);
    out.u8(member.observer ? 1 : 0);
  }
  if (membership.names_addresses()) {
    for (const Member& member : membership.members()) {
      out.sized(member.address);
    }
  }
  return out.take();
}

bool decode(ByteView bytes, Membership& membership) {
  ByteReader in(bytes);
  const std::uint32_t count = in.u32();
  if (count > members_max) {
    return false;
  }
  std::vector<Member> members;
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    Member member;
    member.node = NodeId(in.u32());
    member.incarnation = Incarnation(in.u64());
    member.weight = in.u32();
    member.group = in.u32();
    member.observer = in.u8() != 0;
    members.push_back(member);
  }
  if (in.ok() && !in.at_end()) {
    for (Member& member : members) {
      member.address = Bytes(in.sized());
    }
  }
  membership = Membership(std::move(members));
  return in.done() && membership.members().size() == count;
}

Bytes encode_change(const Membership& membership, ByteView owners) {
  ByteWriter out;
  out.sized(encode(membership));
  return out.take().append(owners);
}

bool decode_change(ByteView bytes, Membership& membership, ByteView& owners) {
  ByteReader in(bytes);
  const ByteView members = in.sized();
  if (!in.ok() || !decode(members, membership) || membership.empty()) {
    return false;
  }
  owners = bytes.substr(bytes.size() - in.remaining());
  return true;
}

std::ostream& operator<<(std::ostream& out, const Membership& membership) {
  const char* separator = "";
  for (const Member& member : membership.members()) {
    out << separator << member;
    separator = ", ";
  }
  return out;
}

}  // namespace synod::paxos
