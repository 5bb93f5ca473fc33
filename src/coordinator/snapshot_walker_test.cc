#include "coordinator/snapshot_walker.h"

#include <gtest/gtest.h>

#include <vector>

namespace synod::coordinator {
namespace {

Zxid zxid_of(std::int64_t epoch, std::int64_t counter) { return Zxid((epoch << 32) + counter); }

class SnapshotDueTest : public testing::Test {
 protected:
  // The slots after which a snapshot is due, when each takes so many zxids; of a state of its own.
  std::vector<std::uint64_t> slots_due(std::int64_t writes_in_slot, std::uint64_t nodes) {
    walker_ = SnapshotWalker(ports::Sender<JournalCommand>(), {.every = 100});
    std::vector<std::uint64_t> slots;
    for (std::uint64_t slot = 1; slot <= 40; ++slot) {
      const Zxid zxid = zxid_of(7, static_cast<std::int64_t>(slot) * writes_in_slot);
      if (walker_.due(Slot(slot), zxid, nodes)) {
        slots.push_back(slot);
      }
    }
    return slots;
  }

  SnapshotWalker walker_{ports::Sender<JournalCommand>(), {.every = 100}};
};

TEST_F(SnapshotDueTest, nothing_is_due_after_few_slots_of_few_writes) {
  EXPECT_EQ(slots_due(1, 10), std::vector<std::uint64_t>());
}

TEST_F(SnapshotDueTest, slots_of_many_writes_count_by_their_writes) {
  EXPECT_EQ(slots_due(30, 10),
            (std::vector<std::uint64_t>{4, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40}));
}

TEST_F(SnapshotDueTest, a_large_state_is_written_less_often) {
  EXPECT_EQ(slots_due(30, 800), slots_due(30, 10));
  EXPECT_EQ(slots_due(30, 2000), (std::vector<std::uint64_t>{14, 27, 40}));
  EXPECT_EQ(slots_due(30, 4000), (std::vector<std::uint64_t>{27}));
}

TEST_F(SnapshotDueTest, a_new_epoch_counts_anew_and_a_leap_is_no_reason) {
  EXPECT_FALSE(walker_.due(Slot(1), zxid_of(1, 90), 0));
  EXPECT_FALSE(walker_.due(Slot(2), zxid_of(2, 0), 0));
  EXPECT_FALSE(walker_.due(Slot(3), zxid_of(2, 99), 0));
  EXPECT_TRUE(walker_.due(Slot(4), zxid_of(2, 101), 0));
  // A snapshot of a peer was installed.
  EXPECT_FALSE(walker_.due(Slot(50), zxid_of(2, 950), 0));
  EXPECT_TRUE(walker_.due(Slot(100), zxid_of(2, 960), 0));
}

}  // namespace
}  // namespace synod::coordinator
