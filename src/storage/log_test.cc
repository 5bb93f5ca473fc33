// The log in ordinary life: reading back, segments, removal.
#include "storage/log.h"

#include <gtest/gtest.h>

#include "sim/disk.h"

namespace synod::storage {
namespace {

constexpr const char* log_directory = "d/log";
const Ballot one{1, NodeId(1)};
const Ballot two{2, NodeId(2)};

LogOptions options() {
  LogOptions o;
  o.first_segment_size_bytes = 16 << 10;
  o.segment_size_bytes = 32 << 10;
  o.group_size_bytes = 6 << 10;
  o.fill_step_size_bytes = 8 << 10;
  return o;
}

struct LogTest : testing::Test {
  void reopen() {
    log.reset();
    auto opened = Log::open(disk, log_directory, options(), ++nonce);
    ASSERT_TRUE(opened.ok()) << to_string(opened.error());
    ASSERT_FALSE(opened->damage.has_value()) << opened->damage->reason;
    log = std::move(opened->log);
  }
  void append_values(std::uint64_t count, std::size_t size = 1000) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const Slot slot = log->state().last.next();
      log->append(Value{one, slot, slot.value() + 100, Bytes(size, 'v')});
      ASSERT_TRUE(log->flush().ok());
    }
  }

  sim::ManualDiskClock clock;
  sim::SimDisk disk{clock, 1};
  std::uint64_t nonce = 0;
  std::unique_ptr<Log> log;
};

TEST_F(LogTest, ReadsRangesAcrossGroupsAndSegments) {
  reopen();
  append_values(60);
  EXPECT_GT(log->segment_count(), 3U);
  for (int life = 0; life < 2; ++life) {
    auto slots = log->read(Slot(3), Slot(50), 1 << 20);
    ASSERT_TRUE(slots.ok());
    ASSERT_EQ(slots->size(), 48U);
    EXPECT_EQ(slots->front().slot, Slot(3));
    EXPECT_EQ(slots->back().chain, 150U);
    slots = log->read(Slot(3), Slot(50), 2500);
    ASSERT_TRUE(slots.ok());
    EXPECT_EQ(slots->size(), 2U);
    slots = log->read(Slot(3), Slot(50), 1);  // always one
    ASSERT_TRUE(slots.ok());
    EXPECT_EQ(slots->size(), 1U);
    EXPECT_TRUE(log->read(Slot(61), Slot(70), 1).value_or({SlotValue{}}).empty());
    reopen();
  }
}

TEST_F(LogTest, RemovesWholeSegmentsBehindTheSnapshot) {
  reopen();
  append_values(60);
  log->append(Chosen{Slot(60)});
  ASSERT_TRUE(log->flush().ok());
  const std::size_t before = log->segment_count();
  EXPECT_EQ(log->remove_through(Slot(20), 20).value_or(99), 0U);
  EXPECT_GT(log->remove_through(Slot(40), 5).value_or(0), 0U);
  EXPECT_LT(log->segment_count(), before);
  const Slot first = log->first_slot();
  EXPECT_GT(first, Slot(1));
  EXPECT_LE(first, Slot(36));
  EXPECT_EQ(log->read(Slot(1), Slot(5), 100).error().code, ErrorCode::not_found);
  for (int life = 0; life < 2; ++life) {
    EXPECT_EQ(log->first_slot(), first);
    EXPECT_EQ(log->state().chosen, Slot(60));
    const auto slots = log->read(first, Slot(60), 1 << 20);
    ASSERT_TRUE(slots.ok());
    EXPECT_EQ(slots->size(), 61 - first.value());
    reopen();
  }
  EXPECT_EQ(log->state().chain_at(Slot(first.value() - 1)), first.value() - 1 + 100);
}

TEST_F(LogTest, StagedSlotsKeepTheirSegment) {
  reopen();
  append_values(3);
  log->append(Stage{two, Slot(4), 204, Bytes(100, 's')});
  append_values(50);
  log->append(Chosen{Slot(53)});
  ASSERT_TRUE(log->flush().ok());
  EXPECT_EQ(log->remove_through(Slot(53), 0).value_or(99), 0U);
  EXPECT_EQ(log->first_slot(), Slot(1));
  // A new ballot's stage lets go of it.
  log->append(Stage{{3, NodeId(1)}, Slot(54), 254, "s"});
  ASSERT_TRUE(log->flush().ok());
  EXPECT_GT(log->remove_through(Slot(53), 0).value_or(0), 0U);
}

TEST_F(LogTest, AnAdoptedHistoryIsReadFromWhereItWasStaged) {
  reopen();
  append_values(5);
  for (std::uint64_t slot = 4; slot <= 8; ++slot) {
    log->append(Stage{two, Slot(slot), slot + 200, "staged " + std::to_string(slot)});
    ASSERT_TRUE(log->flush().ok());
  }
  reopen();
  EXPECT_EQ(log->state().last, Slot(5)) << "without the Adopt record the old history shows";
  EXPECT_EQ(log->read(Slot(5), Slot(5), 1).value_or({}).at(0).chain, 105U);
  log->append(Promise{two});
  log->append(Adopt{two, Slot(3), Slot(7), 207});
  log->append(Value{two, Slot(8), 308, "new 8"});
  ASSERT_TRUE(log->flush().ok());
  for (int life = 0; life < 2; ++life) {
    const auto slots = log->read(Slot(3), Slot(9), 1 << 20);
    ASSERT_TRUE(slots.ok());
    ASSERT_EQ(slots->size(), 6U);
    EXPECT_EQ(slots->at(0).chain, 103U);
    EXPECT_EQ(slots->at(1).bytes, "staged 4");
    EXPECT_EQ(slots->at(4).bytes, "staged 7");
    EXPECT_EQ(slots->at(5).bytes, "new 8");
    reopen();
  }
}

TEST_F(LogTest, TheNextSegmentIsFilledAhead) {
  reopen();
  append_values(1);
  EXPECT_FALSE(log->prepare_step().value_or(true));  // a quarter is used: not yet
  append_values(2);
  int steps = 0;
  while (log->prepare_step().value_or(false)) {
    ++steps;
  }
  EXPECT_EQ(steps, 3);
  EXPECT_TRUE(disk.exists("d/log/spare").value_or(false));
  append_values(5);
  EXPECT_FALSE(disk.exists("d/log/spare").value_or(true));
  EXPECT_EQ(log->segment_count(), 2U);
  auto file = disk.open("d/log/segment-0000000000000002", ports::OpenMode::read);
  EXPECT_EQ((*file)->size().value_or(0), 32U << 10);
}

TEST_F(LogTest, SegmentsGrowAndAreFilledAtThePaceOfTheLog) {
  reopen();
  append_values(2);
  EXPECT_TRUE(log->prepare_step().value_or(false));  // half is used: half is filled
  EXPECT_TRUE(log->prepare_step().value_or(false));
  EXPECT_FALSE(log->prepare_step().value_or(true));
  append_values(1);
  EXPECT_TRUE(log->prepare_step().value_or(false));
  EXPECT_FALSE(log->prepare_step().value_or(true));  // ready
}

TEST_F(LogTest, AValueLargerThanASegmentFits) {
  reopen();
  append_values(2);
  append_values(1, 200 << 10);
  append_values(2);
  reopen();
  EXPECT_EQ(log->state().last, Slot(5));
  EXPECT_EQ(log->read(Slot(3), Slot(3), 1).value_or({}).at(0).bytes.size(), 200U << 10);
}

}  // namespace
}  // namespace synod::storage
