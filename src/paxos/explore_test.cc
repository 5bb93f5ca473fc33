// Exhaustive exploration: every order of deliveries, flushes, crashes and elections of three nodes
// within a budget, from the first ballot on. In every state the judge's promises and each core's
// own invariants are checked; states are known by their digest.
//
// The first to stand is n1, and n2 stands before n3 does: the rest is the same with other names.
// Messages without which consensus still works (heartbeats, watermarks, rejections) are lost.
#include <gtest/gtest.h>

#include <cstdio>
#include <unordered_set>

#include "base/prng.h"
#include "paxos/world_test.h"

namespace synod::paxos::testing {
namespace {

struct Budget {
  int ballots = 3;
  int slots = 3;
  int crashes = 1;
  // Beyond them only samples: depth first in an order that a seed draws, so many states for each of
  // so many seeds.
  std::size_t states_max = SIZE_MAX;
  std::uint64_t seeds = 1;
  // Begin where n1 led first, wrote two slots that nobody else heard of, and restarted.
  bool two_logs = false;
};

struct Found {
  std::size_t states = 0;
  bool complete = true;
  std::string verdict;  // of the first bad state
  std::string path;     // to it
};

class Explorer {
 public:
  Explorer(const Budget& budget, PlantedBug planted) : budget_(budget) {
    World::Settings settings;
    settings.planted = planted;
    settings.essential_only = true;
    Place place{World(settings), 0, 0, 0, {}};
    place.world.trace(false);
    place.world.settle();
    if (budget.two_logs) {
      let_logs_differ(place);
    }
    for (std::uint64_t seed = 1; seed <= budget.seeds && found_.verdict.empty(); ++seed) {
      prng_ = Prng(seed);
      visited_ = 0;
      seen_.clear();
      stack_.clear();
      expand(place);
      while (!stack_.empty() && found_.verdict.empty()) {
        const Place next = std::move(stack_.back());
        stack_.pop_back();
        expand(next);
      }
    }
  }

  const Found& found() const { return found_; }

 private:
  struct Place {
    World world;
    int ballots = 0;
    int proposed = 0;
    int crashes = 0;
    std::string path;
  };

  static void let_logs_differ(Place& place) {
    const NodeId n1(1);
    place.world.stand(n1);
    place.world.settle();
    place.world.propose(n1, "v1");
    place.world.propose(n1, "v2");
    place.world.flush(n1);
    place.world.crash(n1);
    place.world.restart(n1);
    place.ballots = 1;
    place.proposed = 2;
  }

  template <typename Act>
  void go(const Place& from, const std::string& name, const Act& act) {
    Place to = from;
    act(to);
    to.path += name + "; ";
    visit(std::move(to));
  }

  // Messages that can change nothing any more do not tell states apart.
  void visit(Place place) {
    place.world.drop_stale();
    const std::uint64_t used =
        static_cast<std::uint64_t>(place.ballots * 64 + place.proposed * 8 + place.crashes);
    const std::uint64_t key = place.world.digest() * 1009 + used;
    if (!found_.verdict.empty() || !seen_.insert(key).second) {
      return;
    }
    if (budget_.states_max != SIZE_MAX && visited_ >= budget_.states_max) {
      found_.complete = false;
      return;
    }
    ++visited_;
    if (visited_ % 1'000'000 == 0) {
      std::printf("%zu million states, %zu open\n", visited_ / 1'000'000, stack_.size());
      std::fflush(stdout);
    }
    found_.states += distinct_.insert(key).second ? 1 : 0;
    place.world.check();
    if (!place.world.judge().verdict().empty()) {
      found_.verdict = place.world.judge().verdict();
      found_.path = place.path;
      return;
    }
    stack_.push_back(std::move(place));
    if (budget_.states_max != SIZE_MAX) {
      std::swap(stack_.back(),
                stack_[stack_.size() - 1 - prng_.below(std::min<std::size_t>(stack_.size(), 4))]);
    }
  }

  void expand(const Place& place) {
    for (NodeId a : place.world.nodes()) {
      if (!may_hear(place, a)) {
        flush_or_crash(place, a);
        return;
      }
    }
    for (NodeId a : place.world.nodes()) {
      const std::string name = "n" + std::to_string(a.value());
      if (place.ballots < budget_.ballots && may_stand(place, a)) {
        go(place, "stand " + name, [&](Place& to) {
          ++to.ballots;
          to.world.stand(a);
        });
      }
      if (place.world.core(a).can_propose() && place.proposed < budget_.slots &&
          place.world.core(a).last().value() < static_cast<std::uint64_t>(budget_.slots)) {
        go(place, "propose " + name,
           [&](Place& to) { to.world.propose(a, "v" + std::to_string(++to.proposed)); });
      }
      if (place.world.journal(a).unflushed() > 0) {
        go(place, "flush " + name, [&](Place& to) { to.world.flush(a); });
      }
      if (place.crashes < budget_.crashes) {
        crash(place, a, name);
      }
      for (NodeId b : place.world.nodes()) {
        if (place.world.in_flight(a, b) > 0) {
          go(place, "deliver " + name + " n" + std::to_string(b.value()),
             [&](Place& to) { to.world.deliver(a, b); });
        }
      }
    }
  }

