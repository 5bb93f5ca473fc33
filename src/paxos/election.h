// Whether the leader is lost, and when to stand.
//
// Lost means: none is known, or it was silent for election_timeout, or its connection closed and a
// new one was refused (the process is gone), or it said that it leads no more. A node that has lost
// the leader asks the others the same question; when a quorum has lost it, it stands. Whose log is
// longer is never asked: the winner fetches what it lacks.
//
// Source  Ng et al., "Omni-Paxos" (EuroSys 2023): election by connectivity.
#pragma once

#include <map>
#include <set>

#include "paxos/outbox.h"

namespace synod::paxos {

class Election {
 public:
  NodeId followed() const { return followed_; }
  bool lost(Instant now, const Options& options) const;

  // A sign of life of whoever leads (or stands) with the ballot that this node has promised.
  void follow(const Step& step, NodeId leader);
  void lose(const Step& step, std::uint64_t rank);
  void on_link_down(const Step& step, NodeId peer, std::uint64_t rank);
  // After a candidacy that failed: not before the others had their turn.
  void postpone(const Step& step, std::uint64_t rank);

  // True if this node should stand now.
  bool tick(const Step& step, const Membership& membership, const std::vector<NodeId>& peers,
            std::uint64_t rank);
  void on_pre_vote(const Step& step, NodeId from, const PreVote& m, Ballot promised,
                   Incarnation incarnation, bool leads, std::uint64_t rank);
  bool on_reply(const Step& step, NodeId from, const PreVoteReply& m, const Membership& membership);
  void note_number(std::uint64_t number) { number_ = std::max(number_, number); }
  std::uint64_t highest_number() const { return number_; }
  void won() { asking_ = false; }

  Instant next(Instant now, const Options& options) const;
  std::uint64_t digest() const;

 private:
  bool agreed(const Membership& membership, NodeId self) const;

  NodeId followed_;
  bool gone_ = false;
  Instant contact_;
  bool asking_ = false;  // a time to ask is set
  Instant ask_at_;
  Duration retry_;
  std::uint64_t round_ = 0;
  std::set<NodeId> lost_too_;
  std::uint64_t number_ = 0;  // highest ballot number heard of
};

}  // namespace synod::paxos
