// What a disk kept is believed only by the boot of the machine that wrote it.
#include <gtest/gtest.h>

#include "sim/disk.h"
#include "storage/log.h"

namespace synod::storage {
namespace {

constexpr Ballot first_ballot{1, NodeId(1)};

struct LogBoot : testing::Test {
  void open(const std::string& boot, PlantedBug planted = PlantedBug::none) {
    log.reset();
    LogOptions options;
    options.first_segment_size_bytes = 16 << 10;
    options.fill_ahead = false;
    options.boot_id = boot;
    options.planted = planted;
    auto opened = Log::open(disk, "d/log", options, ++nonce);
    ASSERT_TRUE(opened.ok()) << to_string(opened.error());
    ASSERT_FALSE(opened->damage.has_value()) << opened->damage->reason;
    log = std::move(opened->log);
  }
  void vote(std::uint64_t incarnation) {
    log->append(Identity{ClusterId(1), NodeId(1), Incarnation(incarnation), ""});
    log->append(Promise{first_ballot});
    Adopt adopt;
    adopt.ballot = first_ballot;
    log->append(adopt);
    append();
  }
  void append() {
    const Slot slot = log->state().last.next();
    log->append(Value{first_ballot, slot, slot.value() + 100, "v"});
    ASSERT_TRUE(log->flush().ok());
  }
  // The coordinator's answer to a doubt.
  void claim(std::uint64_t incarnation) {
    log->append(Identity{ClusterId(1), NodeId(1), Incarnation(incarnation), ""});
    log->append(doubt_note(incarnation));
    ASSERT_TRUE(log->flush().ok());
  }
  std::optional<std::uint64_t> doubt() const { return doubt_of(log->state().notes); }

  sim::ManualDiskClock clock;
  sim::SimDisk disk{clock, 1};
  std::uint64_t nonce = 0;
  std::unique_ptr<Log> log;
};

TEST_F(LogBoot, AProcessThatEndedIsBelieved) {
  open("monday");
  vote(11);
  open("monday");
  EXPECT_FALSE(doubt().has_value());
  EXPECT_EQ(log->state().last, Slot(1));
}

TEST_F(LogBoot, AnotherBootIsDoubtedUntilTheDoubtIsAnswered) {
  open("monday");
  vote(11);
  disk.power_cut();
  open("tuesday");
  EXPECT_EQ(doubt(), doubt_unclaimed);
  // Nothing was answered: no later open forgets it.
  open("tuesday");
  EXPECT_EQ(doubt(), doubt_unclaimed);
  claim(12);
  open("tuesday");
  EXPECT_EQ(doubt(), 12U);
  EXPECT_EQ(doubt_before_of(log->state().notes), doubt_unclaimed);
}

TEST_F(LogBoot, ADoubtAnewRemembersWhoWasInDoubt) {
  open("monday");
  vote(11);
  open("tuesday");
  claim(12);
  open("wednesday");
  EXPECT_EQ(doubt(), doubt_unclaimed);
  EXPECT_EQ(doubt_before_of(log->state().notes), 12U);
}

TEST_F(LogBoot, ALogWithoutAVoteHasNothingToForget) {
  open("monday");
  open("tuesday");
  EXPECT_FALSE(doubt().has_value());
}

TEST_F(LogBoot, AnOldCopyIsDoubted) {
  open("monday");
  vote(11);
  const auto copy = disk.peek("/d/log/segment");
  for (int i = 0; i < 2; ++i) {
    append();
  }
  log.reset();
  for (const auto& [path, bytes] : copy) {
    auto file = disk.open(path, ports::OpenMode::write);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->truncate(0).ok());
    ASSERT_TRUE((*file)->write_at(0, bytes).ok());
    ASSERT_TRUE((*file)->flush().ok());
  }
  open("tuesday");
  EXPECT_EQ(log->state().last, Slot(1));
  EXPECT_EQ(doubt(), doubt_unclaimed);
}

TEST_F(LogBoot, AGroupThatOnlyThePageCacheHasIsDoubted) {
  open("monday");
  vote(11);
  disk.faults().drops_write_once_in = 1;
  append();
  disk.faults().drops_write_once_in = 0;
  open("monday");
  EXPECT_EQ(log->state().last, Slot(1));
  EXPECT_EQ(doubt(), doubt_unclaimed);
}

TEST_F(LogBoot, AWholeSegmentThatOnlyThePageCacheHasIsDoubted) {
  open("monday");
  vote(11);
  while (log->segment_count() < 2) {
    if (log->state().last >= Slot(3)) {
      disk.faults().drops_write_once_in = 1;
    }
    append();
    ASSERT_LT(log->state().last, Slot(50));
  }
  append();
  disk.faults().drops_write_once_in = 0;
  const Slot last = log->state().last;
  open("monday");
  EXPECT_LT(log->state().last, last);
  EXPECT_EQ(doubt(), doubt_unclaimed);
}

TEST_F(LogBoot, ThePlantedBugBelievesEverything) {
  open("monday");
  vote(11);
  open("tuesday", PlantedBug::rolled_back_voter_votes);
  EXPECT_FALSE(doubt().has_value());
}

}  // namespace
}  // namespace synod::storage
