// A small log with one damaged byte, or one misplaced or lost write: never a crash, never an
// invented record, never a silent end in front of a witness.
#include <gtest/gtest.h>

#include "sim/disk.h"
#include "storage/log_model_test.h"

namespace synod::storage {
namespace {

constexpr const char* directory = "d/log";

struct SmallLog {
  explicit SmallLog(std::uint64_t seed, bool witness) : disk(clock, seed), model(seed) {
    auto opened = Log::open(disk, directory, small_log_options(), seed + 1);
    EXPECT_TRUE(opened.ok());
    Log& log = *opened->log;
    for (int i = 0; i < 24; ++i) {
      Record record = model.draw();
      model.apply(record);
      log.append(std::move(record));
      if (i % 3 == 2) {
        before_last_group = model.records() - 3;
        EXPECT_TRUE(log.flush().ok());
      }
    }
    EXPECT_TRUE(log.flush().ok());
    if (witness) {
      EXPECT_TRUE(log.flush_witness().ok());
    }
  }

  std::vector<std::string> segments() {
    std::vector<std::string> paths;
    for (const std::string& name : disk.list(directory).value_or({})) {
      if (name.starts_with("segment-")) {
        paths.push_back(std::string(directory) + "/" + name);
      }
    }
    return paths;
  }

  std::uint64_t size(const std::string& path) {
    return disk.open(path, ports::OpenMode::read).value()->size().value();
  }

