// Whether this server's state is that of the others.
//
// Replicas that applied the same slots have equal digests. Each server notes its own at every
// sixteenth slot and tells the others; whoever finds that a quorum agrees at some slot on another
// one than its own knows that its state is wrong (a bit that flipped in memory, a fault of the
// program) and that the quorum's is right, or at least theirs.
//
// Invariants  D1 digests of one slot only are compared, of one version of the digest.
//             D2 what is not backed by a quorum accuses nobody.
// Purity      Same calls, same answers.
// Memory      4,096 own digests; what the others said of 256 slots.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "coordinator/peer/messages.h"
#include "paxos/membership.h"

namespace synod::coordinator {

class Digests {
 public:
  // Whether the state after this slot is to be noted.
  static bool due(Slot slot) { return slot.value() % interval == 0; }
  // Precondition: due(slot); slots rise.
  void note(Slot slot, std::uint64_t digest);
  // The state was replaced by another one.
  void forget_own() { own_.clear(); }

  // What was noted since the last call, of few slots: those whose number has the most factors of
  // two, which are likely the ones that the others choose.
  std::vector<peer::SlotDigest> news();
  void hear(NodeId from, const std::vector<peer::SlotDigest>& said);

  struct Finding {
    Slot slot;
    bool self = false;           // a quorum has another digest than this server
    std::vector<NodeId> others;  // or these have another one than a quorum
    bool undecided = false;      // or no quorum agrees, though every voter has said its own
  };
  // The first that is to be told; each slot is judged until every voter has said its own.
  std::optional<Finding> judge(const paxos::Membership& membership, NodeId self);

 private:
  static constexpr std::uint64_t interval = 16;

  std::optional<std::uint64_t> own(Slot slot) const;
  std::optional<Finding> judge_one(const paxos::Membership& membership, NodeId self, Slot slot,
                                   std::map<NodeId, std::uint64_t> said) const;

  std::deque<peer::SlotDigest> own_;  // slots rise
  Slot told_;                         // through here, by news()
  std::map<Slot, std::map<NodeId, std::uint64_t>> heard_;
};

// For the log.
std::string to_string(const Digests::Finding& finding);

}  // namespace synod::coordinator
