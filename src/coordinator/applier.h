// Applies what is chosen, in order, under the gate, and tells the edges.
//
// The queue holds slots as the core delivers them; some must first be read from the journal, or
// come as a snapshot: those block the ones behind.
//
// Invariants  A1 applied() is the last slot whose effects are in the state; slots are applied each
//                once, in order.
//             A2 triggers and session effects of a command stand before its result in an inbox.
// Threads     Confined to the engine's Lane; the only writer of Shared.
// Memory      Delivered and not yet applied slots.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <variant>
#include <vector>

#include "coordinator/latency.h"
#include "coordinator/messages.h"
#include "coordinator/shared.h"
#include "paxos/events.h"
#include "ports/lane.h"
#include "ports/sender.h"
#include "znode/loader.h"

namespace synod::coordinator {

struct ApplierOwner {
  std::function<void(JournalCommand)> journal;
  // After each slot, outside the gate: a snapshot may be due.
  std::function<void(Slot)> applied;
  std::function<void(SessionId)> heard;  // a session wrote
  // The state is about to be replaced.
  std::function<void()> replacing;
  std::function<void(const Error&)> failed;
};

class Applier {
 public:
  Applier(ports::Lane& lane, Shared& shared, std::vector<ports::Sender<Wake>> edges,
          znode::State::Options state_options, RulesVersion rules, ApplierOwner owner);

  // ---- what the core delivers
  void push(const paxos::Deliver& e);
  void push(const paxos::DeliverFromLog& e);
  void push(const paxos::InstallSnapshot& e);
  bool on(const LogRead& report);  // false: not ours
  void on(SnapshotContent report);

  // Applies for a bounded while. True if there is more to apply now.
  bool run();

  // A command submitted here: its result is for this edge.
  void expect(const Submit& submit, std::uint64_t path);
  // Expectations of paths before `path` are given up: their edges have submitted again.
  void forget_before(std::uint64_t path);
  // Into every edge's inbox, or into one.
  void tell_all(const InboxItem& item);
  void tell(EdgeIndex edge, InboxItem item);

  // ---- recovery: nobody looks yet
  // What was pushed is void.
  void abandon() { queue_.clear(); }
  void restore(znode::State state, Slot slot, paxos::Chain chain,
               const paxos::Membership& membership);

  // The founders, as soon as they are known: on an empty disk that is later than recovery.
  void found(paxos::Membership founders) { membership_ = std::move(founders); }

  Slot applied() const { return applied_; }
  paxos::Chain chain() const { return chain_; }
  const paxos::Membership& membership() const { return membership_; }
  std::uint64_t slow_applies() const { return slow_applies_; }
  std::size_t waiting() const { return queue_.size(); }
  const Histogram& latency() const { return latency_; }  // known as chosen -> applied

 private:
  struct FromLog {
    Slot first;
    Slot last;
    bool asked = false;
  };
  struct Install {
    Slot slot;
    bool asked = false;
    std::unique_ptr<znode::Loader> loader;
  };
  struct Ready {
    Slot slot;
    paxos::Entry entry;
    paxos::Chain chain;
    Instant known;  // as chosen
  };
  using Item = std::variant<Ready, FromLog, Install>;
  using Key = std::tuple<SessionId, Generation, Sequence, std::uint64_t>;

  void apply(const Ready& ready);
  void apply_batch(znode::BatchReader& batch, Slot slot);
  void apply_change(const Ready& ready);
  void give_held();
  void apply_command(const znode::BatchHeader& header, const znode::Command& command);
  void put(EdgeIndex edge, InboxItem item);
  void wake();
  void install(znode::State state, Slot slot);

  ports::Lane& lane_;
  Shared& shared_;
  std::vector<ports::Sender<Wake>> edges_;
  std::vector<bool> to_wake_;
  znode::State::Options state_options_;
  const RulesVersion rules_;  // the newest known here; what was proposed by newer ones is refused
  ApplierOwner owner_;
  std::deque<Item> queue_;
  Slot applied_;
  paxos::Chain chain_;
  paxos::Membership membership_;
  // Results of changes of members, until the change is sealed (paxos, leader.h, C4): who hears that
  // it is done may turn off the servers that left.
  std::vector<std::pair<EdgeIndex, InboxItem>> held_;
  bool holding_ = false;
  std::map<Key, std::pair<EdgeIndex, std::uint64_t>> expected_;  // edge, path
  std::uint64_t read_ticket_ = 0;
  std::uint64_t slow_applies_ = 0;
  Histogram latency_;
};

}  // namespace synod::coordinator