  sim::ManualDiskClock clock;
  sim::SimDisk disk;
  LogModel model;
  std::size_t before_last_group = 0;
};

struct Tally {
  int damage = 0;
  int doubtful = 0;
  int untouched = 0;
};

// Opens the damaged log; `least` records must be there unless damage is said.
void check_damaged(SmallLog& small, std::size_t least, const std::string& what, Tally& tally) {
  auto opened = Log::open(small.disk, directory, small_log_options(), 99);
  ASSERT_TRUE(opened.ok()) << what << ": " << to_string(opened.error());
  if (opened->damage.has_value()) {
    EXPECT_EQ(opened->log, nullptr);
    ++tally.damage;
    return;
  }
  const auto count = small.model.match(shown(*opened->log), opened->log->first_slot(), least);
  ASSERT_TRUE(count.has_value()) << what << ": shortened or invented without a word";
  if (*count < small.model.records()) {
    EXPECT_NE(opened->tail, Tail::clean) << what;
    const bool doubtful = opened->tail == Tail::doubtful;
    EXPECT_EQ(doubt_of(opened->state.notes).has_value(), doubtful) << what;
    opened->log.reset();
    auto again = Log::open(small.disk, directory, small_log_options(), 100);
    ASSERT_TRUE(again.ok() && again->log != nullptr) << what;
    EXPECT_EQ(again->tail, Tail::clean) << what;
    EXPECT_EQ(doubt_of(again->state.notes).has_value(), doubtful) << what;
    ++tally.doubtful;
  } else {
    ++tally.untouched;
  }
}

void flip_every_byte(bool witness, Tally& tally) {
  SmallLog measure(7, witness);
  for (const std::string& path : measure.segments()) {
    const std::uint64_t size = measure.size(path);
    for (std::uint64_t offset = 0; offset < size; ++offset) {
      // Headers are flipped bit by bit, the long payloads more sparsely.
      const bool header = offset % block_size_bytes < group_header_size_bytes + 8;
      if (!header && offset % 97 != 0) {
        continue;
      }
      SmallLog small(7, witness);
      ASSERT_TRUE(small.disk.flip_bit(path, offset, static_cast<unsigned>(offset % 8)));
      // With a witness nothing may be missing; without one only the last group.
      const std::size_t least = witness ? small.model.records() : small.before_last_group;
      check_damaged(small, least, path + "@" + std::to_string(offset), tally);
    }
  }
}

TEST(LogFlip, BehindAWitnessNothingIsEverDroppedInSilence) {
  Tally tally;
  flip_every_byte(true, tally);
  EXPECT_GT(tally.damage, 500);
  EXPECT_EQ(tally.doubtful, 0);
}

TEST(LogFlip, WithoutAWitnessOnlyTheLastGroupIsDoubtful) {
  Tally tally;
  flip_every_byte(false, tally);
  EXPECT_GT(tally.damage, 300);
  EXPECT_GT(tally.doubtful, 50);
}

TEST(LogFlip, AGroupThatReadsAsZerosIsMissedByThoseBehindIt) {
  Tally tally;
  SmallLog measure(11, true);
  for (const std::string& path : measure.segments()) {
    const std::uint64_t size = measure.size(path);
    for (std::uint64_t offset = 0; offset < size; offset += block_size_bytes) {
      SmallLog small(11, true);
      auto file = small.disk.open(path, ports::OpenMode::write);
      ASSERT_TRUE(file.ok());
      ASSERT_TRUE((*file)->write_at(offset, Bytes(block_size_bytes, '\0')).ok());
      file->reset();
      check_damaged(small, small.model.records(), path + "@" + std::to_string(offset), tally);
    }
  }
  EXPECT_GT(tally.damage, 6);
}

TEST(LogFlip, ALostSegmentIsDamage) {
  LogOptions options = small_log_options();
  sim::ManualDiskClock clock;
  sim::SimDisk disk(clock, 5);
  {
    auto opened = Log::open(disk, directory, options, 1);
    ASSERT_TRUE(opened.ok());
    for (std::uint64_t slot = 1; slot <= 60; ++slot) {
      opened->log->append(Value{{1, NodeId(1)}, Slot(slot), slot, Bytes(2000, 'x')});
      ASSERT_TRUE(opened->log->flush().ok());
    }
    ASSERT_GT(opened->log->segment_count(), 3U);
  }
  ASSERT_TRUE(disk.remove("d/log/segment-0000000000000002").ok());
  auto opened = Log::open(disk, directory, options, 2);
  ASSERT_TRUE(opened.ok());
  ASSERT_TRUE(opened->damage.has_value());
  EXPECT_EQ(opened->damage->file, "segment-0000000000000002");

  // The way out: begin anew, beside the old files.
  ASSERT_TRUE(Log::set_aside(disk, directory).ok());
  opened = Log::open(disk, directory, options, 3);
  ASSERT_TRUE(opened.ok());
  EXPECT_TRUE(opened->fresh);
  EXPECT_TRUE(*disk.exists("d/log.damaged-1/segment-0000000000000003"));
}

// Where a segment ended, what is left of a group that never was part of the log raises no doubt:
// the next segment goes on from the last good one.
TEST(LogFlip, RemainsBehindAnEndedSegmentAreNoDoubt) {
  sim::ManualDiskClock clock;
  sim::SimDisk disk(clock, 5);
  {
    auto opened = Log::open(disk, directory, small_log_options(), 1);
    ASSERT_TRUE(opened.ok());
    for (std::uint64_t slot = 1; slot <= 60; ++slot) {
      opened->log->append(Value{{1, NodeId(1)}, Slot(slot), slot, Bytes(2000, 'x')});
      ASSERT_TRUE(opened->log->flush().ok());
    }
  }
  auto file = disk.open("d/log/segment-0000000000000001", ports::OpenMode::write);
  ASSERT_TRUE(file.ok());
  Bytes remains = *(*file)->read_at(0, block_size_bytes);
  const Bytes zeros(block_size_bytes, '\0');
  std::uint64_t end = *(*file)->size() / block_size_bytes * block_size_bytes;
  while (end > 0 && *(*file)->read_at(end - block_size_bytes, block_size_bytes) == zeros) {
    end -= block_size_bytes;
  }
  remains[group_header_size_bytes / 2] ^= 1;
  ASSERT_TRUE((*file)->write_at(end, remains).ok());
  file->reset();
  auto opened = Log::open(disk, directory, small_log_options(), 2);
  ASSERT_TRUE(opened.ok());
  EXPECT_FALSE(opened->damage.has_value());
  EXPECT_EQ(opened->state.last, Slot(60));
  EXPECT_EQ(opened->tail, Tail::clean);
}

TEST(LogFlip, AWriteThatLandedElsewhereIsNotTakenForThePlaceItHit) {
  int found = 0;
  for (std::uint64_t seed = 1; seed <= 80; ++seed) {
    sim::ManualDiskClock clock;
    sim::SimDisk disk(clock, seed);
    LogModel model(seed);
    auto opened = Log::open(disk, directory, small_log_options(), seed);
    ASSERT_TRUE(opened.ok());
    disk.faults().misdirects_once_in = seed % 2 == 0 ? 15 : 0;
    disk.faults().drops_write_once_in = seed % 2 == 1 ? 15 : 0;
    for (int i = 0; i < 60; ++i) {
      Record record = model.draw();
      model.apply(record);
      opened->log->append(std::move(record));
      ASSERT_TRUE(opened->log->flush().ok());
    }
    ASSERT_TRUE(opened->log->flush_witness().ok());
    opened->log.reset();
    disk.faults() = {};
    disk.power_cut();  // readers see what the medium holds
    opened = Log::open(disk, directory, small_log_options(), seed + 1000);
    ASSERT_TRUE(opened.ok());
    if (opened->damage.has_value()) {
      ++found;
    } else {
      // Only what nothing stands behind may be missing: the last group.
      EXPECT_TRUE(model.match(shown(*opened->log), opened->log->first_slot(), 59).has_value())
          << "seed " << seed;
    }
  }
  EXPECT_GT(found, 30);
}

}  // namespace
}  // namespace synod::storage
