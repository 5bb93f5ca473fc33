// Reading groups back: what stands at a place, and whether a later group vouches for it.
//
// Errors  io from the file. Bad bytes are an answer, not an error.
// Memory  One window of the file; payloads are copied out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "ports/disk.h"
#include "storage/group.h"

namespace synod::storage {

// A window over a file, read in large pieces.
class FileWindow {
 public:
  // `past_cache`: what the medium holds, where the Disk can tell.
  FileWindow(ports::File& file, bool past_cache) : file_(file), past_cache_(past_cache) {}

  // Up to `size` bytes at `offset`, shorter only at the end of the file. Valid until the next call.
  Result<ByteView> bytes(std::uint64_t offset, std::size_t size);

 private:
  Result<Bytes> fetch(std::uint64_t offset, std::size_t size);

  ports::File& file_;
  bool past_cache_;
  Bytes window_;
  std::uint64_t window_offset_ = 0;
};

// What the next group must be. log_id 0 and sequence 0: not known yet, anything goes.
struct GroupPlace {
  GroupKind kind = GroupKind::log;
  std::uint64_t log_id = 0;
  std::uint64_t generation = 0;
  std::uint64_t sequence = 0;
  std::uint64_t predecessor_chain = 0;  // not checked if sequence is 0
  std::uint64_t offset = 0;
};

enum class Found {
  good,      // the expected group, whole
  nothing,   // zeros or the end of the file
  leftover,  // a whole header of an earlier life of this place, or loose bytes behind zeros
  bad,       // bytes that should have been a group and are not
};

struct FoundGroup {
  Found found = Found::nothing;
  std::string reason;  // of bad
  GroupHeader header;  // of good
  Bytes payload;       // of good
};

Result<FoundGroup> read_group(FileWindow& window, const GroupPlace& place);

// The first group of the file, at or behind place.offset, that was written when a group of at least
// place.sequence was durable already: proof that what is missing at `place` had been there.
Result<std::optional<GroupHeader>> find_witness(FileWindow& window, const GroupPlace& place);

// True if any group header of this log and generation stands at or behind place.offset.
Result<bool> any_group_behind(FileWindow& window, const GroupPlace& place);

}  // namespace synod::storage
