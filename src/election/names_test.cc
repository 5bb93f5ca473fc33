#include "election/names.h"

#include <gtest/gtest.h>

#include "election/detector.h"
#include "election/sentinel.h"

namespace synod::election {
namespace {

TEST(Names, only_candidates_count_and_the_smallest_leads) {
  EXPECT_EQ(leading_child({"json.info_0000000012", "json.info_0000000003", "log_replicas",
                           "info_0000000001", "json.info_", "json.info_x", "json.info_000000000a"}),
            "json.info_0000000003");
  EXPECT_EQ(leading_child({"log_replicas"}), "");
  EXPECT_EQ(candidate_sequence("json.info_0000000012"), 12U);
  EXPECT_EQ(candidate_sequence("json.info_-000000001"), std::nullopt);
  EXPECT_EQ(parent_of("/a/b"), "/a");
  EXPECT_EQ(parent_of("/a"), "/");
  EXPECT_EQ(name_of("/a/b"), "b");
}

TEST(EpochRecord, has_one_form) {
  EpochRecord record;
  record.lineage = uuid_from_words(0x1122334455667788, 0x99aabbccddeeff00);
  record.epoch = MasterEpoch(7);
  record.session = SessionId(-2);
  record.candidate_path = "/mesos/json.info_0000000003";
  const Bytes bytes = encode(record);
  EXPECT_EQ(bytes,
            "synod-epoch 1\nlineage " + to_string(record.lineage) +
                "\nepoch 7\nsession fffffffffffffffe\ncandidate /mesos/json.info_0000000003\n");
  EXPECT_EQ(*decode_epoch_record(bytes), record);
  for (const std::string& cut : {std::string("synod-epoch 1\n"), std::string("lineage "),
                                 std::string("epoch 7"), std::string("-")}) {
    Bytes broken = bytes;
    broken.erase(broken.find(cut), cut.size());
    EXPECT_FALSE(decode_epoch_record(broken).ok()) << cut;
  }
  EXPECT_FALSE(decode_epoch_record("").ok());
  EXPECT_FALSE(decode_epoch_record(Bytes(1000, '\xff')).ok());
}

TEST(SentinelOrder, travels_whole_or_not_at_all) {
  SentinelOrder order;
  order.connect = zkclient::parse_connect_string("zk://u:p w@h:1,[::1]:2/mesos").value();
  order.credentials = {SessionId(0x10c), Bytes("\0\n\xff pass", 8)};
  order.session_timeout = Duration::millis(2000);
  const Bytes bytes = encode(order);
  for (std::size_t size = 0; size + 1 < bytes.size(); ++size) {
    const auto part = decode_sentinel_order(ByteView(bytes).substr(0, size));
    ASSERT_TRUE(part.ok());
    EXPECT_FALSE(part->has_value());
  }
  const auto whole = decode_sentinel_order(bytes);
  ASSERT_TRUE(whole.ok() && whole->has_value());
  EXPECT_EQ(zkclient::servers_text((*whole)->connect), "h:1,[::1]:2");
  EXPECT_EQ((*whole)->connect.digest, "u:p w");
  EXPECT_EQ((*whole)->credentials.id, SessionId(0x10c));
  EXPECT_EQ((*whole)->credentials.password, order.credentials.password);
  EXPECT_EQ((*whole)->session_timeout, order.session_timeout);
  EXPECT_FALSE(decode_sentinel_order("nonsense\n\n").ok());
  EXPECT_FALSE(decode_sentinel_order("synod-sentinel 1\nservers h\n\n").ok());
  EXPECT_FALSE(decode_sentinel_order(Bytes(100'000, 'x')).ok());
}

}  // namespace
}  // namespace synod::election
