#include "storage/snapshot_file.h"

#include <fmt/format.h>
#include <zstd.h>

#include "base/check.h"
#include "base/checksum.h"

namespace synod::storage {
namespace {

constexpr std::uint32_t snapshot_magic = 0x534e5953;  // "SYNS" in the file
constexpr std::uint32_t manifest_magic = 0x4d4e5953;  // "SYNM"
constexpr std::size_t header_fixed_size_bytes = 48;   // through the length of meta
constexpr int zstd_level = 1;

// Bound to its place among the chunks: a chunk moved elsewhere fails.
std::uint32_t chunk_crc(std::uint32_t number, ByteView sizes, ByteView stored) {
  ByteWriter place;
  place.u32(number);
  return crc32c(crc32c(crc32c(0, place.bytes()), sizes), stored);
}

// The compressed content, or nothing if it gains less than an eighth.
std::optional<Bytes> compressed(ByteView content) {
  Bytes out(ZSTD_compressBound(content.size()), '\0');
  const std::size_t size =
      ZSTD_compress(out.data(), out.size(), content.data(), content.size(), zstd_level);
  if (ZSTD_isError(size) != 0 || size > content.size() - content.size() / 8) {
    return {};
  }
  out.resize(size);
  return out;
}

}  // namespace

SnapshotEncoder::SnapshotEncoder(SnapshotId id, const SnapshotOptions& options)
    : id_(std::move(id)), options_(options) {
  SYNOD_CHECK(id_.meta.size() <= snapshot_meta_size_bytes_max);
}

Bytes SnapshotEncoder::header() {
  ByteWriter out;
  out.u32(snapshot_magic);
  out.u16(snapshot_format_version);
  out.u16(0);
  out.u64(id_.cluster.value());
  out.u64(id_.slot.value());
  out.u64(id_.chain);
  out.u64(id_.digest);
  out.u32(0);
  out.sized(id_.meta);
  out.u32(crc32c(0, out.bytes()));
  file_size_ += out.size();
  return out.take();
}

Bytes SnapshotEncoder::chunk(ByteView content) {
  SYNOD_CHECK(!content.empty() && content.size() <= snapshot_chunk_size_bytes_max);
  std::optional<Bytes> packed;
  if (options_.compress) {
    packed = compressed(content);
  }
  const ByteView stored = packed.has_value() ? ByteView(*packed) : content;
  ByteWriter out;
  out.u8(static_cast<std::uint8_t>(packed.has_value() ? ChunkType::zstd : ChunkType::raw));
  out.u32(static_cast<std::uint32_t>(content.size()));
  out.u32(static_cast<std::uint32_t>(stored.size()));
  out.u32(chunk_crc(chunks_, out.bytes(), stored));
  out.raw(stored);
  ++chunks_;
  content_size_ += content.size();
  content_hash_ = hash64(content, content_hash_);
  file_size_ += out.size();
  return out.take();
}

Bytes SnapshotEncoder::end() {
  ByteWriter out;
  out.u8(static_cast<std::uint8_t>(ChunkType::end));
  out.u32(chunks_);
  out.u64(content_size_);
  out.u64(content_hash_);
  out.u32(crc32c(0, out.bytes()));
  file_size_ += out.size();
  return out.take();
}

SnapshotRef SnapshotEncoder::ref() const {
  return SnapshotRef{id_, file_size_, content_size_, content_hash_};
}

Error SnapshotDecoder::corrupt(const std::string& what) const {
  return Error{ErrorCode::corrupt, fmt::format("{} at {}: {}", name_, offset_, what)};
}

Result<ByteView> SnapshotDecoder::exactly(std::size_t size) {
  SYNOD_TRY_ASSIGN(const ByteView bytes, window_.bytes(offset_, size));
  if (bytes.size() < size) {
    return corrupt("the file is short");
  }
  return bytes;
}

Result<SnapshotId> SnapshotDecoder::header() {
  SYNOD_TRY_ASSIGN(const ByteView fixed, exactly(header_fixed_size_bytes));
  ByteReader in(fixed);
  if (in.u32() != snapshot_magic || in.u16() != snapshot_format_version || in.u16() != 0) {
    return corrupt("not a snapshot of a known version");
  }
  SnapshotId id;
  id.cluster = ClusterId(in.u64());
  id.slot = Slot(in.u64());
  id.chain = in.u64();
  id.digest = in.u64();
  const std::uint32_t reserved = in.u32();
  const std::uint32_t meta_size = in.u32();
  if (reserved != 0 || meta_size > snapshot_meta_size_bytes_max) {
    return corrupt("header is malformed");
  }
  const std::size_t size = header_fixed_size_bytes + meta_size + 4;
  SYNOD_TRY_ASSIGN(const ByteView all, exactly(size));
  ByteReader tail(all.substr(header_fixed_size_bytes));
  id.meta = Bytes(tail.raw(meta_size));
  if (tail.u32() != crc32c(0, all.substr(0, size - 4))) {
    return corrupt("header fails its checksum");
  }
  offset_ += size;
  ref_.id = id;
  return id;
}

Result<Bytes> SnapshotDecoder::end() {
  SYNOD_TRY_ASSIGN(const ByteView bytes, exactly(end_size_bytes));
  ByteReader in(bytes);
  in.u8();
  const std::uint32_t chunks = in.u32();
  const std::uint64_t content_size = in.u64();
  const std::uint64_t content_hash = in.u64();
  if (in.u32() != crc32c(0, bytes.substr(0, end_size_bytes - 4))) {
    return corrupt("end fails its checksum");
  }
  if (chunks != chunks_ || content_size != ref_.content_size_bytes ||
      content_hash != ref_.content_hash) {
    return corrupt("content is not what the end says");
  }
  offset_ += end_size_bytes;
  SYNOD_TRY_ASSIGN(const ByteView behind, window_.bytes(offset_, 1));
  if (!behind.empty()) {
    return corrupt("bytes behind the end");
  }
  ref_.file_size_bytes = offset_;
  ended_ = true;
  return Bytes();
}

Result<Bytes> SnapshotDecoder::next() {
  SYNOD_CHECK(!ended_);
  SYNOD_TRY_ASSIGN(const ByteView type, exactly(1));
  const auto kind = static_cast<ChunkType>(type[0]);
  if (kind == ChunkType::end) {
    return end();
  }
  SYNOD_TRY_ASSIGN(const ByteView head, exactly(chunk_header_size_bytes));
  ByteReader in(head);
  in.u8();
  const std::uint32_t content_size = in.u32();
  const std::uint32_t stored_size = in.u32();
  const std::uint32_t crc = in.u32();
  const Bytes sizes(head.substr(0, chunk_header_size_bytes - 4));
  const bool plausible = (kind == ChunkType::raw || kind == ChunkType::zstd) && content_size > 0 &&
                         content_size <= snapshot_chunk_size_bytes_max && stored_size > 0 &&
                         stored_size <= content_size;
  if (!plausible) {
    return corrupt("chunk is malformed");
  }
  SYNOD_TRY_ASSIGN(const ByteView all, exactly(chunk_header_size_bytes + stored_size));
  const ByteView stored = all.substr(chunk_header_size_bytes);
  if (crc != chunk_crc(chunks_, sizes, stored)) {
    return corrupt("chunk fails its checksum");
  }
  Bytes content;
  if (kind == ChunkType::raw) {
    content = Bytes(stored);
  } else {
    content.resize(content_size);
    const std::size_t got =
        ZSTD_decompress(content.data(), content.size(), stored.data(), stored.size());
    if (ZSTD_isError(got) != 0) {
      return corrupt("chunk does not decompress");
    }
    content.resize(got);
  }
  if (content.size() != content_size) {
    return corrupt("chunk has another size than it says");
  }
  offset_ += chunk_header_size_bytes + stored_size;
  ++chunks_;
  ref_.content_size_bytes += content.size();
  ref_.content_hash = hash64(content, ref_.content_hash);
  return content;
}

std::string snapshot_name(Slot slot) { return fmt::format("snapshot-{:016x}", slot.value()); }

std::optional<Slot> snapshot_slot(const std::string& name) {
  constexpr std::string_view prefix = "snapshot-";
  if (name.size() != prefix.size() + 16 || name.compare(0, prefix.size(), prefix) != 0) {
    return {};
  }
  std::uint64_t slot = 0;
  for (char c : name.substr(prefix.size())) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && !(c >= 'a' && c <= 'f')) {
      return {};
    }
    slot = slot * 16 + static_cast<std::uint64_t>(digit ? c - '0' : c - 'a' + 10);
  }
  return Slot(slot);
}

