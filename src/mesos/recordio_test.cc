#include <gtest/gtest.h>

#include "mesos/recordio.h"

namespace synod::mesos {
namespace {

TEST(RecordIO, a_record_is_its_length_a_newline_and_the_payload) {
  EXPECT_EQ(encode_record("hello"), "5\nhello");
}

TEST(RecordIO, pieces_of_any_size_give_the_same_records) {
  const std::vector<Bytes> sent{"a", std::string(300, 'x'), "12\n\n", "\n"};
  Bytes wire;
  for (const Bytes& record : sent) {
    wire += encode_record(record);
  }
  for (std::size_t piece = 1; piece <= wire.size(); ++piece) {
    RecordDecoder decoder;
    std::vector<Bytes> records;
    for (std::size_t at = 0; at < wire.size(); at += piece) {
      ASSERT_TRUE(decoder.feed(ByteView(wire).substr(at, piece), records).ok());
    }
    EXPECT_EQ(records, sent);
    EXPECT_TRUE(decoder.at_boundary());
  }
}

TEST(RecordIO, bad_lengths_fail_for_good) {
  for (const char* wire : {"\n", "-1\n", "0\n", "x", "99999999999999999999\n", "1 \na",
                           "18446744073709551616\n", "000000000000000000001\n"}) {
    RecordDecoder decoder;
    std::vector<Bytes> records;
    EXPECT_FALSE(decoder.feed(wire, records).ok()) << wire;
    EXPECT_FALSE(decoder.feed("1\na", records).ok());
    EXPECT_TRUE(records.empty());
  }
}

TEST(RecordIO, a_record_above_the_limit_is_refused_before_it_is_held) {
  RecordDecoder decoder(10);
  std::vector<Bytes> records;
  auto status = decoder.feed("11\n", records);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::too_large);
}

}  // namespace
}  // namespace synod::mesos
