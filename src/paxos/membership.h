// Who votes, and what a quorum of them is.
//
// Without groups and with equal weights a quorum is a majority. With groups (zoo.cfg group.N,
// weight.N) it is a weighted majority in each of a majority of the groups that have weight.
//
// Invariants  I1 two quorums of one Membership intersect in a voter.
//             I2 only a voter with the member's own incarnation counts.
#pragma once

#include <functional>
#include <ostream>
#include <vector>

#include "paxos/types.h"

namespace synod::paxos {

class Membership {
 public:
  Membership() = default;
  explicit Membership(std::vector<Member> members);  // sorted by node; repeats are dropped

  const std::vector<Member>& members() const { return members_; }
  // nullptr if the node is no member.
  const Member* find(NodeId node) const;
  // True if this incarnation of the node may vote.
  bool votes(NodeId node, Incarnation incarnation) const;
  // True if the voters for which `has` answers true form a quorum. Never for an empty membership.
  bool quorum(const std::function<bool(const Member&)>& has) const;
  bool empty() const { return members_.empty(); }
  // True if a change made it, which says where its members are; false if it is the founders'.
  bool names_addresses() const;

  // The membership after an internal entry; unchanged by batches and by what is malformed.
  Membership after(const Entry& entry) const;

  friend bool operator==(const Membership&, const Membership&) = default;

 private:
  std::vector<Member> members_;
};

// Addresses stand behind the members, and only if there are any.
Bytes encode(const Membership& membership);
bool decode(ByteView bytes, Membership& membership);
// Payload of EntryKind::membership: the members, then what only the owner reads.
Bytes encode_change(const Membership& membership, ByteView owners);
// False if malformed. `owners` borrows the bytes.
bool decode_change(ByteView bytes, Membership& membership, ByteView& owners);
std::ostream& operator<<(std::ostream& out, const Membership& membership);

}  // namespace synod::paxos
