// The bytes of a snapshot file: header, chunks, end (docs/formats/snapshot.md).
//
// Errors  Decoding is total: anything that is not exactly a snapshot file is corrupt.
// Memory  One chunk, one window of the file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "ports/disk.h"
#include "storage/group_scan.h"
#include "storage/snapshot.h"

namespace synod::storage {

inline constexpr std::uint16_t snapshot_format_version = 1;
inline constexpr std::size_t snapshot_meta_size_bytes_max = 1 << 20;
inline constexpr std::size_t snapshot_chunk_size_bytes_max = 4 << 20;

enum class ChunkType : std::uint8_t { end = 0, raw = 1, zstd = 2 };

inline constexpr std::size_t chunk_header_size_bytes = 13;
inline constexpr std::size_t end_size_bytes = 25;

// Encodes in order: header, chunks, end.
class SnapshotEncoder {
 public:
  SnapshotEncoder(SnapshotId id, const SnapshotOptions& options);

  Bytes header();
  Bytes chunk(ByteView content);
  Bytes end();
  // After end().
  SnapshotRef ref() const;

 private:
  SnapshotId id_;
  SnapshotOptions options_;
  std::uint64_t file_size_ = 0;
  std::uint64_t content_size_ = 0;
  std::uint64_t content_hash_ = 0;
  std::uint32_t chunks_ = 0;
};

// Decodes a file from its beginning.
class SnapshotDecoder {
 public:
  // `name` stands in errors.
  SnapshotDecoder(ports::File& file, std::string name, bool past_cache)
      : window_(file, past_cache), name_(std::move(name)) {}

  Result<SnapshotId> header();
  // After header(). The content of the next chunk; empty at the end, which was checked then, and
  // behind which the file must end.
  Result<Bytes> next();
  // After next() gave the end.
  SnapshotRef ref() const { return ref_; }

 private:
  Error corrupt(const std::string& what) const;
  Result<Bytes> end();
  Result<ByteView> exactly(std::size_t size);

  FileWindow window_;
  std::string name_;
  std::uint64_t offset_ = 0;
  std::uint32_t chunks_ = 0;
  bool ended_ = false;
  SnapshotRef ref_;
};

// `snapshot-<slot in 16 hexadecimal digits>`.
std::string snapshot_name(Slot slot);
std::optional<Slot> snapshot_slot(const std::string& name);

// The file that names the durable snapshots.
struct ManifestEntry {
  Slot slot;
  std::uint64_t file_size_bytes = 0;
  std::uint64_t content_size_bytes = 0;
  std::uint64_t content_hash = 0;

  friend bool operator==(const ManifestEntry&, const ManifestEntry&) = default;
};

Bytes encode_manifest(const std::vector<ManifestEntry>& entries);
Result<std::vector<ManifestEntry>> decode_manifest(ByteView bytes);

}  // namespace synod::storage