  void flush_or_crash(const Place& place, NodeId node) {
    const std::string name = "n" + std::to_string(node.value());
    go(place, "flush " + name, [&](Place& to) { to.world.flush(node); });
    if (place.crashes < budget_.crashes) {
      crash(place, node, name);
    }
  }

  static bool may_stand(const Place& place, NodeId node) {
    const Role role = place.world.core(node).role();
    if (role == Role::leader || role == Role::candidate) {
      return false;
    }
    return node.value() <= static_cast<std::uint32_t>(place.ballots) + 1;
  }

  // A node that waits for its disk need not hear anything meanwhile: what it does does not depend
  // on the flush, and a crash before the flush loses the same as one before the message. Except for
  // a leader, whose Accepts are out before its own record is durable.
  static bool may_hear(const Place& place, NodeId node) {
    return place.world.journal(node).unflushed() == 0 ||
           place.world.core(node).role() == Role::leader;
  }

  // With any number of the waiting records on the disk already, though nobody heard of it.
  void crash(const Place& place, NodeId node, const std::string& name) {
    for (std::size_t kept = 0; kept <= place.world.journal(node).unflushed(); ++kept) {
      go(place, "crash " + name + " keeping " + std::to_string(kept), [&](Place& to) {
        ++to.crashes;
        to.world.crash(node, kept);
        to.world.restart(node);
      });
    }
  }

  Budget budget_;
  Prng prng_{1};
  std::size_t visited_ = 0;  // with this seed
  std::vector<Place> stack_;
  std::unordered_set<std::uint64_t> seen_;      // with this seed
  std::unordered_set<std::uint64_t> distinct_;  // with all
  Found found_;
};

Found explore(const Budget& budget, PlantedBug planted) {
  const Found found = Explorer(budget, planted).found();
  std::printf("explored 3 nodes, %d ballots, %d slots, %d crashes%s: %zu states%s\n",
              budget.ballots, budget.slots, budget.crashes, budget.two_logs ? ", two logs" : "",
              found.states, found.complete ? ", all there are" : ", a sample");
  if (!found.verdict.empty()) {
    std::printf("  found: %s\n  by: %s\n", found.verdict.c_str(), found.path.c_str());
  }
  std::fflush(stdout);
  return found;
}

#ifdef __OPTIMIZE__
constexpr bool thorough = true;
#else
constexpr bool thorough = false;
#endif

TEST(PaxosExplore, every_order_keeps_the_promises) {
  std::vector<Budget> budgets{{1, 2, 1}, {2, 1, 0}};
  if (thorough) {
    budgets.push_back({1, 3, 1});
    budgets.push_back({2, 1, 1});
    budgets.push_back({2, 2, 0});
    budgets.push_back({3, 0, 1});
    budgets.push_back({3, 3, 0, SIZE_MAX, 1, true});
  }
  for (const Budget& budget : budgets) {
    const Found found = explore(budget, PlantedBug::none);
    EXPECT_EQ(found.verdict, "") << found.path;
    EXPECT_TRUE(found.complete);
  }
}

TEST(PaxosExplore, three_ballots_three_slots_with_crashes) {
  const Budget budget{3, 3, 2, thorough ? 15'000U : 1'000U, 10};
  const Found found = explore(budget, PlantedBug::none);
  EXPECT_EQ(found.verdict, "") << found.path;
}

// All of it, for a machine that has hours and memory for it:
//   paxos_test --gtest_also_run_disabled_tests --gtest_filter=*all_of_three_ballots*
TEST(PaxosExplore, DISABLED_all_of_three_ballots_three_slots_with_a_crash) {
  const Found found = explore({3, 3, 1}, PlantedBug::none);
  EXPECT_EQ(found.verdict, "") << found.path;
}

TEST(PaxosExplore, planted_bugs_are_found) {
  for (PlantedBug bug : {PlantedBug::answer_before_flush, PlantedBug::count_leader_at_send}) {
    EXPECT_NE(explore({1, 1, 1}, bug).verdict, "");
  }
  EXPECT_NE(explore({3, 3, 0, SIZE_MAX, 1, true}, PlantedBug::mix_histories).verdict, "");
}

}  // namespace
}  // namespace synod::paxos::testing
