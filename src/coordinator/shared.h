// What edges read and the engine writes: the state, the edges' inboxes and a view of the cluster,
// all under one ports::Gate.
//
// The engine changes any of it only inside a WriteHold (at most 200 us or one request at a time);
// an edge reads the state, and empties its own inbox, only inside a ReadHold of its own place.
// An edge empties its inbox before it reads: so the events of a change, and the result of a
// session's own write, are known before a read can show them. No lock, no atomic.
//
// Threads  As above. Node makes it before all parts and destroys it after them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/latency.h"
#include "coordinator/messages.h"
#include "ports/gate.h"
#include "znode/state.h"

namespace synod::coordinator {

// For the four-letter words and the admin server.
struct ClusterView {
  NodeId self;
  paxos::Role role = paxos::Role::unfounded;
  NodeId leader;         // 0: none known
  bool serving = false;  // a leader is known and this replica hears of its choices
  paxos::Ballot ballot;
  Slot applied;
  Slot last;
  std::uint32_t voters = 0;
  bool observes = false;        // this replica is a member without a vote
  bool votes = false;           // this replica counts for a quorum
  std::uint32_t followers = 0;  // a leader's: members that follow it
  std::uint32_t synced_followers =
      0;  // a leader's: of those, the ones that have all that is chosen
  std::uint32_t synced_observers = 0;
  RulesVersion rules;           // the newest that are known here
  std::int64_t lease_ms = 0;    // asked for (synod.leaseMs); 0: none
  bool lease_held = false;      // a leader's, when this was written
  RulesVersion agreed_rules;    // a leader's: the newest that all members have said to know
  std::uint64_t elections = 0;  // since start
  std::uint64_t proposals = 0;
  Duration flush_p99 = {};              // of the last few hundred flushes
  std::uint64_t slow_applies = 0;       // above 1 ms
  StageLatencies stages;                // but `reply`, which each edge has of its own
  std::string rot;                      // what went bad on the disk and is not needed now, in words
  std::uint64_t state_limit_bytes = 0;  // 0: none
  bool state_full = false;              // what makes the state larger is refused
  bool disk_full = false;               // what this replica should write waits for room
  bool failed = false;                  // the journal failed: this replica takes no part any more
  std::string reason;                   // why it does not serve, in words; empty if it does
};

struct Inbox {
  std::vector<InboxItem> items;
  Instant since;  // of the first of them
  // The edge's own word, written inside its ReadHold: somebody watches. While it is down no events
  // of changes are put here. A watch is added inside the hold that reads what it watches, so none
  // is missed.
  bool watched = false;
};

struct Shared {
  Shared(ports::Gate& the_gate, std::size_t edges) : gate(the_gate), inboxes(edges) {}

  ports::Gate& gate;
  znode::State state;
  znode::Switches switches;  // of this node's configuration; the leader's go into batches
  ClusterView view;
  std::vector<Inbox> inboxes;  // one for each edge, by EdgeIndex
};

}  // namespace synod::coordinator
