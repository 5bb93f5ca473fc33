// Nodes alone, for exhaustive exploration: what one act makes of one node, and what it says.
//
// A node's state, a message and the outcome of an act are numbered, and an act on a state is played
// by the real core once: the millions of states of three nodes are made of far fewer states of one.
// What a node's disk ever held belongs to its state, since those are its votes.
//
// Memory  A few hundred bytes a state. Cores and journals are kept for the newest states only;
// those
//         of others are played again, from the state that they came from.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/lookup.h"
#include "paxos/world_test.h"

namespace synod::paxos::testing {

// A node's disk held `chain` at `slot` while it had adopted `ballot`.
struct Vote {
  Ballot ballot;
  Slot slot;
  Chain chain;
  friend auto operator<=>(const Vote&, const Vote&) = default;
};

struct Act {
  enum class Kind : std::uint8_t { stand, propose, flush, restart, link_up, deliver };
  Kind kind = Kind::stand;
  std::uint8_t node = 0;      // link_up, deliver: the other one, from 0; restart: records kept
  std::uint32_t message = 0;  // deliver

  std::uint32_t packed() const {
    return static_cast<std::uint32_t>(kind) << 28 | static_cast<std::uint32_t>(node) << 24 |
           message;
  }
};

struct Said {
  std::uint8_t to = 0;
  std::uint32_t message = 0;
};

struct Outcome {
  std::uint32_t state = 0;
  std::vector<Said> said;
};

// What exploration needs to know of a state without looking into the core.
struct Brief {
  Ballot promised;
  Role role = Role::follower;
  bool can_propose = false;
  Slot last;
  Slot chosen;
  Chain chosen_chain;
  std::size_t unflushed = 0;
};

// What a disk holds.
struct Disk {
  Ballot adopted;
  std::vector<Chain> log;  // of slots 1, 2, ...
};

class Nodes {
 public:
  static constexpr std::size_t count = 3;

  explicit Nodes(PlantedBug planted);

  // Of a founded node that has started and knows the others.
  std::uint32_t first(std::size_t node) const { return first_.at(node); }
  const Brief& brief(std::uint32_t state) const { return states_[state].brief; }
  const Disk& disk(std::uint32_t state) const { return states_[state].disk; }
  const std::vector<Vote>& votes(std::uint32_t state) const { return states_[state].votes; }
  // Valid until the next act.
  const Outcome& act(std::uint32_t state, const Act& act);
  // A node in this state takes no notice of it, now and for ever.
  bool stale(std::uint32_t message, std::uint32_t state) const;
  std::string describe(const Act& act) const;
  // The log of which `chain` is the end, without its last slot.
  Chain before(Chain chain) const { return before_.at(chain); }
  // False if its last value was proposed after another log.
  bool as_proposed(Chain chain) const { return astray_.count(chain) == 0; }
  // The first core that found itself broken, or disk that forgot.
  const std::string& verdict() const { return verdict_; }
  std::size_t states() const { return states_.size(); }
  std::size_t messages() const { return messages_.size(); }

 private:
  static constexpr std::size_t kept_max = 100'000;

  struct Live {
    Options options;
    Core core;
    Journal journal;
    std::set<Vote> votes;
  };
  struct State {
    Brief brief;
    Disk disk;
    std::vector<Vote> votes;
    std::uint32_t from = 0;  // itself: the first of a node
    Act by;
    std::vector<std::pair<std::uint32_t, Outcome>> outcomes;  // by packed act
  };

  const Live& live(std::uint32_t state);
  void keep(std::uint32_t state, std::unique_ptr<Live> live);
  std::unique_ptr<Live> play(const Live& from, const Act& act, std::vector<Said>& said);
  void step(Live& state, const Event& event, std::vector<Said>& said);
  void perform(Live& state, const Effect& effect, std::vector<Said>& said);
  void stream(Live& state, const SendLog& e, std::vector<Said>& said);
  void propose(Live& state, std::vector<Said>& said);
  void vote(Live& state);
  std::uint32_t number(std::unique_ptr<Live> live, std::uint32_t from, const Act& by);
  std::uint32_t number(const Message& message);

  std::deque<State> states_;
  Lookup<std::uint32_t, std::unique_ptr<Live>> live_;
  std::deque<std::uint32_t> live_since_;  // in the order they came
  Lookup<std::uint64_t, std::uint32_t> state_numbers_;
  std::vector<Message> messages_;
  Lookup<std::uint64_t, std::uint32_t> message_numbers_;
  std::array<std::uint32_t, count> first_{};
  std::map<Chain, Chain> before_;
  std::set<Chain> astray_;
  std::string verdict_;
};

}  // namespace synod::paxos::testing
