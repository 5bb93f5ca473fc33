// Teaching one peer a log: what to send next, from memory or by the engine from the journal.
//
// Two ways: `staging` sends slots keep+1 .. target as Stage messages and closes with Adopt;
// `accepting` sends slots in the ballot that the peer has adopted. A leader goes from one to the
// other by itself; the one that is asked to Fetch only stages.
//
// Invariants  T1 between SendLog or SendSnapshot and the Sent that answers it nothing else is sent
//                by this lesson: what follows must not overtake the stream.
#pragma once

#include "paxos/history.h"
#include "paxos/outbox.h"

namespace synod::paxos {

// Where the pupil stands, as it said itself.
struct Standing {
  Position position;
  Slot chosen;
};

class Lesson {
 public:
  enum class Mode { idle, staging, accepting };

  Lesson() = default;
  explicit Lesson(Ballot ballot) : ballot_(ballot) {}

  Mode mode() const { return mode_; }
  bool streaming() const { return streaming_; }
  // The next slot to send.
  Slot next() const { return next_; }
  Slot chosen_sent() const { return chosen_sent_; }

  // The history through `target` (by default all of it), to one that has not adopted the ballot.
  void stage(const Step& step, NodeId to, const Standing& pupil, const History& history,
             Slot target);
  // Slots after `last`, to one that has adopted the ballot through `last`.
  void accept_after(const Step& step, NodeId to, Slot last);
  void stop(const Step& step, NodeId to);
  // Sends what can be sent now. `accepted` bounds how far ahead.
  void pump(const Step& step, NodeId to, const History& history, Slot log_first, Slot accepted);
  // Precondition: e.ballot is the lesson's.
  void on_sent(const Sent& e);
  void note_chosen_sent(Slot chosen) { chosen_sent_ = chosen; }

  std::uint64_t digest() const;

 private:
  bool stage_some(const Step& step, NodeId to, const History& history, Slot log_first);
  bool accept_some(const Step& step, NodeId to, const History& history, Slot log_first,
                   Slot accepted);
  bool stream(const Step& step, NodeId to, const History& history, Slot log_first, Slot last);
  std::vector<Entry> entries_from(const Step& step, const History& history, Slot through) const;

  Ballot ballot_;
  Mode mode_ = Mode::idle;
  bool streaming_ = false;
  Slot keep_;
  Slot next_{1};
  Slot target_;
  Chain target_chain_;
  Slot chosen_sent_;
};

}  // namespace synod::paxos
