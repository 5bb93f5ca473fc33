// The unit of writing: a group of records under one header that binds it to its place.
//
// A group begins on a 4 KiB boundary of its file, so that a torn write can never damage an older
// one. Its header repeats how far the log was durable when it was written: a bad group behind which
// another one says "durable through you" was damaged after it had been flushed (corrupted), a bad
// one without such a witness may never have been flushed (torn, doubtful). Shared by the log and
// the record journals. Bytes: docs/formats/log.md.
//
// Errors  Decoding is total.
// Memory  Borrowed payloads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace synod::storage {

inline constexpr std::size_t block_size_bytes = 4096;
inline constexpr std::size_t group_header_size_bytes = 88;
inline constexpr std::uint16_t group_format_version = 1;

// A longer payload is malformed. Above any one record.
inline constexpr std::size_t group_payload_size_bytes_max = 64 << 20;

// What kind of file a group belongs to; part of the magic.
enum class GroupKind : std::uint8_t { log = 'L', journal = 'J' };

struct GroupHeader {
  GroupKind kind = GroupKind::log;
  std::uint64_t log_id = 0;      // drawn when the log was begun
  std::uint64_t era = 0;         // drawn at every open: tells leftovers of an earlier life
  std::uint64_t generation = 0;  // of the segment
  std::uint64_t sequence = 0;    // of the group in the whole log, from 1
  std::uint64_t offset = 0;      // of this header in its file
  std::uint64_t first_lsn = 0;
  std::uint64_t durable_sequence = 0;   // the last group known to be flushed before this one
  std::uint64_t predecessor_chain = 0;  // chain() of the group before
  std::uint32_t record_count = 0;       // 0: a witness
  std::uint32_t payload_size_bytes = 0;
  std::uint32_t payload_crc = 0;

  friend bool operator==(const GroupHeader&, const GroupHeader&) = default;
};

// Exactly group_header_size_bytes, ending in its own checksum.
Bytes encode_group_header(const GroupHeader& header);
// Nothing if the magic, the version or the checksum is not right.
std::optional<GroupHeader> decode_group_header(ByteView bytes);

// What the next group's predecessor_chain must be.
std::uint64_t group_chain(const GroupHeader& header);

// Header and payload, padded with zeros to whole blocks: what is written at header.offset. Fills in
// the payload's size and checksum.
Bytes encode_group(GroupHeader& header, ByteView payload);

// Rounds up to the next block boundary.
constexpr std::uint64_t next_block(std::uint64_t offset) {
  return (offset + block_size_bytes - 1) / block_size_bytes * block_size_bytes;
}

// What was found where the log ends.
enum class Tail {
  clean,     // nothing was there
  torn,      // a group that was never whole and that nothing vouches for: dropped
  doubtful,  // the last group is bad and nothing tells whether it had been flushed: dropped, said
};

const char* to_string(Tail tail);

// A group that had been durable and is not readable any more. What it and those behind it held is
// unknown here and must come from peers; nothing was dropped or overwritten.
struct Damage {
  std::string file;
  std::uint64_t offset = 0;
  std::uint64_t sequence = 0;          // of the bad group
  std::uint64_t witness_sequence = 0;  // of the group that vouches for it
  std::string reason;
};

}  // namespace synod::storage
