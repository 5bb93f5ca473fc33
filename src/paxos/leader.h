// Leading: from the first Prepare of a ballot to its end.
//
// Phases: preparing (gathers promises), fetching (the initial history comes from the one that has
// the newest log), leading (teaches every peer, appends, counts, answers reads).
//
// Source      Paxos Made Simple, sections 2.2 and 3; README.md for whole histories.
// Invariants  I3 of core.h, and
//             C1 (ballot, slot) is counted, never slot: an Accepted of another ballot is ignored.
//             C2 this node counts by the same message as the others, when it is durable.
//             C3 a voter counts only with the incarnation that the memberships in force name; or
//                as one in doubt, once all voters have answered a heartbeat that left after its
//                promise: who stood with a higher ballot, that it may have promised and forgotten,
//                would have refused. One that was silent for doubt_patience is not asked.
//             C4 from the slot of a change of members until it is chosen, every slot needs a quorum
//                of both sets; so does whoever wants to lead with a history that holds it. A chosen
//                change is followed by an entry of no effect, its seal: with that a quorum of the
//                new set knows durably that the old set need not be asked any more.
//             C5 a lease is held while one is granted by a quorum of every set that may be in
//             force,
//                each voter under the incarnation that the set names.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "paxos/acceptor.h"
#include "paxos/lease.h"
#include "paxos/lesson.h"

namespace synod::paxos {

struct Progress {
  Lesson lesson;
  Incarnation incarnation;
  bool doubtful = false;  // as its promise said
  bool adopted = false;   // has adopted the ballot, durably
  Slot accepted;          // and accepted through here
  RulesVersion rules{1};
  bool heard_ever = false;
  Instant heard;
  std::uint64_t round = 0;        // answered
  std::uint64_t heard_round = 0;  // the same, by any incarnation
  Slot next_at_beat;              // next slot to send when the last heartbeat left
  std::uint32_t beats_not_adopted = 0;
  Instant lease_until;  // granted by this incarnation

  bool heard_within(Duration time, Instant now) const { return heard_ever && now - heard < time; }
};

class Leader {
 public:
  enum class Phase { none, preparing, fetching, leading };

  Leader() = default;

  Phase phase() const { return phase_; }
  bool leads() const { return phase_ == Phase::leading; }
  bool serving() const { return serving_; }
  Ballot ballot() const { return ballot_; }
  Instant deadline() const { return deadline_; }
  NodeId donor() const { return donor_; }
  const std::map<NodeId, Progress>& peers() const { return peers_; }
  bool can_propose(const Options& options, const Acceptor& acceptor) const;
  RulesVersion agreed_rules(const Acceptor& acceptor) const;

  // Begins with a ballot that is promised by the acceptor already.
  void prepare(const Step& step, Acceptor& acceptor, const std::vector<NodeId>& peers);
  void on_promise(const Step& step, Acceptor& acceptor, NodeId from, const Promise& m,
                  Slot log_first);
  // A part of the fetched history was staged: go on waiting.
  void on_fetched(const Step& step);
  // All of it.
  void on_fetched_all(const Step& step, Acceptor& acceptor, const Adopt& m, Slot log_first);
  // The donor is gone: try another.
  void drop_donor(const Step& step, Acceptor& acceptor, Slot log_first);
  void on_accepted(const Step& step, Acceptor& acceptor, NodeId from, const Accepted& m,
                   Slot log_first);
  void on_rewind(const Step& step, Acceptor& acceptor, NodeId from, const Rewind& m,
                 Slot log_first);
  void on_heartbeat_reply(const Step& step, Acceptor& acceptor, NodeId from,
                          const HeartbeatReply& m, Slot log_first);
  // C5.
  bool holds_lease(const Options& options, Instant now, const Acceptor& acceptor) const;
  void on_lease_granted(const Step& step, NodeId from, const LeaseGranted& m);
  void on_sent(const Step& step, Acceptor& acceptor, const Sent& e, Slot log_first);
  void on_link_up(const Step& step, NodeId peer);
  void on_link_down(const Step& step, NodeId peer);
  void hear(const Step& step, NodeId from);

