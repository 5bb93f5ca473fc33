#include "coordinator/disk_watch.h"

#include <gtest/gtest.h>

namespace synod::coordinator {
namespace {

class DiskWatchTest : public testing::Test {
 protected:
  DiskWatchTest() { watch_.begin(now_, false, Slot(chosen_)); }

  // How many flushes of that length it takes; the others choose on meanwhile, or do not.
  int flushes_until_hand_over(Duration took, std::uint64_t chosen_meanwhile) {
    for (int count = 1; count <= 100; ++count) {
      now_ = now_ + took;
      chosen_ += chosen_meanwhile;
      if (watch_.flushed(now_, took, true, Slot(chosen_))) {
        return count;
      }
    }
    return 0;
  }

  DiskWatch watch_;
  Instant now_ = Instant::from_nanos(0);
  std::uint64_t chosen_ = 7;
};

TEST_F(DiskWatchTest, a_disk_as_fast_as_usual_keeps_the_leadership) {
  EXPECT_EQ(flushes_until_hand_over(Duration::millis(39), 5), 0);
}

TEST_F(DiskWatchTest, eight_slow_flushes_in_a_row_are_enough) {
  EXPECT_EQ(flushes_until_hand_over(Duration::millis(40), 5), 8);
}

TEST_F(DiskWatchTest, slower_ones_take_a_second_together) {
  EXPECT_EQ(flushes_until_hand_over(Duration::millis(300), 5), 4);
  watch_.begin(now_, false, Slot(chosen_));
  EXPECT_EQ(flushes_until_hand_over(Duration::millis(900), 5), 3);
}

TEST_F(DiskWatchTest, a_quick_one_between_them_forgives) {
  for (int round = 0; round < 20; ++round) {
    EXPECT_FALSE(watch_.flushed(now_, Duration::millis(400), true, Slot(++chosen_)));
    EXPECT_FALSE(watch_.flushed(now_, Duration::millis(400), true, Slot(++chosen_)));
    EXPECT_FALSE(watch_.flushed(now_, Duration::millis(1), true, Slot(++chosen_)));
  }
}

TEST_F(DiskWatchTest, where_all_disks_are_slow_nobody_is_better) {
  EXPECT_EQ(flushes_until_hand_over(Duration::millis(300), 0), 0);
}

TEST_F(DiskWatchTest, a_flush_that_does_not_end_is_not_waited_for) {
  watch_.waits(now_, Slot(chosen_));
  EXPECT_FALSE(watch_.stalled(now_ + Duration::millis(999), Slot(chosen_ + 1)));
  EXPECT_TRUE(watch_.stalled(now_ + Duration::millis(1000), Slot(chosen_ + 1)));
  EXPECT_FALSE(watch_.stalled(now_ + Duration::millis(5000), Slot(chosen_)));
  EXPECT_FALSE(watch_.flushed(now_, Duration::millis(1), false, Slot(chosen_)));
  EXPECT_FALSE(watch_.stalled(now_ + Duration::millis(5000), Slot(chosen_ + 1)));
}

// The last slot is chosen when the own disk has it already: nobody was slow.
TEST_F(DiskWatchTest, a_leader_that_was_idle_has_as_long_as_any_other) {
  watch_.waits(now_, Slot(chosen_));
  EXPECT_FALSE(watch_.flushed(now_, Duration::millis(1), false, Slot(chosen_)));
  ++chosen_;
  const Instant woken = now_ + Duration::seconds(60);
  EXPECT_FALSE(watch_.stalled(woken, Slot(chosen_)));
  watch_.waits(woken, Slot(chosen_));
  EXPECT_FALSE(watch_.stalled(woken, Slot(chosen_)));
  EXPECT_FALSE(watch_.stalled(woken + Duration::millis(5000), Slot(chosen_)));
  EXPECT_FALSE(watch_.stalled(woken + Duration::millis(999), Slot(chosen_ + 1)));
  EXPECT_TRUE(watch_.stalled(woken + Duration::millis(1000), Slot(chosen_ + 1)));
}

}  // namespace
}  // namespace synod::coordinator
