// Segments: beginning them, filling the next one ahead, removing the oldest.
#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "storage/log_impl.h"

namespace synod::storage {

Result<std::string> name_aside(ports::Disk& disk, const std::string& directory) {
  for (std::uint64_t n = 1;; ++n) {
    std::string name = fmt::format("{}.damaged-{}", directory, n);
    SYNOD_TRY_ASSIGN(const bool taken, disk.exists(name));
    if (!taken) {
      return name;
    }
  }
}

Status Log::Impl::start_segment(std::uint64_t generation) {
  const std::string name = path(segment_name(generation));
  std::unique_ptr<ports::File> file;
  if (spare.file != nullptr) {
    // Filled or not: a segment that is filled halfway serves as well, only slower.
    if (Status renamed = disk.rename(path(spare_name), name); !renamed.ok()) {
      return fail(renamed.error());
    }
    file = std::move(spare.file);
    spare = Spare{};
  } else {
    auto opened = disk.open(name, ports::OpenMode::create);
    if (!opened.ok()) {
      return fail(opened.error());
    }
    file = std::move(opened).value();
  }
  segments.push_back(Segment{generation, std::move(file)});
  // The name must be durable before anything in the file counts as durable.
  const bool skip = options.planted == PlantedBug::skip_directory_flush;
  if (Status synced = skip ? Status() : disk.sync_directory(directory); !synced.ok()) {
    Error error = synced.error();
    error.code = ErrorCode::io;
    return fail(std::move(error));
  }
  return {};
}

Result<bool> Log::Impl::prepare_step() {
  if (!options.fill_ahead || spare.ready || fence.has_value()) {
    return false;
  }
  // Not before it will be of use: a quiet log never writes 64 MiB of zeros. Then as fast as leaves
  // it ready when three quarters are used, and no faster: each step delays a flush.
  const std::uint64_t present = capacity(plan_generation);
  const std::uint64_t next = capacity(plan_generation + 1);
  if (segments.empty() || plan_offset < present / 4 ||
      spare.filled / options.fill_step_size_bytes * present >=
          (plan_offset - present / 4) * 2 * next / options.fill_step_size_bytes) {
    return false;
  }
  const auto drop = [this](Error error) {
    spare = Spare{};
    static_cast<void>(disk.remove(path(spare_name)));
    return error;
  };
  if (spare.file == nullptr) {
    SYNOD_TRY_ASSIGN(spare.file, disk.open(path(spare_name), ports::OpenMode::create));
    if (Status cut = spare.file->truncate(0); !cut.ok()) {
      return drop(cut.error());
    }
  }
  const std::uint64_t left = next - spare.filled;
  const Bytes zeros(std::min<std::uint64_t>(left, options.fill_step_size_bytes), '\0');
  Status done = spare.file->write_at(spare.filled, zeros);
  if (done.ok()) {
    // Step by step, so that no flush of the log ever waits for a heap of zeros.
    done = spare.file->flush();
  }
  if (!done.ok()) {
    return drop(done.error());
  }
  spare.filled += zeros.size();
  spare.ready = spare.filled == next;
  return !spare.ready;
}

Result<std::size_t> Log::Impl::remove_through(Slot covered_through, std::uint64_t keep) {
  std::size_t removed = 0;
  if (covered_through.value() <= keep) {
    return removed;
  }
  const Slot limit(covered_through.value() - keep);
  while (segments.size() > 1) {
    const std::uint64_t generation = segments.front().generation;
    const bool needed = generation >= durable_generation ||
                        index.last_in_segment(generation) > limit ||
                        index.staged_in_segment(generation);
    if (needed) {
      break;
    }
    SYNOD_TRY(disk.remove(path(segment_name(generation))));
    segments.pop_front();
    index.drop_through_segment(generation);
    if (index.first().value() > 1) {
      state.forget_chains_through(Slot(index.first().value() - 2));
    }
    // One name at a time: a crash must never leave a hole among the segments.
    SYNOD_TRY(disk.sync_directory(directory));
    ++removed;
  }
  return removed;
}

// Behind the last durable group of the segment that is written to; of an older one nobody says.
std::uint64_t Log::Impl::durable_end(const Segment& segment) const {
  if (segment.generation != segments.back().generation) {
    return UINT64_MAX;
  }
  if (!pending.empty()) {
    return pending.front().generation == segment.generation ? pending.front().offset : UINT64_MAX;
  }
  return plan_generation == segment.generation ? plan_offset : UINT64_MAX;
}

Result<std::optional<Damage>> Log::Impl::scrub_step(ScrubAt& at, std::size_t size_bytes_max) {
  if (segments.empty() || fence.has_value()) {
    return std::optional<Damage>{};
  }
  const Segment* segment = find_segment(at.generation);
  if (segment == nullptr) {
    segment = &segments.front();
    at = ScrubAt{segment->generation, 0};
  }
  const std::uint64_t end = durable_end(*segment);
  FileWindow window(*segment->file, true);
  std::size_t read = 0;
  bool ended = at.offset >= end;
  while (!ended && read < size_bytes_max) {
    GroupPlace place;
    place.log_id = log_id;
    place.generation = at.generation;
    place.offset = at.offset;
    SYNOD_TRY_ASSIGN(const FoundGroup group, read_group(window, place));
    if (group.found == Found::good) {
      const std::uint64_t next =
          next_block(at.offset + group_header_size_bytes + group.header.payload_size_bytes);
      read += next - at.offset;
      at.offset = next;
      ended = at.offset >= end;
    } else if (end == UINT64_MAX && group.found != Found::bad) {
      ended = true;
    } else {
      Damage damage;
      damage.file = segment_name(at.generation);
      damage.offset = at.offset;
      damage.reason = group.reason.empty() ? "a durable group is missing" : group.reason;
      at.offset += block_size_bytes;
      return std::optional<Damage>{std::move(damage)};
    }
  }
  if (ended) {
    at = ScrubAt{at.generation + 1, 0};  // and from the first one on when that is not there
  }
  return std::optional<Damage>{};
}

}  // namespace synod::storage
