// Whole coordinators that lose their power or their disk: what clients were told stays.
#include "coordinator/restarted_ensemble_test.h"
#include "sim/network.h"

namespace synod::coordinator {
namespace {

TEST(Restart, OneCoordinatorKeepsWhatItSaidWhereverThePowerGoes) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    RestartedEnsemble e(seed, 1);
    e.start_all();
    e.start_client();
    ASSERT_TRUE(e.write_more(5)) << "seed " << seed;
    for (int life = 0; life < 4; ++life) {
      e.machine(1).power_off_at_operation(1 + e.world().prng().below(150));
      e.world().run_until(e.world().now() + Duration::seconds(20),
                          [&] { return !e.machine(1).powered(); });
      e.restart(1);
      ASSERT_TRUE(e.write_more(30)) << "seed " << seed << " life " << life;
    }
    ASSERT_TRUE(e.settle()) << "seed " << seed;
    EXPECT_EQ(e.missing(1), "") << "seed " << seed;
  }
}

TEST(Restart, AMemberThatLagsBehindTheLogTakesASnapshot) {
  RestartedEnsemble e(7, 3);
  e.start_all();
  e.start_client();
  ASSERT_TRUE(e.write_more(10));
  e.machine(3).power_off();
  ASSERT_TRUE(e.write_more(600));
  ASSERT_FALSE(e.machine(1).disk().exists("/data/log/segment-0000000000000001").value_or(true))
      << "the log was to be shortened";
  e.restart(3);
  ASSERT_TRUE(e.write_more(50));
  ASSERT_TRUE(e.settle());
  EXPECT_EQ(e.missing(3), "");
  // What it took is durable: it comes back from its own disk.
  e.restart(3);
  ASSERT_TRUE(e.settle());
  EXPECT_EQ(e.missing(3), "");
}

TEST(Restart, AWipedMemberVotesAgainWhenItHasCaughtUp) {
  RestartedEnsemble e(9, 3);
  e.start_all();
  e.start_client();
  ASSERT_TRUE(e.write_more(200));
  e.machine(3).power_off();
  e.machine(3).disk().wipe();
  e.restart(3);
  ASSERT_TRUE(e.write_more(100));
  ASSERT_TRUE(e.world().run_until(e.world().now() + Duration::seconds(30),
                                  [&] { return e.applied(3) >= e.applied(1); }));
  e.world().run_for(Duration::seconds(5));
  // Now it counts: with one of the others gone there is still a quorum.
  e.machine(1).power_off();
  ASSERT_TRUE(e.write_more(100));
  e.restart(1);
  ASSERT_TRUE(e.settle());
  EXPECT_EQ(e.missing(3), "");
}

// The founders are not known yet when a node recovers an empty disk; its snapshots name them all
// the same, as those of a node do that has restarted since.
TEST(Restart, SnapshotsAreTheSameFileOnWhoHasRestartedAndWhoHasNot) {
  RestartedEnsemble e(11, 3);
  e.start_all();
  e.start_client();
  ASSERT_TRUE(e.write_more(50));
  e.restart(1);
  ASSERT_TRUE(e.write_more(300));
  ASSERT_TRUE(e.settle());
  e.world().run_for(Duration::seconds(5));
  const auto of_first = e.machine(1).disk().peek("/data/snapshots/snapshot-");
  ASSERT_FALSE(of_first.empty());
  EXPECT_EQ(of_first, e.machine(2).disk().peek("/data/snapshots/snapshot-"));
  EXPECT_EQ(of_first, e.machine(3).disk().peek("/data/snapshots/snapshot-"));
}

TEST(Restart, ThePowerOfAllGoesAtOnce) {
  for (std::uint64_t seed = 100; seed < 106; ++seed) {
    RestartedEnsemble e(seed, 3);
    e.start_all();
    e.start_client();
    ASSERT_TRUE(e.write_more(40));
    for (int life = 0; life < 3; ++life) {
      e.world().run_for(Duration::millis(static_cast<std::int64_t>(e.world().prng().below(900))));
      for (int id = 1; id <= 3; ++id) {
        e.machine(id).power_off();
      }
      for (int id = 1; id <= 3; ++id) {
        e.restart(id);
      }
      ASSERT_TRUE(e.write_more(40)) << "seed " << seed << " life " << life;
    }
    ASSERT_TRUE(e.settle()) << "seed " << seed;
    for (int id = 1; id <= 3; ++id) {
      EXPECT_EQ(e.missing(id), "") << "seed " << seed;
    }
  }
}

// Two choose what the third does not hear of; the disk of one forgets it, and the other one is
// away.
TEST(Restart, AMachineWhoseDiskForgetsAsksAllBeforeItVotes) {
  RestartedEnsemble e(31, 3);
  e.start_all();
  e.start_client();
  ASSERT_TRUE(e.write_more(40));
  const int leader = static_cast<int>(e.node(1)->shared().view.leader.value());
  const int liar = leader % 3 + 1;
  const int third = liar % 3 + 1;
  for (const int other : {leader, liar}) {
    e.world().network().cut_both(fmt::format("m{}", other), fmt::format("m{}", third));
  }
  e.machine(liar).disk().faults().drops_write_once_in = 1;
  ASSERT_TRUE(e.write_more(20));
  e.machine(leader).power_off();
  e.machine(liar).power_off();
  e.machine(liar).disk().faults().drops_write_once_in = 0;
  for (const int other : {leader, liar}) {
    e.world().network().heal(fmt::format("m{}", other), fmt::format("m{}", third));
    e.world().network().heal(fmt::format("m{}", third), fmt::format("m{}", other));
  }
  e.restart(liar);
  const std::size_t written = e.written();
  e.world().run_for(Duration::seconds(20));
  EXPECT_EQ(e.written(), written) << "a quorum without the only one that knows";
  e.restart(leader);
  ASSERT_TRUE(e.write_more(40));
  ASSERT_TRUE(e.settle());
  for (int id = 1; id <= 3; ++id) {
    EXPECT_EQ(e.missing(id), "");
  }
  e.world().run_for(Duration::seconds(5));
  // And it counts again.
  e.machine(leader).power_off();
  e.writer().resume();
  ASSERT_TRUE(e.write_more(20));
}

TEST(Restart, LeadershipLeavesASlowDisk) {
  RestartedEnsemble e(21, 3);
  e.start_all();
  e.start_client();
  ASSERT_TRUE(e.write_more(40));
  const auto leader = [&e] {
    const Node* n = e.node(1);
    return n == nullptr ? 0 : static_cast<int>(n->shared().view.leader.value());
  };
  const int slow = leader();
  ASSERT_NE(slow, 0);
  e.machine(slow).disk().faults().slowness = 300;  // a flush takes up to a quarter of a second
  const Instant began = e.world().now();
  ASSERT_TRUE(e.world().run_until(e.world().now() + Duration::seconds(10),
                                  [&] { return leader() != 0 && leader() != slow; }));
  EXPECT_LT((e.world().now() - began).millis(), 4000);
  const int now = leader();
  // It stays away, and the writes go at the others' pace.
  ASSERT_TRUE(e.write_more(500));
  EXPECT_EQ(leader(), now);
  e.machine(slow).disk().faults().slowness = 1;
  ASSERT_TRUE(e.settle());
  EXPECT_EQ(e.missing(slow), "");
}

}  // namespace
}  // namespace synod::coordinator
