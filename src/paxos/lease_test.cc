// Reads under leases in a world that is hostile to leases, and otherwise kind: leaders are cut off
// and others stand, who granted a lease restarts, is wiped or leaves, messages wait for a while.
// The judge holds every answered read against what anybody had delivered when it was asked.
#include <gtest/gtest.h>

#include <cstdlib>
#include <utility>

#include "base/prng.h"
#include "paxos/world_test.h"

namespace synod::paxos::testing {
namespace {

class Leases {
 public:
  Leases(std::uint64_t seed, PlantedBug planted) : prng_(seed), world_(settings(planted)) {
    world_.trace(false);
  }

  // The judge's verdict; empty if all went well.
  std::string run(int steps) {
    for (int i = 0; i < steps && world_.judge().verdict().empty(); ++i) {
      act();
    }
    world_.check();
    return world_.judge().verdict();
  }

  // After the last fault: somebody leads, and answers without asking anybody.
  std::string heal() {
    for (NodeId node : world_.nodes()) {
      world_.running(node) ? void() : world_.restart(node);
    }
    heal_all();
    world_.advance(Duration::seconds(10));
    for (NodeId node : world_.nodes()) {
      if (world_.core(node).serving()) {
        const std::size_t answered = world_.judge().reads_answered();
        const bool held = world_.core(node).holds_lease(world_.now());
        world_.read(node, ++tokens_);
        return !held || world_.judge().reads_answered() == answered ? "no lease"
                                                                    : world_.judge().verdict();
      }
    }
    return "nobody leads 10 s after the last fault";
  }

 private:
  World::Settings settings(PlantedBug planted) {
    World::Settings settings;
    settings.nodes = prng_.chance(1, 3) ? 5 : 3;
    settings.spares = prng_.chance(1, 3) ? 2 : 0;
    settings.opening_entry = true;
    settings.planted = planted;
    settings.lease = Duration::millis(prng_.between(50, 1000));
    changes_ = settings.spares != 0;
    wipes_ = settings.spares == 0 && prng_.chance(1, 3);
    return settings;
  }

  NodeId any() { return world_.nodes()[prng_.below(world_.nodes().size())]; }
  bool leads(NodeId node) const {
    return world_.running(node) && world_.core(node).role() == Role::leader;
  }

  void act() {
    const std::uint64_t dice = prng_.below(100);
    if (dice < 45) {
      prng_.chance(1, 2) ? world_.settle() : deliver_some();
    } else if (dice < 70) {
      world_.pass(Duration::millis(prng_.between(0, prng_.chance(1, 6) ? 400 : 40)));
    } else if (dice < 90) {
      for (NodeId node : world_.nodes()) {
        if (leads(node)) {
          dice < 80 ? void(world_.propose(node, "v" + std::to_string(++values_)))
                    : world_.read(node, ++tokens_);
        }
      }
    } else {
      disturb(any(), dice);
    }
  }

  void deliver_some() {
    for (int i = 0; i < 20; ++i) {
      world_.deliver(any(), any());
      world_.flush(any());
    }
  }

  void heal_all() {
    for (NodeId a : world_.nodes()) {
      for (NodeId b : world_.nodes()) {
        a < b ? world_.heal(a, b) : void();
      }
    }
  }

  void disturb(NodeId node, std::uint64_t dice) {
    if (dice < 93) {
      isolate();
    } else if (dice < 94) {
      heal_all();
    } else if (dice < 96 && world_.running(node)) {
      world_.crash(node);
      prng_.chance(1, 2) ? world_.refuse(node) : void();
      if (wipes_ && !std::exchange(wiped_, true)) {
        world_.wipe(node);
      }
      world_.restart(node);
    } else if (dice < 98 && world_.running(node)) {
      world_.stand(node);
    } else if (dice < 99 && leads(node)) {
      world_.hand_over(node);
    } else if (changes_ && leads(node)) {
      change(node);
    }
  }

  // Leaders lose all their peers, or most.
  void isolate() {
    const bool all = prng_.chance(1, 2);
    for (NodeId node : world_.nodes()) {
      for (NodeId other : world_.nodes()) {
        if (leads(node) && other != node && (all || prng_.chance(2, 3))) {
          world_.cut(node, other);
        }
      }
    }
  }

  void change(NodeId node) {
    std::vector<Member> members;
    for (NodeId other : world_.nodes()) {
      if (prng_.chance(2, 3)) {
        members.push_back(Member{.node = other, .incarnation = {}, .address = {}});
      }
    }
    members.empty() ? void() : world_.change(node, std::move(members));
  }

  Prng prng_;
  bool changes_ = false;
  bool wipes_ = false;
  bool wiped_ = false;
  World world_;
  int values_ = 0;
  std::uint64_t tokens_ = 0;
};

TEST(PaxosLeases, reads_see_what_was_delivered) {
  const char* wanted = std::getenv("SYNOD_SEEDS");
  const std::uint64_t seeds = wanted == nullptr ? 150 : std::strtoull(wanted, nullptr, 10);
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Leases leases(seed, PlantedBug::none);
    ASSERT_EQ(leases.run(600), "") << "seed " << seed;
    ASSERT_EQ(leases.heal(), "") << "seed " << seed;
  }
}

// The judge does not know of leases: each is found. (A lease that is counted from the receipt of
// its grant needs messages that wait for longer than it lasts; the simulator has those.)
class PlantedLease : public ::testing::TestWithParam<PlantedBug> {};

TEST_P(PlantedLease, is_found) {
  constexpr std::uint64_t seeds_max = 300;
  std::uint64_t seed = 1;
  while (seed <= seeds_max && Leases(seed, GetParam()).run(600).empty()) {
    ++seed;
  }
  RecordProperty("seed", static_cast<int>(seed));
  EXPECT_LE(seed, seeds_max);
}

INSTANTIATE_TEST_SUITE_P(PaxosLeases, PlantedLease,
                         ::testing::Values(PlantedBug::lease_forgotten_at_restart,
                                           PlantedBug::lease_without_quorum));

}  // namespace
}  // namespace synod::paxos::testing
