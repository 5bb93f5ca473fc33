#include "storage/group_scan.h"

#include <algorithm>

#include "base/checksum.h"

namespace synod::storage {
namespace {

constexpr std::size_t window_size_bytes = 256 << 10;

bool all_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
}

bool belongs(const GroupHeader& header, const GroupPlace& place) {
  return header.kind == place.kind && (place.log_id == 0 || header.log_id == place.log_id) &&
         header.generation == place.generation;
}

// The first header of this log and generation, at its own place, that `wanted` takes.
template <typename Wanted>
Result<std::optional<GroupHeader>> find_header(FileWindow& window, const GroupPlace& place,
                                               Wanted wanted) {
  for (std::uint64_t offset = place.offset;; offset += block_size_bytes) {
    SYNOD_TRY_ASSIGN(const ByteView bytes, window.bytes(offset, group_header_size_bytes));
    if (bytes.size() < group_header_size_bytes) {
      return std::optional<GroupHeader>{};
    }
    const auto header = decode_group_header(bytes);
    if (header.has_value() && belongs(*header, place) && header->offset == offset &&
        wanted(*header)) {
      return header;
    }
  }
}

}  // namespace

Result<Bytes> FileWindow::fetch(std::uint64_t offset, std::size_t size) {
  if (past_cache_) {
    Result<Bytes> bytes = file_.read_medium_at(offset, size);
    if (bytes.ok() || bytes.error().code != ErrorCode::unsupported) {
      return bytes;
    }
    past_cache_ = false;
  }
  return file_.read_at(offset, size);
}

Result<ByteView> FileWindow::bytes(std::uint64_t offset, std::size_t size) {
  const bool inside = offset >= window_offset_ &&
                      offset + size <= window_offset_ + window_.size() && !window_.empty();
  if (!inside) {
    const std::uint64_t start = offset / block_size_bytes * block_size_bytes;
    const std::size_t slack = static_cast<std::size_t>(offset - start);
    SYNOD_TRY_ASSIGN(window_, fetch(start, std::max(window_size_bytes, next_block(slack + size))));
    window_offset_ = start;
  }
  const std::size_t skip =
      std::min(static_cast<std::size_t>(offset - window_offset_), window_.size());
  return ByteView(window_).substr(skip, size);
}

Result<FoundGroup> read_group(FileWindow& window, const GroupPlace& place) {
  FoundGroup answer;
  SYNOD_TRY_ASSIGN(const ByteView block, window.bytes(place.offset, block_size_bytes));
  if (all_zero(block)) {
    return answer;
  }
  const ByteView head = block.substr(0, std::min(block.size(), group_header_size_bytes));
  if (all_zero(head)) {
    answer.found = Found::leftover;  // a torn write that lost its first sector
    return answer;
  }
  const auto header = decode_group_header(head);
  if (!header.has_value()) {
    answer.found = Found::bad;
    answer.reason = "group header fails its checksum";
    return answer;
  }
  if (!belongs(*header, place) || header->offset != place.offset) {
    answer.found = Found::bad;
    answer.reason = "group belongs to another place";
    return answer;
  }
  if (place.sequence != 0 && (header->sequence != place.sequence ||
                              header->predecessor_chain != place.predecessor_chain)) {
    // Of a flush that an earlier life never finished. If it vouches for more than is known here,
    // find_witness will say so.
    answer.found = Found::leftover;
    return answer;
  }
  SYNOD_TRY_ASSIGN(const ByteView payload, window.bytes(place.offset + group_header_size_bytes,
                                                        header->payload_size_bytes));
  if (payload.size() < header->payload_size_bytes || crc32c(0, payload) != header->payload_crc) {
    answer.found = Found::bad;
    answer.reason = "group payload fails its checksum";
  } else {
    answer.found = Found::good;
  }
  answer.header = *header;
  answer.payload = Bytes(payload);
  return answer;
}

Result<std::optional<GroupHeader>> find_witness(FileWindow& window, const GroupPlace& place) {
  return find_header(window, place, [&place](const GroupHeader& header) {
    return header.durable_sequence >= place.sequence;
  });
}

Result<bool> any_group_behind(FileWindow& window, const GroupPlace& place) {
  SYNOD_TRY_ASSIGN(const auto header,
                   find_header(window, place, [](const GroupHeader&) { return true; }));
  return header.has_value();
}

}  // namespace synod::storage
