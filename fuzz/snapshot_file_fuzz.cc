// Snapshot files, manifests and record journals of any bytes.
#include "fuzz/fuzz.h"
#include "sim/disk.h"
#include "storage/record_journal.h"
#include "storage/snapshot.h"
#include "storage/snapshot_file.h"

namespace synod::fuzz {
namespace {

using namespace storage;

constexpr std::uint64_t content_size_max = 64 << 20;

void open_snapshots(ByteView input) {
  sim::ManualDiskClock clock;
  sim::SimDisk disk(clock, 1);
  SYNOD_CHECK(disk.make_directories("s").ok());
  SYNOD_CHECK(ports::write_file_atomically(disk, "s/" + snapshot_name(Slot(7)), input).ok());
  SYNOD_CHECK(ports::write_file_atomically(disk, "s/manifest", input).ok());
  auto store = SnapshotStore::open(disk, "s", {});
  SYNOD_CHECK(store.ok());
  if (const auto latest = (*store)->latest()) {
    SYNOD_CHECK(latest->id.slot == Slot(7));
    SYNOD_CHECK((*store)->verify(Slot(7)).ok());
  }
}

void read_file(ByteView input) {
  sim::ManualDiskClock clock;
  sim::SimDisk disk(clock, 1);
  auto file = disk.open("f", ports::OpenMode::create);
  SYNOD_CHECK(file.ok() && (*file)->write_at(0, input).ok());
  SnapshotDecoder decoder(**file, "f", false);
  if (!decoder.header().ok()) {
    return;
  }
  std::uint64_t size = 0;
  for (;;) {
    const auto content = decoder.next();
    if (!content.ok() || content->empty()) {
      return;
    }
    size += content->size();
    SYNOD_CHECK(size < content_size_max || input.size() > (1 << 20));
  }
}

void open_journal(ByteView input) {
  sim::ManualDiskClock clock;
  sim::SimDisk disk(clock, 1);
  SYNOD_CHECK(disk.make_directories("j").ok());
  SYNOD_CHECK(ports::write_file_atomically(disk, "j/journal-0000000000000001", input).ok());
  auto opened = RecordJournal::open(disk, "j", {}, 5);
  if (!opened.ok()) {
    SYNOD_CHECK(opened.error().code == ErrorCode::corrupt);
    return;
  }
  opened->journal->append("more");
  SYNOD_CHECK(opened->journal->flush().ok());
  const std::size_t count = opened->records.size();
  opened->journal.reset();
  opened = RecordJournal::open(disk, "j", {}, 6);
  SYNOD_CHECK(opened.ok() && opened->records.size() == count + 1);
}

void one(ByteView input) {
  if (auto manifest = decode_manifest(input); manifest.ok()) {
    SYNOD_CHECK(encode_manifest(*manifest) == input);
  }
  read_file(input);
  open_snapshots(input);
  open_journal(input);
}

std::vector<Bytes> seeds() {
  sim::ManualDiskClock clock;
  sim::SimDisk disk(clock, 1);
  SnapshotOptions options;
  options.chunk_size_bytes = 64;
  auto store = SnapshotStore::open(disk, "s", options);
  auto writer = (*store)->begin(SnapshotId{ClusterId(1), Slot(7), 2, 3, "meta"});
  SYNOD_CHECK((*writer)->append("some content, not so short" + Bytes(150, 'c')).ok());
  SYNOD_CHECK((*writer)->finish().ok());
  auto journal = RecordJournal::open(disk, "j", {}, 5);
  journal->journal->append("record");
  SYNOD_CHECK(journal->journal->flush().ok());
  return {(*store)->read_file_at(Slot(7), 0, 1 << 20).value(),
          ports::read_file(disk, "s/manifest", 1 << 20).value(),
          ports::read_file(disk, "j/journal-0000000000000001", 1 << 20).value()};
}

SYNOD_FUZZ_TARGET(snapshot_file, one, seeds);

}  // namespace
}  // namespace synod::fuzz
