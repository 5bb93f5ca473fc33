// What this node has promised, adopted and accepted; and the history it is being taught.
//
// Source      Paxos Made Simple, section 2.2, with whole histories instead of single slots
//             (README.md).
// Invariants  I1, I2, I5 of core.h.
#pragma once

#include <deque>

#include "paxos/history.h"
#include "paxos/outbox.h"

namespace synod::paxos {

// A history under way: keep, then the links. Ballot (0,0): none.
struct Staged {
  Ballot ballot;
  Slot keep;
  Slot last;
  Chain chain;  // at last
  Slot chosen;  // the teacher's watermark
  std::deque<Link> links;
  bool snapshot = false;  // a durable snapshot stands for the slots through keep
  Chain keep_chain;
  Membership membership;  // as of keep, with snapshot
};

class Acceptor {
 public:
  Acceptor(const Options& options, const Recovered& recovered);

  Ballot promised() const { return promised_; }
  Ballot adopted() const { return adopted_; }
  const History& history() const { return history_; }
  const Staged& staged() const { return staged_; }
  Position position() const { return {adopted_, history_.last(), history_.chain()}; }

  // Precondition of all: the ballot is not below promised(); the caller has answered Reject.
  void raise(const Step& step, Ballot ballot);
  void on_prepare(const Step& step, NodeId from, const Prepare& m);
  void on_stage(const Step& step, NodeId from, const Stage& m);
  void on_adopt(const Step& step, NodeId from, const Adopt& m);
  void on_accept(const Step& step, NodeId from, const Accept& m);
  void on_snapshot(const Step& step, const SnapshotStaged& e);

  // A leader's own.
  void append_own(const Step& step, Entry entry);
  // The leader's own history becomes that of its ballot: its log as it is, or what it fetched.
  // Precondition: can_adopt(m).
  void adopt_own(const Step& step, const Adopt& m);
  // True if all that the adoption needs is here.
  bool can_adopt(const Adopt& m) const;
  // What is chosen of the adopted history through here, as far as the log reaches.
  void choose(const Step& step, Slot through);

  // Another one will teach this ballot's history: theirs must not meet.
  void forget_staged() { drop_staged(); }

  // The configurations that the staged history would put in force, beyond the known watermark.
  std::vector<Membership> staged_configurations(Slot known_chosen, Slot keep) const;
  // Differs whenever those may.
  std::uint64_t staged_changes() const { return staged_changes_; }
  Accepted accepted() const;
  void set_identity(const IdentityRecord& identity);
  void set_membership(const Membership& membership);

  std::uint64_t digest() const;
  std::optional<std::string> check() const;

 private:
  void drop_staged();
  bool doubtful() const;
  void answer_position(const Step& step, NodeId to) const;
  bool begin_staging(const Step& step, NodeId from, const Stage& m);
  void perform(const Step& step, const Adopt& m);

  NodeId self_;
  RulesVersion rules_;
  PlantedBug planted_;
  Incarnation incarnation_;
  bool in_doubt_ = false;  // IdentityRecord's
  Ballot promised_;
  Ballot adopted_;
  History history_;
  Staged staged_;
  std::uint64_t staged_changes_ = 0;
};

}  // namespace synod::paxos
