// Snapshots: whole and checked, or not there.
#include "storage/snapshot.h"

#include <gtest/gtest.h>

#include "base/prng.h"
#include "sim/disk.h"
#include "storage/snapshot_file.h"

namespace synod::storage {
namespace {

constexpr const char* snapshot_directory = "d/snapshots";

SnapshotOptions small_options(bool compress) {
  SnapshotOptions options;
  options.chunk_size_bytes = 1000;
  options.compress = compress;
  return options;
}

SnapshotId id_of(std::uint64_t slot) {
  return SnapshotId{ClusterId(77), Slot(slot), slot * 3, slot * 5, "members"};
}

Bytes content_of(std::uint64_t slot, std::size_t size) {
  Prng prng(slot);
  Bytes content;
  while (content.size() < size) {
    content.append(prng.below(300), static_cast<char>(prng.next()));
  }
  return content;
}

std::unique_ptr<SnapshotStore> open_store(sim::SimDisk& disk, bool compress = true) {
  auto store = SnapshotStore::open(disk, snapshot_directory, small_options(compress));
  EXPECT_TRUE(store.ok()) << to_string(store.error());
  return std::move(store).value();
}

Result<SnapshotRef> write(SnapshotStore& store, std::uint64_t slot, const Bytes& content,
                          std::size_t slice = 700) {
  SYNOD_TRY_ASSIGN(auto writer, store.begin(id_of(slot)));
  for (std::size_t i = 0; i < content.size(); i += slice) {
    SYNOD_TRY(writer->append(ByteView(content).substr(i, slice)));
  }
  return writer->finish();
}

Result<Bytes> read_all(SnapshotStore& store, std::uint64_t slot) {
  SYNOD_TRY_ASSIGN(auto reader, store.read(Slot(slot)));
  Bytes content;
  for (;;) {
    SYNOD_TRY_ASSIGN(const Bytes piece, reader->next());
    if (piece.empty()) {
      return content;
    }
    content += piece;
  }
}

TEST(Snapshot, GivesBackItsContent) {
  for (const bool compress : {false, true}) {
    sim::ManualDiskClock clock;
    sim::SimDisk disk(clock, 1);
    auto store = open_store(disk, compress);
    EXPECT_FALSE(store->latest().has_value());
    for (const std::size_t size : {0, 1, 999, 1000, 1001, 25000}) {
      const Bytes content = content_of(size + 1, size);
      const auto ref = write(*store, size + 1, content);
      ASSERT_TRUE(ref.ok()) << to_string(ref.error());
      EXPECT_EQ(ref->content_size_bytes, content.size());
      EXPECT_EQ(read_all(*store, size + 1).value(), content);
      EXPECT_TRUE(store->verify(Slot(size + 1)).ok());
    }
    store.reset();
    disk.power_cut();
    store = open_store(disk, compress);
    ASSERT_TRUE(store->latest().has_value());
    EXPECT_EQ(store->latest()->id, id_of(25001));
    EXPECT_EQ(store->all().size(), 6U);
    EXPECT_EQ(read_all(*store, 25001).value(), content_of(25001, 25000));
    EXPECT_EQ(store->remove_old(Slot(25000)).value(), Slot(1001));
    EXPECT_EQ(store->all().size(), 3U);
    EXPECT_EQ(store->remove_old(Slot(25001)).value(), Slot(1002));
    EXPECT_EQ(store->all().size(), 2U);
  }
}

TEST(Snapshot, EqualContentGivesEqualFilesHoweverItIsSliced) {
  sim::ManualDiskClock clock;
  sim::SimDisk a(clock, 1);
  sim::SimDisk b(clock, 2);
  const Bytes content = content_of(5, 9000);
  auto store_a = open_store(a);
  auto store_b = open_store(b);
  const auto ref = write(*store_a, 5, content, 1);
  ASSERT_TRUE(ref.ok());
  ASSERT_TRUE(write(*store_b, 5, content, 4000).ok());
  EXPECT_EQ(store_a->read_file_at(Slot(5), 0, 1 << 20).value(),
            store_b->read_file_at(Slot(5), 0, 1 << 20).value());
}

TEST(Snapshot, ThePreviousOneIsUsedWhenPowerGoesInTheMiddle) {
  bool finished = false;
  for (std::uint64_t operation = 1; !finished; ++operation) {
    sim::ManualDiskClock clock;
    sim::SimDisk disk(clock, operation);
    auto store = open_store(disk);
    ASSERT_TRUE(write(*store, 10, content_of(10, 5000)).ok());
    disk.lose_power_at_operation(disk.operations() + operation);
    finished = write(*store, 20, content_of(20, 5000)).ok() && store->remove_old(Slot(20)).ok();
    if (finished && !disk.powered()) {
      finished = false;
    }
    store.reset();
    disk.power_cut();
    store = open_store(disk);
    ASSERT_TRUE(store->latest().has_value()) << "operation " << operation;
    const std::uint64_t slot = store->latest()->id.slot.value();
    EXPECT_TRUE(slot == 10 || slot == 20);
    EXPECT_EQ(read_all(*store, slot).value(), content_of(slot, 5000));
    EXPECT_EQ(read_all(*store, 10).value(), content_of(10, 5000));
    if (finished) {
      EXPECT_EQ(slot, 20U);
    }
    ASSERT_LT(operation, 100U);
  }
}

TEST(Snapshot, AFullDiskDropsOnlyTheOneUnderWay) {
  sim::ManualDiskClock clock;
  sim::SimDisk disk(clock, 1);
  auto store = open_store(disk, false);
  ASSERT_TRUE(write(*store, 10, content_of(10, 5000)).ok());
  disk.set_capacity(20 << 10);
  EXPECT_EQ(write(*store, 20, content_of(20, 50000)).error().code, ErrorCode::full);
  EXPECT_EQ(store->latest()->id.slot, Slot(10));
  EXPECT_TRUE(store->verify(Slot(10)).ok());
}

TEST(Snapshot, TravelsToAPeerAsAFile) {
  sim::ManualDiskClock clock;
  sim::SimDisk a(clock, 1);
  sim::SimDisk b(clock, 2);
  auto from = open_store(a);
  auto to = open_store(b);
  const Bytes content = content_of(8, 12345);
  const auto ref = write(*from, 8, content);
  ASSERT_TRUE(ref.ok());
  for (const bool cut_short : {true, false}) {
    auto receiver = to->receive();
    ASSERT_TRUE(receiver.ok());
    const std::uint64_t end = ref->file_size_bytes - (cut_short ? 1 : 0);
    while ((*receiver)->received_bytes() < end) {
      const std::uint64_t at = (*receiver)->received_bytes();
      const auto part = from->read_file_at(Slot(8), at, std::min<std::uint64_t>(777, end - at));
      ASSERT_TRUE((*receiver)->append(*part).ok());
    }
    const auto received = (*receiver)->finish(ref->id);
    EXPECT_EQ(received.ok(), !cut_short);
    EXPECT_EQ(to->latest().has_value(), !cut_short);
  }
  EXPECT_EQ(read_all(*to, 8).value(), content);
  auto receiver = to->receive();
  ASSERT_TRUE((*receiver)->append(from->read_file_at(Slot(8), 0, 1 << 20).value()).ok());
  SnapshotId other = ref->id;
  other.chain += 1;
  EXPECT_EQ((*receiver)->finish(other).error().code, ErrorCode::corrupt);
}

TEST(Snapshot, NoFlippedBitGoesUnseen) {
  const Bytes content = content_of(9, 2500);
  std::uint64_t size = 1;
  for (std::uint64_t offset = 0; offset < size; ++offset) {
    sim::ManualDiskClock clock;
    sim::SimDisk disk(clock, 1);
    auto store = open_store(disk);
    ASSERT_TRUE(write(*store, 4, content_of(4, 100)).ok());
    const auto ref = write(*store, 9, content);
    ASSERT_TRUE(ref.ok());
    size = ref->file_size_bytes;
    ASSERT_TRUE(disk.flip_bit(std::string(snapshot_directory) + "/" + snapshot_name(Slot(9)),
                              offset, static_cast<unsigned>(offset % 8)));
    EXPECT_EQ(store->verify(Slot(9)).error().code, ErrorCode::corrupt);
    const auto found = read_all(*store, 9);
    EXPECT_EQ(found.error().code, ErrorCode::corrupt);
    // The one before takes over, at once and after a restart.
    ASSERT_TRUE(store->set_aside(Slot(9)).ok());
    EXPECT_EQ(store->latest()->id.slot, Slot(4));
    store.reset();
    store = open_store(disk);
    EXPECT_EQ(store->latest()->id.slot, Slot(4));
  }
  EXPECT_GT(size, 200U);
}

TEST(Snapshot, ADamagedManifestCostsOnlyTime) {
  sim::ManualDiskClock clock;
  sim::SimDisk disk(clock, 1);
  auto store = open_store(disk);
  ASSERT_TRUE(write(*store, 4, content_of(4, 100)).ok());
  ASSERT_TRUE(write(*store, 9, content_of(9, 100)).ok());
  store.reset();
  ASSERT_TRUE(disk.flip_bit(std::string(snapshot_directory) + "/manifest", 20, 3));
  store = open_store(disk);
  EXPECT_EQ(store->all().size(), 2U);
  EXPECT_EQ(read_all(*store, 9).value(), content_of(9, 100));
}

}  // namespace
}  // namespace synod::storage
