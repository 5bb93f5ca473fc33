#include "storage/record.h"

#include <gtest/gtest.h>

#include <sstream>

#include "base/prng.h"
#include "storage/group.h"
#include "storage/log_state.h"

namespace synod::storage {
namespace {

std::vector<Record> one_of_each() {
  const Ballot ballot{7, NodeId(3)};
  Checkpoint checkpoint;
  checkpoint.promised = ballot;
  checkpoint.has_identity = true;
  checkpoint.identity = Identity{ClusterId(1), NodeId(2), Incarnation(3), "founders"};
  checkpoint.last = Slot(9);
  checkpoint.notes = {Note{1, "one"}, Note{2, "two"}};
  Adopt adopt{ballot, Slot(4), Slot(6), 0xfe};
  adopt.snapshot = true;
  adopt.keep_chain = 5;
  return {Value{ballot, Slot(1), 0xab, "value"},
          Stage{ballot, Slot(2), 0xcd, std::string("a\0b", 3)},
          Promise{ballot},
          adopt,
          Identity{ClusterId(1), NodeId(2), Incarnation(3), ""},
          Chosen{Slot(5)},
          Note{9, "note"},
          checkpoint};
}

TEST(Record, ComesBackAsItWas) {
  for (const Record& record : one_of_each()) {
    ByteWriter out;
    encode_record(record, out);
    EXPECT_LE(out.size(), encoded_size(record)) << record;
    ByteReader in(out.bytes());
    const auto back = decode_record(in);
    ASSERT_TRUE(back.ok()) << record;
    EXPECT_EQ(*back, record);
    EXPECT_TRUE(in.done());
  }
}

TEST(Record, EveryShorterPieceIsMalformed) {
  for (const Record& record : one_of_each()) {
    ByteWriter out;
    encode_record(record, out);
    for (std::size_t size = 0; size < out.size(); ++size) {
      ByteReader in(ByteView(out.bytes()).substr(0, size));
      EXPECT_FALSE(decode_record(in).ok()) << record << " cut to " << size;
    }
  }
}

TEST(Record, AnyBytesAreARecordOrMalformed) {
  Prng prng(5);
  for (int i = 0; i < 20000; ++i) {
    ByteWriter out;
    encode_record(one_of_each()[prng.below(8)], out);
    Bytes bytes = out.take();
    bytes[prng.below(bytes.size())] = static_cast<char>(prng.next());
    ByteReader in(bytes);
    const auto record = decode_record(in);
    if (record.ok()) {
      ByteWriter again;
      encode_record(*record, again);
      EXPECT_EQ(again.bytes(), ByteView(bytes).substr(0, bytes.size() - in.remaining()));
    }
  }
}

TEST(Group, AHeaderComesBackAndNoByteOfItMayChange) {
  GroupHeader header;
  header.log_id = 1;
  header.era = 2;
  header.generation = 3;
  header.sequence = 4;
  header.offset = 4096;
  header.first_lsn = 5;
  header.durable_sequence = 3;
  header.predecessor_chain = 6;
  header.record_count = 1;
  const Bytes bytes = encode_group(header, "payload");
  EXPECT_EQ(bytes.size(), block_size_bytes);
  EXPECT_EQ(decode_group_header(bytes), header);
  for (std::size_t i = 0; i < group_header_size_bytes; ++i) {
    Bytes bad = bytes;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    EXPECT_FALSE(decode_group_header(bad).has_value()) << i;
  }
}

// Adopt shows what was staged and drops what it must, in one step.
TEST(LogState, FollowsAdoptions) {
  const Ballot older{1, NodeId(1)};
  const Ballot newer{2, NodeId(2)};
  LogState state;
  const auto apply = [&state](const Record& record) {
    ASSERT_FALSE(state.objection(record).has_value()) << record << ": " << *state.objection(record);
    state.apply(record);
  };
  apply(Adopt{older, Slot(0), Slot(0), 0});
  apply(Value{older, Slot(1), 11, "a"});
  apply(Value{older, Slot(2), 12, "b"});
  apply(Value{older, Slot(3), 13, "c"});
  apply(Chosen{Slot(1)});
  apply(Stage{newer, Slot(3), 23, "C"});
  apply(Stage{newer, Slot(4), 24, "D"});
  EXPECT_EQ(state.last, Slot(3));
  EXPECT_EQ(state.adopted, one);
  EXPECT_EQ(state.chain_at(Slot(3)), 13U);

  EXPECT_TRUE(state.objection(Value{older, Slot(5), 0, ""}).has_value());
  EXPECT_TRUE(state.objection(Adopt{newer, Slot(1), Slot(4), 24}).has_value()) << "slot 2 unstaged";
  EXPECT_TRUE(state.objection(Adopt{newer, Slot(2), Slot(4), 99}).has_value()) << "other chain";
  EXPECT_TRUE(state.objection(Adopt{newer, Slot(0), Slot(0), 0}).has_value()) << "drops chosen";

  apply(Adopt{newer, Slot(2), Slot(4), 24});
  EXPECT_EQ(state.last, Slot(4));
  EXPECT_EQ(state.adopted, two);
  EXPECT_EQ(state.promised, two);
  EXPECT_EQ(state.chain_at(Slot(2)), 12U);
  EXPECT_EQ(state.chain_at(Slot(3)), 23U);
  EXPECT_FALSE(state.has_staged());
  EXPECT_TRUE(state.objection(Promise{one}).has_value());

  Adopt installed{{3, NodeId(1)}, Slot(40), Slot(40), 77};
  installed.snapshot = true;
  installed.keep_chain = 77;
  apply(installed);
  EXPECT_EQ(state.base, Slot(40));
  EXPECT_EQ(state.last, Slot(40));
  EXPECT_EQ(state.chosen, Slot(40));
  EXPECT_FALSE(state.chain_at(Slot(4)).has_value());
  EXPECT_EQ(LogState::from_checkpoint(state.checkpoint()).checkpoint(), state.checkpoint());
}

}  // namespace
}  // namespace synod::storage
