// The judge of a coordination history. Reads what clients saw and nothing else.
//
// Checks, each in its own file:
//   order    zxids of acknowledged writes are unique and agree with real time; what a session sees
//            never goes back; a read after `sync` shows what was acknowledged before the sync
//   replies  all writes in the order of their zxids, applied to a Model, give every reply; every
//            read shows the Model's state at its zxid. A write whose outcome its client does not
//            know took effect at the zxid at which a read shows its tag, or never.
//   keys     a key that one client alone sets, pipelined: versions are the sets that took effect,
//            in the order in which they were sent, each once
//   watches  every watch fires once, for the first change after it was set, and its event comes
//            before any reply that could show the change
//   fifo     a session's writes take effect in the order of sending; a connection loses a suffix
//   sessions  none ends before its timeout since it was heard
//   linear   a second opinion: registers by themselves, with zxids hidden (linear.h)
//   ephemerals  they are there as long as their session is known to live, and gone with it
//
// The workload keeps to what these can judge: see workload.h.
#pragma once

#include <string>
#include <vector>

#include "sim/coordination/history.h"
#include "sim/coordination/model.h"

namespace synod::sim::coordination {

class Findings {
 public:
  // Dots beyond three in a row are data that only takes room.
  void add(const std::string& what);
  const std::vector<std::string>& all() const { return all_; }
  bool none() const { return all_.empty(); }

 private:
  std::vector<std::string> all_;
};

void check_order(const History& history, Findings& findings);
// Fills `model` with the end of the replay, its changes among it.
void check_replies(const History& history, Model& model, Findings& findings);
void check_keys(const History& history, Findings& findings);
void check_watches(const History& history, const Model& model, Findings& findings);
void check_ephemerals(const History& history, Findings& findings);
void check_fifo(const History& history, Findings& findings);
void check_sessions(const History& history, Findings& findings);
void check_linear(const History& history, Findings& findings);

// All of them.
Findings check_history(const History& history);

// Below these the model knows everything: no ephemerals, no sets without a tag.
bool is_modelled(const std::string& path);

}  // namespace synod::sim::coordination
