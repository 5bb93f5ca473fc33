// What an acceptor owes to a leader that it has granted a lease, and how the leader counts it.
//
// A leader that asks for a lease with its heartbeat and is granted it by a quorum answers reads
// without a round: until the lease ends nobody else can have been elected. Off unless
// Options::lease says how long (decision 0141).
//
// Source      Gray and Cheriton, "Leases" (SOSP 1989); Chandra, Griesemer and Redstone, "Paxos Made
//             Live" (PODC 2007), section 5.2, master leases.
// Invariants  L1 an acceptor counts from the receipt of the heartbeat, in full; the leader from its
//                sending, and less by drift_part. So the leader's end comes first as long as two
//                clocks do not drift apart by more than that.
//             L2 while a grant runs its acceptor promises no higher ballot than the holder's, and
//                does not stand.
//             L3 how long its grants are at most is durable before the first one leaves. Who starts
//                on a disk that was used waits that time out before it promises or stands.
//             L4 a holder that leads no more says so (StepDown), and its grants are over.
// The holder itself is not bound: what it promises ends its own leadership in the same step.
#pragma once

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "paxos/outbox.h"

namespace synod::paxos {

// An acceptor's side.
class Grants {
 public:
  Grants(const Options& options, const Recovered& recovered);

  void start(const Step& step);
  // L2 and L3: true while this node is bound.
  bool run(Instant now) const { return now < until(); }
  Instant until() const { return std::max(granted_until_, waits_until_); }

  // Grants what the heartbeat asks for; its sender leads with the ballot that is promised here.
  // Not while a higher ballot is put off: its candidate has a quorum that lost the leader.
  void grant(const Step& step, NodeId from, const Heartbeat& m, Incarnation incarnation);
  void release(Ballot holder);

  // Keeps what a higher ballot's owner has said, to be heard when this node is bound no more.
  void put_off(NodeId from, Ballot ballot, Message message);
  void forget(Ballot ballot);
  bool any_put_off() const { return !put_off_.empty(); }
  // Nothing to be heard, nothing to settle.
  bool rest() const { return put_off_.empty() && length_ >= noted_; }
  std::vector<std::pair<NodeId, Message>> take_put_off();
  // Bound no more: what is durable of the length need not be more than what is configured.
  void settle(const Step& step);

  std::uint64_t digest() const;

 private:
  Duration length_;  // configured: the longest that is granted
  Duration noted_;   // as the journal has it, or is told
  bool waits_ = false;
  Ballot holder_;
  Instant granted_until_;
  Instant waits_until_;
  Ballot put_off_ballot_;
  std::vector<std::pair<NodeId, Message>> put_off_;  // one Prepare and one Heartbeat at most
};

// When the heartbeats of a leader left that ask for a lease.
class LeaseBeats {
 public:
  void note(std::uint64_t round, Instant now, Duration lease);
  // When a grant in answer to this round ends, as its holder counts; nothing if it is over.
  std::optional<Instant> end_of(std::uint64_t round, Duration lease) const;

 private:
  std::deque<std::pair<std::uint64_t, Instant>> beats_;
};

}  // namespace synod::paxos
