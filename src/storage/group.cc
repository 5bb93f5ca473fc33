#include "storage/group.h"

#include "base/checksum.h"

namespace synod::storage {
namespace {

constexpr std::uint32_t magic = 0x474e5953;  // "SYNG" in the file

}  // namespace

Bytes encode_group_header(const GroupHeader& h) {
  ByteWriter out;
  out.u32(magic);
  out.u16(group_format_version);
  out.u8(static_cast<std::uint8_t>(h.kind));
  out.u8(0);
  out.u64(h.log_id);
  out.u64(h.era);
  out.u64(h.generation);
  out.u64(h.sequence);
  out.u64(h.offset);
  out.u64(h.first_lsn);
  out.u64(h.durable_sequence);
  out.u64(h.predecessor_chain);
  out.u32(h.record_count);
  out.u32(h.payload_size_bytes);
  out.u32(h.payload_crc);
  out.u32(crc32c(0, out.bytes()));
  return out.take();
}

std::optional<GroupHeader> decode_group_header(ByteView bytes) {
  if (bytes.size() < group_header_size_bytes) {
    return {};
  }
  bytes = bytes.substr(0, group_header_size_bytes);
  ByteReader in(bytes);
  if (in.u32() != magic || in.u16() != group_format_version) {
    return {};
  }
  GroupHeader h;
  const std::uint8_t kind = in.u8();
  const std::uint8_t zero = in.u8();
  h.log_id = in.u64();
  h.era = in.u64();
  h.generation = in.u64();
  h.sequence = in.u64();
  h.offset = in.u64();
  h.first_lsn = in.u64();
  h.durable_sequence = in.u64();
  h.predecessor_chain = in.u64();
  h.record_count = in.u32();
  h.payload_size_bytes = in.u32();
  h.payload_crc = in.u32();
  const std::uint32_t crc = in.u32();
  const bool known_kind = kind == static_cast<std::uint8_t>(GroupKind::log) ||
                          kind == static_cast<std::uint8_t>(GroupKind::journal);
  if (crc != crc32c(0, bytes.substr(0, group_header_size_bytes - 4)) || !known_kind || zero != 0 ||
      h.payload_size_bytes > group_payload_size_bytes_max) {
    return {};
  }
  h.kind = static_cast<GroupKind>(kind);
  return h;
}

std::uint64_t group_chain(const GroupHeader& header) { return hash64(encode_group_header(header)); }

Bytes encode_group(GroupHeader& header, ByteView payload) {
  header.payload_size_bytes = static_cast<std::uint32_t>(payload.size());
  header.payload_crc = crc32c(0, payload);
  Bytes bytes = encode_group_header(header);
  bytes.reserve(next_block(bytes.size() + payload.size()));
  bytes.append(payload);
  bytes.resize(next_block(bytes.size()));
  return bytes;
}

const char* to_string(Tail tail) {
  switch (tail) {
    case Tail::clean: return "clean";
    case Tail::torn: return "torn";
    case Tail::doubtful: return "doubtful";
  }
  return "?";
}

}  // namespace synod::storage
