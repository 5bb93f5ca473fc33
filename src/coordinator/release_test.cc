// Servers of several releases in one ensemble: what an older one does not know it is not told, and
// what it could not read it refuses.
#include "coordinator/release.h"

#include "coordinator/restarted_ensemble_test.h"
#include "paxos/membership.h"

namespace synod::coordinator {
namespace {

// As released first: no changes of members, no digests compared, no snapshots that go on.
constexpr Release first_release{RulesVersion(1), 1};
constexpr const char* changeable = "reconfigEnabled=true\nstandaloneEnabled=false\nskipACL=yes\n";

Bytes batch_of(std::uint32_t rules) {
  return znode::encode_batch(znode::BatchHeader{WallTime{7}, RulesVersion(rules), {}}, {});
}

TEST(Releases, AnEntryIsRefusedThatNewerRulesWrote) {
  const auto entry = paxos::make_entry(paxos::EntryKind::batch, batch_of(3));
  EXPECT_EQ(rules_of(entry), RulesVersion(3));
  EXPECT_TRUE(check_rules(Slot(9), rules_of(entry), RulesVersion(3)).ok());
  const Status refused = check_rules(Slot(9), rules_of(entry), RulesVersion(2));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_EQ(refused.error().message,
            "slot 9 was written by rules 3, and this release knows them through 2: start the "
            "release that wrote it, or a later one");

  paxos::Member member;
  member.node = NodeId(1);
  const auto change = paxos::make_entry(
      paxos::EntryKind::membership, paxos::encode_change(paxos::Membership({member}), batch_of(2)));
  EXPECT_EQ(rules_of(change), RulesVersion(2));
  for (const auto kind : {paxos::EntryKind::batch, paxos::EntryKind::open}) {
    EXPECT_EQ(rules_of(paxos::make_entry(kind, "no batch")), RulesVersion());
  }
}

bool leads_with(RestartedEnsemble& e, RulesVersion agreed) {
  return e.world().run_until(e.world().now() + Duration::seconds(20), [&] {
    for (int id = 1; id <= e.size(); ++id) {
      const Node* node = e.node(id);
      if (node != nullptr && node->shared().view.role == paxos::Role::leader) {
        return node->shared().view.agreed_rules == agreed;
      }
    }
    return false;
  });
}

TEST(Releases, OneByOneForwardsAndBackWhileAClientWrites) {
  RestartedEnsemble e(21, 3);
  for (int id = 1; id <= 3; ++id) {
    e.releases[id] = first_release;
  }
  e.start_all();
  e.start_client();
  ASSERT_TRUE(e.write_more(100));
  for (int id = 1; id <= 3; ++id) {
    e.releases[id] = Release{};
    e.restart(id);
    ASSERT_TRUE(e.write_more(100));
    EXPECT_TRUE(leads_with(e, RulesVersion(id < 3 ? 1 : 2)));
  }
  for (int id = 3; id >= 1; --id) {
    e.releases[id] = first_release;
    e.restart(id);
    ASSERT_TRUE(e.write_more(100));
    EXPECT_TRUE(leads_with(e, RulesVersion(1)));
  }
  ASSERT_TRUE(e.settle());
  for (int id = 1; id <= 3; ++id) {
    EXPECT_EQ(e.missing(id), "");
  }
  EXPECT_TRUE(e.failures.empty());
}

// The answer to a reconfig by which the log names the members' addresses: all stay what they are.
std::optional<zkwire::Code> change_members(RestartedEnsemble& e) {
  zkwire::ReconfigRequest request;
  request.joining = "server.3=10.0.0.3:2888:3888;2181";
  e.world().run_until(e.world().now() + Duration::seconds(20),
                      [&] { return e.writer().reconfigure(request); });
  e.world().run_until(e.world().now() + Duration::seconds(20),
                      [&] { return e.writer().change.has_value(); });
  return e.writer().change;
}

TEST(Releases, MembersChangeOnceAllKnowHowAndThenThereIsNoWayBack) {
  RestartedEnsemble e(22, 3);
  e.more_config = changeable;
  e.releases[2] = first_release;
  e.start_all();
  e.start_client();
  ASSERT_TRUE(e.write_more(100));
  EXPECT_EQ(change_members(e), zkwire::Code::unimplemented);
  e.releases[2] = Release{};
  e.restart(2);
  ASSERT_TRUE(e.write_more(100));
  ASSERT_TRUE(leads_with(e, RulesVersion(2)));
  EXPECT_EQ(change_members(e), zkwire::Code::ok);
  ASSERT_TRUE(e.write_more(300));

  // Its disk holds the change.
  e.releases[2] = first_release;
  e.restart(2);
  EXPECT_TRUE(e.world().run_until(e.world().now() + Duration::seconds(20),
                                  [&] { return e.failures.count(2) != 0; }));
  EXPECT_NE(e.failures[2].find("or a later one"), std::string::npos) << e.failures[2];
  // Its disk is empty, and nobody tells it anything.
  e.machine(2).power_off();
  e.machine(2).disk().wipe();
  e.failures.clear();
  e.restart(2);
  e.world().run_for(Duration::seconds(5));
  EXPECT_EQ(e.applied(2), Slot());
  EXPECT_TRUE(e.failures.empty());

  e.releases[2] = Release{};
  e.restart(2);
  ASSERT_TRUE(e.write_more(100));
}

TEST(Releases, WhatNewerRulesWroteStopsAServerWithTheReason) {
  RestartedEnsemble e(23, 3);
  e.start_all();
  e.start_client();
  ASSERT_TRUE(e.write_more(20));
  e.releases[3] = Release{RulesVersion(0), 1};
  e.restart(3);
  EXPECT_TRUE(e.world().run_until(e.world().now() + Duration::seconds(20),
                                  [&] { return e.failures.count(3) != 0; }));
  EXPECT_NE(e.failures[3].find("was written by rules 1, and this release knows them through 0"),
            std::string::npos)
      << e.failures[3];
  ASSERT_TRUE(e.write_more(100));
}

}  // namespace
}  // namespace synod::coordinator
