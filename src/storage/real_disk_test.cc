// The same code on the file system underneath: what the simulator's disk cannot show are alignments
// and the kernel's own ideas.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "machine/disk.h"
#include "storage/log.h"
#include "storage/record_journal.h"
#include "storage/snapshot.h"

namespace synod::storage {
namespace {

struct RealDisk : testing::Test {
  RealDisk() {
    std::string pattern = testing::TempDir() + "synod-storage-XXXXXX";
    directory = mkdtemp(pattern.data());
  }
  ~RealDisk() override { std::filesystem::remove_all(directory); }

  std::unique_ptr<ports::Disk> disk = machine::make_disk();
  std::string directory;
};

TEST_F(RealDisk, ALogIsWrittenFilledAheadAndReadBack) {
  LogOptions options;
  options.first_segment_size_bytes = 64 << 10;
  options.segment_size_bytes = 1 << 20;
  const std::string path = directory + "/log";
  {
    auto opened = Log::open(*disk, path, options, 1);
    ASSERT_TRUE(opened.ok()) << to_string(opened.error());
    Log& log = *opened->log;
    for (std::uint64_t slot = 1; slot <= 60; ++slot) {
      log.append(Value{{1, NodeId(1)}, Slot(slot), slot, Bytes(3000, 'r')});
      if (slot % 3 == 0) {
        ASSERT_TRUE(log.flush().ok());
        ASSERT_TRUE(log.prepare_step().ok());
      }
    }
    EXPECT_GT(log.segment_count(), 1U);
    ASSERT_TRUE(log.flush_witness().ok());
  }
  for (std::uint64_t life = 2; life < 4; ++life) {
    auto opened = Log::open(*disk, path, options, life);
    ASSERT_TRUE(opened.ok()) << to_string(opened.error());
    ASSERT_FALSE(opened->damage.has_value()) << opened->damage->reason;
    EXPECT_EQ(opened->tail, Tail::clean);
    const auto slots = opened->log->read(Slot(1), Slot(99), 1 << 20);
    ASSERT_TRUE(slots.ok());
    EXPECT_EQ(slots->size(), 60U);
    EXPECT_EQ(slots->back().bytes, Bytes(3000, 'r'));
  }
}

TEST_F(RealDisk, SnapshotsAndJournalsToo) {
  auto store = SnapshotStore::open(*disk, directory + "/snapshots", {});
  ASSERT_TRUE(store.ok()) << to_string(store.error());
  auto writer = (*store)->begin(SnapshotId{ClusterId(1), Slot(5), 2, 3, "m"});
  ASSERT_TRUE((*writer)->append(Bytes(1'000'000, 's')).ok());
  ASSERT_TRUE((*writer)->finish().ok());
  EXPECT_TRUE((*store)->verify(Slot(5)).ok());
  store = SnapshotStore::open(*disk, directory + "/snapshots", {});
  EXPECT_EQ((*store)->latest()->id.slot, Slot(5));

  for (std::size_t life = 0; life < 3; ++life) {
    auto opened = RecordJournal::open(*disk, directory + "/journal", {}, life + 1);
    ASSERT_TRUE(opened.ok()) << to_string(opened.error());
    EXPECT_EQ(opened->records.size(), life == 0 ? 0 : 2U);
    opened->journal->append("record");
    ASSERT_TRUE(opened->journal->flush().ok());
    ASSERT_TRUE(opened->journal->compact({"one", "two"}).ok());
  }
}

}  // namespace
}  // namespace synod::storage
