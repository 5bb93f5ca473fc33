// The manifest of a backup, kept: what was written once must be read for ever.
#include "cli/archive.h"

#include <gtest/gtest.h>

#include "sim/disk.h"
#include "test/script/kept.h"

namespace synod::cli {
namespace {

ArchiveManifest a_manifest() {
  ArchiveManifest manifest;
  manifest.cluster = ClusterId(0xc1);
  manifest.node = NodeId(2);
  manifest.slot = Slot(77);
  manifest.zxid = Zxid(0x100000022);
  manifest.time = WallTime{1'700'000'000'000};
  manifest.digest = 0xd16e57;
  manifest.open = {"segment-0000000000000002", "segment-0000000000000003"};
  return manifest;
}

TEST(Archive, TheManifestIsKept) {
  sim::ManualDiskClock clock;
  sim::SimDisk disk(clock, 1);
  ASSERT_TRUE(disk.make_directories("/backup").ok());
  ASSERT_TRUE(write_manifest(disk, "/backup", a_manifest()).ok());
  const std::string kept = std::string(SYNOD_SOURCE_DIR) + "/testdata/format1/backup.json.hex";
  script::expect_kept(kept, ports::read_file(disk, "/backup/backup.json", 1 << 20).value());

  ASSERT_TRUE(
      ports::write_file_atomically(disk, "/backup/backup.json", script::read_kept(kept)).ok());
  const auto read = read_manifest(disk, "/backup");
  ASSERT_TRUE(read.ok() && read->has_value());
  EXPECT_EQ((*read)->cluster, ClusterId(0xc1));
  EXPECT_EQ((*read)->node, NodeId(2));
  EXPECT_EQ((*read)->slot, Slot(77));
  EXPECT_EQ((*read)->zxid, Zxid(0x100000022));
  EXPECT_EQ((*read)->time, WallTime{1'700'000'000'000});
  EXPECT_EQ((*read)->digest, 0xd16e57U);
  EXPECT_EQ((*read)->open, a_manifest().open);
}

}  // namespace
}  // namespace synod::cli
