// How long a hand-over takes when messages and flushes take their time: some flushes one after the
// other, and never a round of candidates that stand in each other's way.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/prng.h"
#include "paxos/world_test.h"

namespace synod::paxos::testing {
namespace {

constexpr int flush_ms_min = 5;
constexpr int flush_ms_max = 20;
// A leader that is told to stop waits no longer than this for another one.
constexpr int leave_ms_max = 1000;

// A world in which a flush takes some milliseconds and a message about two.
class SlowWorld {
 public:
  explicit SlowWorld(std::uint64_t seed) : prng_(seed), world_(settings()) { world_.trace(false); }

  World& world() { return world_; }
  int ms() const { return ms_; }

  NodeId leader() const {
    for (NodeId node : world_.nodes()) {
      if (world_.running(node) && world_.core(node).serving()) {
        return node;
      }
    }
    return NodeId();
  }

  void pass() {
    ++ms_;
    world_.pass(Duration::millis(1));
    for (NodeId node : world_.nodes()) {
      int& left = flushing_[node];
      if (left > 0 && --left == 0) {
        world_.flush(node);
      }
      if (left == 0 && world_.running(node) && world_.journal(node).unflushed() > 0) {
        left = static_cast<int>(prng_.between(flush_ms_min, flush_ms_max));
      }
    }
    for (NodeId a : world_.nodes()) {
      for (NodeId b : world_.nodes()) {
        for (std::size_t n = prng_.chance(1, 2) ? world_.in_flight(a, b) : 0; n > 0; --n) {
          world_.deliver(a, b);
        }
      }
    }
  }

  // Writes all the while.
  void work(int ms) {
    for (int i = 0; i < ms; ++i) {
      const NodeId at = leader();
      if (at != NodeId() && prng_.chance(1, 2)) {
        world_.propose(at, "v" + std::to_string(++values_));
      }
      pass();
    }
  }

  void end(NodeId node) {
    flushing_[node] = 0;
    world_.crash(node);
    world_.refuse(node);
  }

 private:
  static World::Settings settings() {
    World::Settings settings;
    settings.opening_entry = true;
    return settings;
  }

  Prng prng_;
  World world_;
  std::map<NodeId, int> flushing_;  // milliseconds that are left
  int ms_ = 0;
  int values_ = 0;
};

// Until another one serves. As an engine that is told to stop: it ends once another one leads.
int hand_over(SlowWorld& slow, NodeId from) {
  const int begin = slow.ms();
  slow.world().hand_over(from);
  while (slow.ms() < begin + 3 * leave_ms_max) {
    slow.pass();
    const bool there = slow.world().running(from);
    if (there) {
      const Core& core = slow.world().core(from);
      const bool follows = core.role() != Role::leader && core.leader() != NodeId();
      if (follows || slow.ms() - begin > leave_ms_max) {
        slow.end(from);
      }
    } else if (slow.leader() != NodeId()) {
      return slow.ms() - begin;
    }
  }
  return slow.ms() - begin;
}

TEST(PaxosHandOver, takes_a_few_flushes) {
  // Promises, adoption, the first entry, each written here and there; and a promise under way.
  constexpr int bound_ms = 6 * flush_ms_max;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SlowWorld slow(seed);
    slow.work(500 + static_cast<int>(seed % 50));
    const NodeId leader = slow.leader();
    ASSERT_NE(leader, NodeId()) << "seed " << seed;
    ASSERT_LE(hand_over(slow, leader), bound_ms) << "seed " << seed;
  }
}

// The successor's machine goes the moment it is named: its connection is refused, and that is all
// that the third one waits for.
TEST(PaxosHandOver, a_successor_that_dies_is_not_waited_for) {
  World::Settings settings;
  settings.opening_entry = true;
  World world(settings);
  world.trace(false);
  world.advance(Duration::seconds(1));
  NodeId leader;
  for (NodeId node : world.nodes()) {
    leader = world.core(node).role() == Role::leader ? node : leader;
  }
  ASSERT_NE(leader, NodeId());
  const NodeId heir = leader == NodeId(1) ? NodeId(2) : NodeId(1);
  world.hand_over(leader);
  world.crash(heir);
  world.settle();
  world.refuse(heir);
  world.advance(Duration::millis(100));
  bool served = false;
  for (NodeId node : world.nodes()) {
    served = served || (world.running(node) && world.core(node).serving());
  }
  EXPECT_TRUE(served);
}

}  // namespace
}  // namespace synod::paxos::testing
