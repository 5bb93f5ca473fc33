// Snapshots: the state after one slot, as a file of checked chunks.
//
// The caller gives canonical bytes in slices; equal states give equal files on every replica. A
// snapshot is written under a temporary name, flushed, renamed, its directory synced, and named in
// the manifest; before that it does not exist. Half-written ones are removed at open.
//
// Invariants  S1 latest() was whole and flushed when it was named.
//             S2 The previous snapshot stays until a newer one is named.
//             S3 A snapshot that fails its checks is never read from: corrupt, and the next older
//                one is offered.
// Errors      full, io: the snapshot under way is dropped, the older ones stand. corrupt: from
//             reading. Format: docs/formats/snapshot.md.
// Threads     Confined to the journal's Lane. Calls block on the disk.
// Memory      One chunk.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/planted.h"
#include "base/result.h"
#include "ports/disk.h"

namespace synod::storage {

struct SnapshotOptions {
  std::size_t chunk_size_bytes = 256 << 10;  // of content, before compression
  bool compress = true;                      // zstd, chunk by chunk, where it gains
  std::size_t keep = 2;                      // newest ones that are kept
  PlantedBug planted = PlantedBug::none;     // simulator and tests only
};

// What a snapshot is of. `meta` is the caller's (membership, rules version): bytes to be had before
// the content is read.
struct SnapshotId {
  ClusterId cluster;
  Slot slot;                 // the state after applying it
  std::uint64_t chain = 0;   // the log's chain hash at that slot
  std::uint64_t digest = 0;  // the state's own digest
  Bytes meta;

  friend bool operator==(const SnapshotId&, const SnapshotId&) = default;
};

struct SnapshotRef {
  SnapshotId id;
  std::uint64_t file_size_bytes = 0;
  std::uint64_t content_size_bytes = 0;
  std::uint64_t content_hash = 0;
};

// Writes one snapshot. Dropping it unfinished leaves nothing but a temporary file.
class SnapshotWriter {
 public:
  virtual ~SnapshotWriter() = default;
  virtual Status append(ByteView content) = 0;
  // Durable and named when this succeeds.
  virtual Result<SnapshotRef> finish() = 0;
};

// Reads the content of one snapshot, chunk by chunk, each checked.
class SnapshotReader {
 public:
  virtual ~SnapshotReader() = default;
  virtual const SnapshotRef& ref() const = 0;
  // The next piece of content; empty at the end, which is checked too.
  virtual Result<Bytes> next() = 0;
};

// Takes a snapshot file from a peer, as it is, in order.
class SnapshotReceiver {
 public:
  virtual ~SnapshotReceiver() = default;
  virtual std::uint64_t received_bytes() const = 0;
  virtual Status append(ByteView file_bytes) = 0;
  // Checks every chunk, then durable and named. corrupt if the file is not whole or is not of
  // `expected`.
  virtual Result<SnapshotRef> finish(const SnapshotId& expected) = 0;
};

class SnapshotStore {
 public:
  struct Impl;  // snapshot.cc

  // Makes the directory if absent, drops what is unfinished, reads the manifest.
  static Result<std::unique_ptr<SnapshotStore>> open(ports::Disk& disk,
                                                     const std::string& directory,
                                                     const SnapshotOptions& options);
  ~SnapshotStore();
  SnapshotStore(const SnapshotStore&) = delete;
  SnapshotStore& operator=(const SnapshotStore&) = delete;

  // Newest first.
  std::vector<SnapshotRef> all() const;
  std::optional<SnapshotRef> latest() const;

  // One writer or receiver at a time.
  Result<std::unique_ptr<SnapshotWriter>> begin(const SnapshotId& id);
  Result<std::unique_ptr<SnapshotReceiver>> receive();
  // `past_cache`: as the medium holds it, to check what was written.
  Result<std::unique_ptr<SnapshotReader>> read(Slot slot, bool past_cache = false);

  // Bytes of the file as they are, for a peer: up to `size` at `offset`.
  Result<Bytes> read_file_at(Slot slot, std::uint64_t offset, std::size_t size);

  // Reads and checks every chunk.
  Status verify(Slot slot);
  // Forgets a snapshot that failed its checks: renamed aside, not named any more.
  Status set_aside(Slot slot);
  // Of the snapshots through `through`, removes all but the newest `keep`; later ones stay. Returns
  // the slot of the oldest that stays.
  Result<std::optional<Slot>> remove_old(Slot through);
  // Removes one, whole or not; nothing if there is none.
  Status remove(Slot slot);

 private:
  explicit SnapshotStore(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace synod::storage
