// The inside of Log; included by its own source files only.
//
// Places are planned when a record is appended, since a segment must begin with the state as it was
// before its first record: a group knows then whether it starts a segment.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "storage/group_scan.h"
#include "storage/log.h"
#include "storage/log_index.h"

namespace synod::storage {

// `segment-0000000000000001`.
std::string segment_name(std::uint64_t generation);
// The generation in a segment's name, or nothing.
std::optional<std::uint64_t> segment_generation(const std::string& name);
// `DIRECTORY.damaged-1`, or -2 and so on: the first that is not there yet.
Result<std::string> name_aside(ports::Disk& disk, const std::string& directory);
inline constexpr const char* spare_name = "spare";

struct Segment {
  std::uint64_t generation = 0;
  std::unique_ptr<ports::File> file;
};

// A group under way or waiting for its flush.
struct PendingGroup {
  bool starts_segment = false;
  std::uint64_t generation = 0;
  std::uint64_t offset = 0;
  Lsn first_lsn;
  std::uint32_t record_count = 0;
  ByteWriter payload;
  std::vector<IndexEntry> entries;
};

// Where the next segment's file stands in its filling.
struct Spare {
  std::unique_ptr<ports::File> file;
  std::uint64_t filled = 0;
  bool ready = false;
};

struct Log::Impl {
  Impl(ports::Disk& d, std::string dir, const LogOptions& o)
      : disk(d), directory(std::move(dir)), options(o) {}

  ports::Disk& disk;
  const std::string directory;
  const LogOptions options;

  std::uint64_t log_id = 0;
  std::uint64_t era = 0;

  LogState state;
  LogIndex index;
  Lsn last_lsn;
  Lsn durable_lsn;

  std::deque<Segment> segments;  // ascending generations, without holes; the last is written to
  // Where the next planned group begins.
  std::uint64_t plan_generation = 0;
  std::uint64_t plan_offset = 0;
  std::deque<PendingGroup> pending;
  bool group_open = false;  // pending.back() may take more records

  // Of the last group written and of the last one flushed.
  std::uint64_t written_sequence = 0;
  std::uint64_t written_chain = 0;
  std::uint64_t durable_sequence = 0;
  std::uint64_t durable_chain = 0;
  std::uint64_t durable_generation = 0;
  bool last_is_witness = true;  // nothing needs one

  Spare spare;
  std::optional<Error> fence;

  std::string path(const std::string& name) const { return directory + "/" + name; }
  // Four times as much as the one before, up to the full size: filling ahead costs in proportion to
  // what was written so far.
  std::uint64_t capacity(std::uint64_t generation) const {
    std::uint64_t size = options.first_segment_size_bytes;
    for (; generation > 1 && size < options.segment_size_bytes; --generation) {
      size *= 4;
    }
    return std::min(size, options.segment_size_bytes);
  }
  Segment* find_segment(std::uint64_t generation);

  // Planning.
  Lsn append(const Record& record);
  void begin_group(std::size_t first_record_size);
  void close_group();
  void put(const Record& record);

  // Writing. Errors other than full fence.
  Status flush();
  Status write_group(PendingGroup& group);
  Status flush_file();
  Status start_segment(std::uint64_t generation);
  Status fail(Error error);
  Status witness();

  // Ahead and behind.
  Result<bool> prepare_step();
  std::uint64_t durable_end(const Segment& segment) const;
  Result<std::optional<Damage>> scrub_step(ScrubAt& at, std::size_t size_bytes_max);
  Result<std::size_t> remove_through(Slot covered_through, std::uint64_t keep);
  Result<std::vector<SlotValue>> read(Slot from, Slot through, std::size_t size_bytes_max);
  Status read_run(const Run& run, FileWindow& window, Slot from, Slot through,
                  std::size_t size_bytes_max, std::size_t& size, std::vector<SlotValue>& out);
};

}  // namespace synod::storage
