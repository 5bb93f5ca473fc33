// The inside of Core: its parts and who hears what.
#pragma once

#include <set>
#include <utility>
#include <vector>

#include "paxos/acceptor.h"
#include "paxos/core.h"
#include "paxos/election.h"
#include "paxos/founding.h"
#include "paxos/leader.h"
#include "paxos/lease.h"

namespace synod::paxos {

class Machine {
 public:
  Machine(const Options& options, const Recovered& recovered);

  void step(const Event& event, Effects& effects);

  Role role() const;
  NodeId leader() const;
  bool may_stand() const;
  const Acceptor& acceptor() const { return acceptor_; }
  const Options& options() const { return options_; }
  const Leader& leading() const { return leading_; }
  const Founding& founding() const { return founding_; }
  bool can_propose() const;
  ChangeVerdict may_change(Instant now, const Membership& members) const;
  std::uint64_t digest() const;
  std::optional<std::string> check() const;

 private:
  void on(Step& step, const Started& e);
  void on(Step& step, const Tick& e);
  void on(Step& step, const Received& e);
  void on(Step& step, const Durable& e);
  void on(Step& step, const LinkUp& e);
  void on(Step& step, const LinkDown& e);
  void on(Step& step, const Propose& e);
  void on(Step& step, const ProposeChange& e);
  void on(Step& step, const Read& e);
  void on(Step& step, const TurnEnded& e);
  void on(Step& step, const Sent& e);
  void on(Step& step, const SnapshotStaged& e);
  void on(Step& step, const LogTrimmed& e);
  void on(Step& step, const Stand& e);
  void on(Step& step, const HandOver& e);

  void hear(Step& step, NodeId from, const Message& message);
  void hear(Step& step, NodeId from, const Who& m);
  void hear(Step& step, NodeId from, const PreVote& m);
  void hear(Step& step, NodeId from, const PreVoteReply& m);
  void hear(Step& step, NodeId from, const Prepare& m);
  void hear(Step& step, NodeId from, const Promise& m);
  void hear(Step& step, NodeId from, const Reject& m);
  void hear(Step& step, NodeId from, const Fetch& m);
  void hear(Step& step, NodeId from, const Stage& m);
  void hear(Step& step, NodeId from, const Adopt& m);
  void hear(Step& step, NodeId from, const Accept& m);
  void hear(Step& step, NodeId from, const Accepted& m);
  void hear(Step& step, NodeId from, const Rewind& m);
  void hear(Step& step, NodeId from, const Chosen& m);
  void hear(Step& step, NodeId from, const Heartbeat& m);
  void hear(Step& step, NodeId from, const HeartbeatReply& m);
  void hear(Step& step, NodeId from, const StepDown& m);
  void hear(Step& step, NodeId from, const LeaseGranted& m);

  // True if it waits, since a lease that this node has granted runs.
  bool put_off(Step& step, NodeId from, Ballot ballot, const Message& message);
  void hear_put_off(Step& step);
  bool refuse(Step& step, NodeId from, Ballot ballot);
  bool from_leader(Step& step, NodeId from, Ballot ballot);
  void stand(Step& step);
  void give_up(Step& step, const char* why, NodeId successor);
  void on_founded(Step& step);
  void stop_teaching(const Step& step);
  void announce_role(Step& step);
  void announce_peers(Step& step);
  // Differs whenever what announce_peers() says may.
  std::pair<std::uint64_t, std::uint64_t> peers_version() const {
    return {acceptor_.history().version(), acceptor_.staged_changes()};
  }
  bool is_member(NodeId node) const;
  void set_alarm(Step& step);
  Instant next_alarm() const;
  Duration beat_interval() const;
  Instant free_at() const;
  std::vector<NodeId> peers() const;
  bool is_peer(NodeId node) const;
  std::uint64_t rank() const;

  Options options_;
  Instant now_;
  Outbox outbox_;
  Contacts contacts_;
  Founding founding_;
  Acceptor acceptor_;
  Grants grants_;
  Leader leading_;
  Election election_;
  Slot log_first_;
  // This node's log is the history that a new leader fetches.
  NodeId pupil_;
  Lesson pupil_lesson_;
  Instant next_beat_;
  Instant alarm_ = Instant::max();
  RoleChanged announced_;
  std::set<NodeId> linked_;  // whoever among them is no member learns
  // As of the last PeersChanged.
  std::pair<std::uint64_t, std::uint64_t> peers_version_;
  bool was_member_ = false;
};

}  // namespace synod::paxos
