// What coordinators say to each other about the log. Bytes are peer/'s (docs/formats/peer.md).
//
// Every message but Who names the ballot it speaks for; one of a lower ballot than the receiver has
// promised is answered by Reject. Fields marked "unused" stand in the format for later.
#pragma once

#include <ostream>
#include <variant>
#include <vector>

#include "paxos/membership.h"
#include "paxos/types.h"

namespace synod::paxos {

// Who I am and what I know of the cluster: on every new link, and again until founded.
struct Who {
  ClusterId cluster;  // 0: empty disk, or not founded yet
  Incarnation incarnation;
  RulesVersion rules;               // the newest that this program can apply
  std::vector<Member> founders;     // of the founding, if there was one
  std::uint64_t configuration = 0;  // hash of the voters that the configuration file lists
};

// "Have you lost the leader?" Never asks whose log is longer.
struct PreVote {
  std::uint64_t round = 0;
};
struct PreVoteReply {
  std::uint64_t round = 0;
  bool lost = false;
  Ballot promised;  // so that the candidate's ballot exceeds those of a quorum
  Incarnation incarnation;
};

// Of a candidate; and of a leader to one that has not adopted its ballot: "where are you?"
struct Prepare {
  Ballot ballot;
};
struct Promise {
  Ballot ballot;
  Position position;
  Slot chosen;  // known to be chosen, at least through here
  Incarnation incarnation;
  RulesVersion rules;
  // The end of its log, promises included, may have been lost, and it voted before: it counts, in
  // this ballot, once all voters have said since that they promised nothing higher.
  bool doubtful = false;
  Ballot staged;  // how much of ballot's history is staged already, if equal to ballot
  Slot staged_keep;
  Slot staged_through;
};
// No: I have promised more.
struct Reject {
  Ballot ballot;  // of the message that is refused
  Ballot promised;
};

// The new leader to the one whose log is the initial history: send me what I lack.
struct Fetch {
  Ballot ballot;
  Position position;
  Slot chosen;
};

// Part of ballot's initial history, slots first, first + 1, ...: to be appended, but not yet shown.
// The receiver keeps its own slots through `keep` (which agree) and drops the others at Adopt.
struct Stage {
  Ballot ballot;
  Slot keep;
  Slot first;
  Chain before;  // at first - 1
  Slot chosen;   // the sender's watermark: staged slots up to here are chosen
  std::vector<Entry> entries;
};
// The history is complete: adopt it.
struct Adopt {
  Ballot ballot;
  Slot keep;
  Slot last;
  Chain chain;  // at last
};

struct Accept {
  Ballot ballot;
  Slot first;
  Chain before;  // at first - 1
  Slot chosen;
  std::vector<Entry> entries;  // at least one
};
// Durable here: ballot's history and its slots through `last`. Cumulative.
struct Accepted {
  Ballot ballot;
  Slot last;
  Incarnation incarnation;
  Slot digest_slot;  // unused, as digest is: servers tell each other their digests (decision 0170)
  std::uint64_t digest = 0;
};
// I lack what comes before what you sent: go on after `last`.
struct Rewind {
  Ballot ballot;
  Slot last;
};

// The watermark alone, when no Accept is there to carry it.
struct Chosen {
  Ballot ballot;
  Slot chosen;
};
// I lead; do you follow? The round serves linearizable reads.
struct Heartbeat {
  Ballot ballot;
  Slot chosen;
  std::uint64_t round = 0;
  std::uint32_t lease_ms = 0;  // asked for; 0: none
};
struct HeartbeatReply {
  Ballot ballot;
  std::uint64_t round = 0;
  bool adopted = false;  // whether `last` is of this ballot
  Slot last;             // received, durable or not: finds gaps, counts for nothing
  Incarnation incarnation;
};
// I lead no more. `successor`, if any, need not wait its rank.
struct StepDown {
  Ballot ballot;
  NodeId successor;
};

// In answer to a heartbeat that asked for a lease: it runs, from the receipt of that on (lease.h).
struct LeaseGranted {
  Ballot ballot;
  std::uint64_t round = 0;
  std::uint32_t lease_ms = 0;
  Incarnation incarnation;
};

using Message =
    std::variant<Who, PreVote, PreVoteReply, Prepare, Promise, Reject, Fetch, Stage, Adopt, Accept,
                 Accepted, Rewind, Chosen, Heartbeat, HeartbeatReply, StepDown, LeaseGranted>;

// One line: "accept 2.3 slots 5..6 after 4, chosen 4".
std::ostream& operator<<(std::ostream& out, const Message& message);

}  // namespace synod::paxos