  void propose(const Step& step, Acceptor& acceptor, Entry entry, Slot log_first);
  ChangeVerdict may_change(const Options& options, Instant now, const Acceptor& acceptor,
                           const Membership& members) const;
  // Precondition: may_change() says ok.
  void propose_change(const Step& step, Acceptor& acceptor, const ProposeChange& change,
                      Slot log_first);
  // True if this node may not lead any longer, and what made it so is chosen and sealed.
  bool must_leave(const Acceptor& acceptor) const;
  // It is no member and its connection ended.
  void forget(const Step& step, NodeId peer);
  void read(const Step& step, Acceptor& acceptor, std::uint64_t token);
  void heartbeat(const Step& step, const Acceptor& acceptor);
  void send_watermarks(const Step& step, const Acceptor& acceptor);
  // True if a quorum answered within the election timeout.
  bool has_quorum(const Step& step, const Acceptor& acceptor) const;
  // Of the voters that were heard within the election timeout, the one with the longest accepted
  // log.
  NodeId most_advanced(const Step& step, const Acceptor& acceptor) const;
  // Ends the phase: reads fail, proposals are lost.
  void end(const Step& step, const Acceptor& acceptor);

  std::uint64_t digest() const;
  std::optional<std::string> check(const Acceptor& acceptor) const;

 private:
  void try_elect(const Step& step, Acceptor& acceptor, Slot log_first);
  void try_lead(const Step& step, Acceptor& acceptor, const Adopt& adopt, const Position& history,
                Slot log_first);
  void lead(const Step& step, Acceptor& acceptor, const Adopt& adopt, Slot log_first);
  bool promised_by_quorum(const Step& step, const Membership& membership, const Position& history,
                          bool strictly) const;
  bool all_vouch(const Step& step, const Membership& membership) const;
  void say_who_was_not_asked(const Step& step, const Membership& membership) const;
  void ask_all_if_in_doubt(const Step& step, const Acceptor& acceptor, NodeId from,
                           const Promise& m);
  // C3, of one that speaks for this ballot.
  bool counts(const Step& step, const Membership& membership, const Member& member,
              const Progress& progress) const;
  Slot known_chosen() const;
  void place(const Step& step, Acceptor& acceptor, NodeId peer, const Promise& m, Slot log_first);
  void pump(const Step& step, const Acceptor& acceptor, Slot log_first);
  void pump_one(const Step& step, const Acceptor& acceptor, NodeId peer, Slot log_first);
  void count(const Step& step, Acceptor& acceptor, Slot log_first);
  bool chosen_by_quorums(const Step& step, const History& history, Slot slot) const;
  Progress& progress_of(NodeId peer);
  void seal_if_due(const Step& step, Acceptor& acceptor, Slot log_first);
  void readmit_if_due(const Step& step, Acceptor& acceptor, Slot log_first);
  void begin_round(const Step& step, const Acceptor& acceptor);
  void try_finish_round(const Step& step, const Acceptor& acceptor);

  Phase phase_ = Phase::none;
  Ballot ballot_;
  NodeId self_;
  Instant deadline_;
  std::map<NodeId, Promise> promises_;
  std::set<NodeId> failed_donors_;
  NodeId donor_;
  Position fetching_;
  std::optional<Adopt> fetched_;  // all is staged; promises of some membership are still missing
  std::map<NodeId, Progress> peers_;  // self included once it leads
  Slot history_end_;
  Slot unsealed_;  // of a change of members, until it is chosen; 0: none
  bool serving_ = false;
  std::uint64_t round_ = 0;
  std::uint64_t doubt_round_ = 0;           // the heartbeat since the last doubtful promise
  std::map<NodeId, Incarnation> in_doubt_;  // those that were heard
  LeaseBeats lease_beats_;
  std::vector<std::uint64_t> reads_waiting_;
  std::vector<std::uint64_t> reads_asked_;  // in the round under way
  std::uint64_t asked_round_ = 0;
  Slot asked_slot_;
};

}  // namespace synod::paxos
