// The bytes of format version 1, kept: what was written once must be read for ever.
//
// testdata/format1/*.hex: test/script/kept.h.
#include <gtest/gtest.h>

#include "sim/disk.h"
#include "storage/log.h"
#include "storage/record_journal.h"
#include "storage/snapshot.h"
#include "test/script/kept.h"

namespace synod::storage {
namespace {

std::string kept_path(const std::string& name) {
  return std::string(SYNOD_SOURCE_DIR) + "/testdata/format1/" + name + ".hex";
}

void expect_golden(const std::string& name, ByteView bytes) {
  script::expect_kept(kept_path(name), bytes);
}

Bytes golden(const std::string& name) { return script::read_kept(kept_path(name)); }

Bytes whole(ports::Disk& disk, const std::string& path) {
  auto bytes = ports::read_file(disk, path, 1 << 20);
  EXPECT_TRUE(bytes.ok()) << path;
  return std::move(bytes).value_or({});
}

void put(ports::Disk& disk, const std::string& directory, const std::string& name,
         const Bytes& bytes) {
  ASSERT_TRUE(disk.make_directories(directory).ok());
  ASSERT_TRUE(ports::write_file_atomically(disk, directory + "/" + name, bytes).ok());
}

struct Disks {
  sim::ManualDiskClock clock;
  sim::SimDisk disk{clock, 1};
};

constexpr const char* segment_one = "segment-0000000000000001";
constexpr const char* expected_log =
    R"(segment-0000000000000001: 12288 bytes
  group 1 at 0: 6 records, 293 bytes, lsn from 1, durable before 0
    1 checkpoint promised=0.0 adopted=0.0 chosen=0 base=0 last=0 chain=0000000000000000 notes=0
    2 identity cluster=00000000000000c1 node=2 incarnation=00000000000001ca
    3 promise ballot=1.3
    4 adopt ballot=1.3 keep_through=0 last=0 chain=0000000000000000
    5 value ballot=1.3 slot=1 chain=00000000000000a1 size=5
    6 note key=3 size=5
  group 2 at 4096: 4 records, 121 bytes, lsn from 7, durable before 1
    7 chosen slot=1
    8 stage ballot=2.1 slot=2 chain=00000000000000a2 size=4
    9 promise ballot=2.1
    10 adopt ballot=2.1 keep_through=1 last=2 chain=00000000000000a2
  group 3 at 8192: witness, 0 bytes, lsn from 11, durable before 2
)";

TEST(Format, LogVersionOne) {
  Disks written;
  {
    auto opened = Log::open(written.disk, "log", LogOptions{}, 0x1122334455667788);
    Log& log = *opened->log;
    log.append(Identity{ClusterId(0xc1), NodeId(2), Incarnation(0x1ca), "abc"});
    log.append(Promise{{1, NodeId(3)}});
    log.append(Adopt{{1, NodeId(3)}, Slot(0), Slot(0), 0});
    log.append(Value{{1, NodeId(3)}, Slot(1), 0xa1, "apple"});
    log.append(Note{3, "heard"});
    ASSERT_TRUE(log.flush().ok());
    log.append(Chosen{Slot(1)});
    log.append(Stage{{2, NodeId(1)}, Slot(2), 0xa2, "pear"});
    log.append(Promise{{2, NodeId(1)}});
    log.append(Adopt{{2, NodeId(1)}, Slot(1), Slot(2), 0xa2});
    ASSERT_TRUE(log.flush_witness().ok());
  }
  expect_golden("log", whole(written.disk, std::string("log/") + segment_one));
  EXPECT_EQ(describe_log(written.disk, "log", true).value(), expected_log);

  Disks kept;
  put(kept.disk, "log", segment_one, golden("log"));
  auto opened = Log::open(kept.disk, "log", LogOptions{}, 1);
  ASSERT_TRUE(opened.ok());
  ASSERT_FALSE(opened->damage.has_value());
  EXPECT_EQ(opened->tail, Tail::clean);
  EXPECT_EQ(opened->state.identity->founders, "abc");
  EXPECT_EQ(opened->state.adopted, (Ballot{2, NodeId(1)}));
  const auto slots = opened->log->read(Slot(1), Slot(9), 1 << 20);
  ASSERT_TRUE(slots.ok());
  ASSERT_EQ(slots->size(), 2U);
  EXPECT_EQ(slots->at(0).bytes, "apple");
  EXPECT_EQ(slots->at(1).bytes, "pear");
}

TEST(Format, JournalVersionOne) {
  const std::string name = "journal-0000000000000001";
  Disks written;
  {
    auto opened = RecordJournal::open(written.disk, "journal", {}, 0x1122334455667788);
    opened->journal->append("first");
    opened->journal->append("second");
    ASSERT_TRUE(opened->journal->flush().ok());
  }
  expect_golden("journal", whole(written.disk, "journal/" + name));

  Disks kept;
  put(kept.disk, "journal", name, golden("journal"));
  const auto opened = RecordJournal::open(kept.disk, "journal", {}, 1);
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(opened->records, (std::vector<Bytes>{"first", "second"}));
}

TEST(Format, SnapshotVersionOne) {
  const std::string name = "snapshot-0000000000000007";
  const Bytes content = "0123456789abcdefghijklmnopqrstuvwxyz" + Bytes(200, 'z');
  Disks written;
  {
    SnapshotOptions options;
    options.chunk_size_bytes = 100;
    auto store = SnapshotStore::open(written.disk, "snapshots", options);
    auto writer = (*store)->begin(SnapshotId{ClusterId(0xc1), Slot(7), 0xa7, 0xd16e57, "members"});
    ASSERT_TRUE((*writer)->append(content).ok());
    ASSERT_TRUE((*writer)->finish().ok());
  }
  expect_golden("snapshot", whole(written.disk, "snapshots/" + name));
  expect_golden("manifest", whole(written.disk, "snapshots/manifest"));

  Disks kept;
  put(kept.disk, "snapshots", name, golden("snapshot"));
  put(kept.disk, "snapshots", "manifest", golden("manifest"));
  auto store = SnapshotStore::open(kept.disk, "snapshots", {});
  ASSERT_TRUE(store.ok());
  ASSERT_TRUE((*store)->verify(Slot(7)).ok());
  auto reader = (*store)->read(Slot(7));
  Bytes found;
  for (Bytes piece = (*reader)->next().value(); !piece.empty(); piece = (*reader)->next().value()) {
    found += piece;
  }
  EXPECT_EQ(found, content);
  EXPECT_EQ((*store)->latest()->id.meta, "members");
}

}  // namespace
}  // namespace synod::storage