Bytes encode_manifest(const std::vector<ManifestEntry>& entries) {
  ByteWriter out;
  out.u32(manifest_magic);
  out.u16(snapshot_format_version);
  out.u16(0);
  out.u32(static_cast<std::uint32_t>(entries.size()));
  for (const ManifestEntry& entry : entries) {
    out.u64(entry.slot.value());
    out.u64(entry.file_size_bytes);
    out.u64(entry.content_size_bytes);
    out.u64(entry.content_hash);
  }
  out.u32(crc32c(0, out.bytes()));
  return out.take();
}

Result<std::vector<ManifestEntry>> decode_manifest(ByteView bytes) {
  const Error bad{ErrorCode::corrupt, "the manifest is malformed"};
  if (bytes.size() < 4) {
    return bad;
  }
  const ByteView content = bytes.substr(0, bytes.size() - 4);
  ByteReader crc(bytes.substr(bytes.size() - 4));
  ByteReader in(content);
  if (crc.u32() != crc32c(0, content) || in.u32() != manifest_magic ||
      in.u16() != snapshot_format_version || in.u16() != 0) {
    return bad;
  }
  const std::uint32_t count = in.u32();
  std::vector<ManifestEntry> entries;
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    ManifestEntry entry;
    entry.slot = Slot(in.u64());
    entry.file_size_bytes = in.u64();
    entry.content_size_bytes = in.u64();
    entry.content_hash = in.u64();
    entries.push_back(entry);
  }
  if (!in.done()) {
    return bad;
  }
  return entries;
}

}  // namespace synod::storage
