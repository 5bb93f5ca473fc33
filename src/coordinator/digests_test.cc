#include "coordinator/digests.h"

#include <gtest/gtest.h>

#include "coordinator/restarted_ensemble_test.h"
#include "znode/command.h"

namespace synod::coordinator {
namespace {

using Said = std::vector<peer::SlotDigest>;

paxos::Membership voters(std::uint32_t count) {
  std::vector<paxos::Member> members;
  for (std::uint32_t node = 1; node <= count; ++node) {
    paxos::Member member;
    member.node = NodeId(node);
    members.push_back(member);
  }
  return paxos::Membership(std::move(members));
}

TEST(Digests, who_differs_from_a_quorum_is_wrong) {
  Digests digests;
  digests.note(Slot(16), 7);
  digests.hear(NodeId(2), {{Slot(16), 8}});
  EXPECT_FALSE(digests.judge(voters(3), NodeId(1)).has_value());  // one of two: which?
  digests.hear(NodeId(3), {{Slot(16), 8}});
  const auto finding = digests.judge(voters(3), NodeId(1));
  ASSERT_TRUE(finding.has_value());
  EXPECT_TRUE(finding->self);
  EXPECT_FALSE(digests.judge(voters(3), NodeId(1)).has_value()) << "said once";
}

TEST(Digests, another_one_that_differs_is_named) {
  Digests digests;
  digests.note(Slot(16), 7);
  digests.hear(NodeId(2), {{Slot(16), 8}});
  digests.hear(NodeId(3), {{Slot(16), 7}});
  const auto finding = digests.judge(voters(3), NodeId(1));
  ASSERT_TRUE(finding.has_value());
  EXPECT_FALSE(finding->self);
  EXPECT_EQ(finding->others, std::vector{NodeId(2)});
}

TEST(Digests, without_a_quorum_nobody_is_accused) {
  Digests digests;
  digests.note(Slot(16), 7);
  digests.hear(NodeId(2), {{Slot(16), 8}});
  digests.hear(NodeId(3), {{Slot(16), 9}});
  const auto finding = digests.judge(voters(3), NodeId(1));
  ASSERT_TRUE(finding.has_value());
  EXPECT_TRUE(finding->undecided);
  EXPECT_FALSE(finding->self);
}

TEST(Digests, only_the_same_slot_is_compared) {
  Digests digests;
  digests.note(Slot(16), 7);
  digests.note(Slot(32), 9);
  digests.hear(NodeId(2), {{Slot(16), 7}});
  digests.hear(NodeId(3), {{Slot(48), 8}});
  EXPECT_FALSE(digests.judge(voters(3), NodeId(1)).has_value());
  // What others said before this server came there is judged when it does.
  digests.hear(NodeId(2), {{Slot(48), 8}});
  digests.note(Slot(48), 1);
  const auto finding = digests.judge(voters(3), NodeId(1));
  ASSERT_TRUE(finding.has_value());
  EXPECT_TRUE(finding->self);
}

TEST(Digests, those_who_skip_choose_the_same_slots) {
  Digests often;
  Digests seldom;
  Said all;
  for (std::uint64_t slot = 16; slot <= 16 * 1000; slot += 16) {
    often.note(Slot(slot), slot);
    seldom.note(Slot(slot), slot);
    if (slot % 160 == 0) {
      const Said some = often.news();
      EXPECT_LE(some.size(), 16U);
      all.insert(all.end(), some.begin(), some.end());
    }
  }
  const Said few = seldom.news();
  ASSERT_FALSE(few.empty());
  EXPECT_LE(few.size(), 16U);
  for (const peer::SlotDigest& one : few) {
    EXPECT_NE(std::find(all.begin(), all.end(), one), all.end()) << one.slot.value();
  }
  EXPECT_TRUE(seldom.news().empty());
}

// In one server's memory only.
void spoil(sim::SimProcess& process) {
  auto& shared = const_cast<Shared&>(process.program<Node>()->shared());
  znode::UpdateSettings settings;
  settings.values["spoilt"] = "yes";
  znode::Command command;
  command.request = settings;
  shared.state.apply(znode::BatchHeader{}, command);
}

// Its own snapshots hold the error, too: it must have forgotten them.
void is_mended(int spoilt) {
  RestartedEnsemble e(static_cast<std::uint64_t>(spoilt) + 20, 3);
  e.start_all();
  e.start_client();
  ASSERT_TRUE(e.write_more(200));
  spoil(e.process(spoilt));
  ASSERT_TRUE(e.world().run_until(e.world().now() + Duration::seconds(10),
                                  [&] { return e.node(spoilt) == nullptr; }));
  ASSERT_TRUE(e.write_more(100)) << "the others go on";
  e.start(spoilt);
  ASSERT_TRUE(e.settle());
  EXPECT_EQ(e.node(spoilt)->shared().state.settings().count("spoilt"), 0U);
  EXPECT_EQ(e.missing(spoilt), "");
  for (int id = 1; id <= 3; ++id) {
    EXPECT_NE(e.node(id), nullptr) << id;
  }
}

TEST(DigestsOfServers, AWrongStateIsGivenUpForThatOfTheOthers) { is_mended(2); }
TEST(DigestsOfServers, AWrongStateIsGivenUpWhoeverHasIt) {
  is_mended(1);
  is_mended(3);
}

}  // namespace
}  // namespace synod::coordinator
