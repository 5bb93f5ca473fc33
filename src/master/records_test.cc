#include "master/records.h"

#include <gtest/gtest.h>

#include "master/coordinators.h"
#include "master/scheduler_calls.h"
#include "mesos/v1.h"
#include "test/script/kept.h"

namespace synod::master {
namespace {

core::FrameworkInfo framework_info() {
  mesos::v1::FrameworkInfo info;
  info.set_user("u");
  info.set_name("n");
  info.set_failover_timeout(60);
  return framework_info_of(info);
}

// Writes the nodes that changed and reads them into a new copy.
void copy(const Records& from, const std::set<std::string>& paths, Records& to) {
  for (const std::string& path : paths) {
    if (auto bytes = from.node(path)) {
      ASSERT_TRUE(to.load(path, *bytes).ok());
    }
  }
}

TEST(Records, what_is_written_reads_the_same) {
  Records records;
  std::set<std::string> dirty;
  auto apply = [&](auto body) { records.apply({core::OperationKey(1), {}, body}, dirty); };
  apply(core::AdmitAgent{{{"m-S0"}, "h", "127.0.0.1", 5051, "info"}});
  apply(core::AdmitAgent{{{"m-S1"}, "h", "127.0.0.1", 5052, "info"}});
  apply(core::AdmitAgent{{{"m-S2"}, "h", "127.0.0.1", 5053, "info"}});
  apply(core::MarkUnreachable{{"m-S1"}, {77}});
  apply(core::MarkGone{{"m-S2"}, {78}});
  apply(core::PutFramework{
      {{"m-0000"}, core::FrameworkRecord::State::disconnected, {5}, framework_info()}});
  apply(core::PutWeights{{{"dev", 2500}}});
  const std::set<std::string> changed = dirty;
  apply(core::ConfirmLeadership{});
  EXPECT_EQ(dirty, changed);
  records.apply(Happening{{9}, "kind", "text"}, dirty);
  const ReignRecord reign{"m", "127.0.0.1:5050", MasterEpoch(7), {12}, Duration::seconds(2)};
  records.apply(reign, dirty);
  Records again;
  copy(records, dirty, again);
  const auto snapshot = again.snapshot();
  ASSERT_EQ(snapshot.admitted.size(), 1U);
  EXPECT_EQ(snapshot.admitted[0], (core::AgentRecord{{"m-S0"}, "h", "127.0.0.1", 5051, "info"}));
  ASSERT_EQ(snapshot.unreachable.size(), 1U);
  EXPECT_EQ(snapshot.unreachable[0].since.millis, 77);
  ASSERT_EQ(snapshot.gone.size(), 1U);
  ASSERT_EQ(snapshot.frameworks.size(), 1U);
  EXPECT_EQ(snapshot.frameworks[0].info, framework_info());
  EXPECT_EQ(snapshot.weights[0].weight, 2500);
  EXPECT_EQ(again.happenings().size(), 1U);
  EXPECT_EQ(again.reign(), reign);
}

// Kept: what one release wrote the others read. Every node, its path before it.
TEST(Records, the_bytes_of_each_node) {
  Records records;
  std::set<std::string> dirty;
  auto apply = [&](auto body) { records.apply({core::OperationKey(1), {}, body}, dirty); };
  apply(core::AdmitAgent{{{"m-S0"}, "h", "127.0.0.1", 5051, "info"}});
  apply(core::AdmitAgent{{{"m-S1"}, "h", "127.0.0.1", 5052, "info"}});
  apply(core::MarkUnreachable{{"m-S1"}, {77}});
  apply(core::PutFramework{
      {{"m-0000"}, core::FrameworkRecord::State::disconnected, {5}, framework_info()}});
  apply(core::PutWeights{{{"dev", 2500}}});
  records.apply(Happening{{9}, "kind", "text"}, dirty);
  records.apply(ReignRecord{"m", "127.0.0.1:5050", MasterEpoch(7), {12}, Duration::seconds(2)},
                dirty);
  ByteWriter written;
  for (const std::string& path : dirty) {
    written.sized(path);
    written.sized(records.node(path).value());
  }
  const std::string file = std::string(SYNOD_SOURCE_DIR) + "/testdata/format1/registry.hex";
  script::expect_kept(file, written.take());

  const Bytes kept = script::read_kept(file);
  ByteReader in(kept);
  Records again;
  std::size_t nodes = 0;
  for (; in.ok() && !in.at_end(); ++nodes) {
    const std::string path(in.sized());
    const ByteView bytes = in.sized();
    ASSERT_TRUE(again.load(path, bytes).ok()) << path;
    EXPECT_EQ(again.node(path).value(), bytes) << path;
  }
  EXPECT_EQ(nodes, 6U);
  EXPECT_EQ(again.snapshot().admitted.size(), 1U);
  EXPECT_EQ(again.reign()->epoch, MasterEpoch(7));
}

TEST(Records, a_framework_that_is_removed_leaves_no_node) {
  Records records;
  std::set<std::string> dirty;
  records.apply(
      {core::OperationKey(1),
       {},
       core::PutFramework{{{"f"}, core::FrameworkRecord::State::connected, {5}, framework_info()}}},
      dirty);
  const std::string path = framework_path({"f"});
  EXPECT_TRUE(records.node(path).has_value());
  EXPECT_FALSE(records.exists(path));
  records.written(dirty);
  EXPECT_TRUE(records.exists(path));
  records.apply({core::OperationKey(2), {}, core::RemoveFramework{{"f"}}}, dirty);
  EXPECT_FALSE(records.node(path).has_value());
  records.written(dirty);
  EXPECT_FALSE(records.exists(path));
}

TEST(Records, the_oldest_happenings_go_first) {
  Records records;
  std::set<std::string> dirty;
  for (std::int64_t i = 0; i < 300; ++i) {
    records.apply(Happening{{i}, "k", "t"}, dirty);
  }
  EXPECT_EQ(records.happenings().size(), happenings_max);
  EXPECT_EQ(records.happenings().front().at.millis, 100);
}

TEST(Records, the_bucket_of_an_agent_never_moves) {
  // Frozen: agents lie where this says.
  EXPECT_EQ(bucket_path({"m-S0"}), "/agents/08");
}

TEST(Records, the_number_of_a_change_reads_the_same) {
  EXPECT_EQ(*read_change(encode(ChangeRecord{"m", 3})), (ChangeRecord{"m", 3}));
  EXPECT_FALSE(read_change("").ok());
}

TEST(Coordinators, mntr_of_both_kinds_of_server_and_srvr) {
  CoordinatorView view;
  ASSERT_TRUE(
      read_mntr("zk_version\t3.8.0\nzk_server_state\tleader\nzk_znode_count\t61\n"
                "zk_num_alive_connections\t4\nzk_global_sessions\t7\n",
                view));
  EXPECT_EQ(view.state, "leader");
  EXPECT_EQ(view.znodes, 61U);
  EXPECT_EQ(view.sessions, 7U);
  EXPECT_FALSE(read_mntr("mntr is not executed because it is not in the whitelist.\n", view));
  ASSERT_TRUE(
      read_srvr("Zookeeper version: 3.8.0\nConnections: 2\nZxid: 0x1000000a4\n"
                "Mode: follower\nNode count: 5\n",
                view));
  EXPECT_EQ(view.state, "follower");
  EXPECT_EQ(view.zxid, 0x1000000a4U);
  EXPECT_FALSE(read_srvr("random bytes", view));
}

}  // namespace
}  // namespace synod::master
