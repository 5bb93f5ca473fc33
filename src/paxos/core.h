// One coordinator's consensus: acceptor, leader, learner and election in one deterministic machine.
//
// The engine steps it with events and performs the effects in order: records go to the journal,
// messages to the links, chosen entries to apply. Nothing here stores, sends, waits or knows the
// time by itself.
//
// Source      Lamport, "Paxos Made Simple"; Junqueira et al., "Zab"; Ng et al., "Omni-Paxos"
//             (EuroSys 2023); docs/design.md, section 4; paxos/README.md.
// Invariants  check() tests those that one node can see:
//             I1  adopted <= promised, and neither ever decreases.
//             I2  chosen <= last: what is chosen is in the log before it is delivered.
//             I3  a leader's ballot is promised and adopted by itself.
//             I4  no message leaves that depends on a record which is not durable.
//             I5  what is staged belongs to the promised ballot and is not visible.
//             I6  every slot above `chosen` has its bytes; entries and chains agree.
//             Tests and exploration check those that need all nodes: one chosen value per slot,
//             the chosen log is one whole history, and what was chosen is in the newest log of
//             every quorum for ever.
// Purity      Same events, same effects. No I/O, clock, thread, randomness.
// Threads     Confined to its owner's Lane.
// Memory      Bytes of slots not yet known to be chosen (at most Options::slots_in_flight_max on a
//             leader), a hash for each of Options::chains_kept older ones, a few words for each
//             peer. Copyable: exploration forks it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "paxos/events.h"
#include "paxos/options.h"

namespace synod::paxos {

class Machine;  // core.cc

class Core {
 public:
  Core(const Options& options, const Recovered& recovered);
  ~Core();
  Core(const Core& other);
  Core& operator=(const Core& other);
  Core(Core&&) noexcept;
  Core& operator=(Core&&) noexcept;

  // Appends to effects. Started comes first, once. Total: whatever a peer sends is answered,
  // ignored or noted.
  void step(const Event& event, Effects& effects);

  // ---- views, valid until the next step
  Role role() const;
  bool serving() const;      // leads, and its first entry is chosen
  bool can_propose() const;  // serving or opening, and below slots_in_flight_max
  // Leader only: whether ProposeChange would be taken now.
  ChangeVerdict may_change(Instant now, const Membership& members) const;
  NodeId leader() const;  // 0: none known
  Ballot promised() const;
  Ballot adopted() const;
  Slot last() const;
  Chain chain() const;  // at last()
  Slot chosen() const;
  const Membership& membership() const;  // as of chosen()
  // That one, and those of later slots of the log: a quorum is one of each.
  std::vector<const Membership*> configurations() const;
  const IdentityRecord& identity() const;
  // The newest rules that every voter of the membership has announced; at least 1.
  RulesVersion agreed_rules() const;
  // Of a leader: reads need no round now (Options::lease).
  bool holds_lease(Instant now) const;

  // Of a leader: members that have adopted its ballot, and the voters and observers among them that
  // have all that is chosen.
  struct Followers {
    std::size_t following = 0;
    std::size_t synced = 0;
    std::size_t synced_observers = 0;
  };
  Followers followers() const;

  // Of everything that decides future effects, times excluded.
  std::uint64_t digest() const;
  // The first broken invariant, in words; nothing if all hold.
  std::optional<std::string> check() const;
  // One line: role, ballots, last, chosen.
  friend std::ostream& operator<<(std::ostream& out, const Core& core);

 private:
  std::unique_ptr<Machine> machine_;
};

}  // namespace synod::paxos
