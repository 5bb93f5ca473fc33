#include "storage/log.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "storage/log_impl.h"

namespace synod::storage {

std::string segment_name(std::uint64_t generation) {
  return fmt::format("segment-{:016x}", generation);
}

std::optional<std::uint64_t> segment_generation(const std::string& name) {
  constexpr std::string_view prefix = "segment-";
  if (name.size() != prefix.size() + 16 || name.compare(0, prefix.size(), prefix) != 0) {
    return {};
  }
  std::uint64_t generation = 0;
  for (char c : name.substr(prefix.size())) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && !(c >= 'a' && c <= 'f')) {
      return {};
    }
    generation = generation * 16 + static_cast<std::uint64_t>(digit ? c - '0' : c - 'a' + 10);
  }
  return generation == 0 ? std::optional<std::uint64_t>{} : generation;
}

Segment* Log::Impl::find_segment(std::uint64_t generation) {
  for (Segment& segment : segments) {
    if (segment.generation == generation) {
      return &segment;
    }
  }
  return nullptr;
}

// --- planning

void Log::Impl::put(const Record& record) {
  PendingGroup& group = pending.back();
  last_lsn = last_lsn.next();
  if (auto entry = index_entry(record, last_lsn)) {
    group.entries.push_back(*entry);
  }
  encode_record(record, group.payload);
  ++group.record_count;
  state.apply(record);
}

void Log::Impl::close_group() {
  if (!group_open) {
    return;
  }
  group_open = false;
  plan_offset += next_block(group_header_size_bytes + pending.back().payload.size());
}

void Log::Impl::begin_group(std::size_t first_record_size) {
  const std::uint64_t end = plan_offset + group_header_size_bytes + first_record_size;
  if (plan_offset > 0 && end > capacity(plan_generation)) {
    ++plan_generation;
    plan_offset = 0;
  }
  PendingGroup& group = pending.emplace_back();
  group.starts_segment = plan_offset == 0;
  group.generation = plan_generation;
  group.offset = plan_offset;
  group.first_lsn = last_lsn.next();
  group_open = true;
  if (group.starts_segment) {
    put(state.checkpoint());
  }
}

Lsn Log::Impl::append(const Record& record) {
  const std::size_t size = encoded_size(record);
  if (group_open) {
    const std::size_t payload = pending.back().payload.size() + size;
    const std::uint64_t end = plan_offset + group_header_size_bytes + payload;
    if (payload > options.group_size_bytes || end > capacity(plan_generation)) {
      close_group();
    }
  }
  if (!group_open) {
    begin_group(size);
  }
  put(record);
  return last_lsn;
}

// --- writing

Status Log::Impl::fail(Error error) {
  if (error.code != ErrorCode::full) {
    fence = with_context("the log is fenced after", error);
  }
  return error;
}

Status Log::Impl::flush_file() {
  const bool skip = options.planted == PlantedBug::skip_flush;
  const bool ignore = options.planted == PlantedBug::ignore_failed_flush;
  if (Status flushed = skip ? Status() : segments.back().file->flush(); !flushed.ok() && !ignore) {
    // Never tried again, whatever it says: what it failed to write may be marked clean by now.
    Error error = flushed.error();
    error.code = ErrorCode::io;
    return fail(std::move(error));
  }
  durable_sequence = written_sequence;
  durable_chain = written_chain;
  durable_generation = segments.back().generation;
  return {};
}

Status Log::Impl::write_group(PendingGroup& group) {
  if (segments.empty() || segments.back().generation != group.generation) {
    SYNOD_TRY(start_segment(group.generation));
  }
  GroupHeader header;
  header.log_id = log_id;
  header.era = era;
  header.generation = group.generation;
  header.sequence = written_sequence + 1;
  header.offset = group.offset;
  header.first_lsn = group.first_lsn.value();
  header.durable_sequence = durable_sequence;
  header.predecessor_chain = written_chain;
  header.record_count = group.record_count;
  const Bytes bytes = encode_group(header, group.payload.bytes());
  if (Status written = segments.back().file->write_at(group.offset, bytes); !written.ok()) {
    return fail(written.error());
  }
  written_sequence = header.sequence;
  written_chain = group_chain(header);
  return {};
}

Status Log::Impl::flush() {
  if (fence.has_value()) {
    return *fence;
  }
  close_group();
  // After `full` everything that waits is written again, from the last durable group on.
  written_sequence = durable_sequence;
  written_chain = durable_chain;
  while (!pending.empty()) {
    // One flush covers one segment: a later segment exists only behind durable groups.
    const std::uint64_t generation = pending.front().generation;
    std::size_t count = 0;
    while (count < pending.size() && pending[count].generation == generation) {
      SYNOD_TRY(write_group(pending[count]));
      ++count;
    }
    SYNOD_TRY(flush_file());
    for (; count > 0; --count) {
      const PendingGroup& group = pending.front();
      const GroupAt at{group.generation, group.offset};
      for (const IndexEntry& entry : group.entries) {
        index.apply(entry, at);
      }
      durable_lsn = Lsn(group.first_lsn.value() + group.record_count - 1);
      last_is_witness = false;
      pending.pop_front();
    }
  }
  return {};
}

Status Log::Impl::witness() {
  SYNOD_TRY(flush());
  if (last_is_witness || plan_offset == 0) {
    return {};
  }
  PendingGroup group;  // without records; may stand behind the segment's nominal end
  group.generation = plan_generation;
  group.offset = plan_offset;
  group.first_lsn = last_lsn.next();
  SYNOD_TRY(write_group(group));
  SYNOD_TRY(flush_file());
  plan_offset += block_size_bytes;
  last_is_witness = true;
  return {};
}

// --- reading

Status Log::Impl::read_run(const Run& run, FileWindow& window, Slot from, Slot through,
                           std::size_t size_bytes_max, std::size_t& size,
                           std::vector<SlotValue>& out) {
  GroupPlace place;
  place.log_id = log_id;
  place.generation = run.at.generation;
  place.offset = run.at.offset;
  SYNOD_TRY_ASSIGN(const FoundGroup group, read_group(window, place));
  if (group.found != Found::good) {
    return Error{ErrorCode::corrupt,
                 fmt::format("slots {}-{} in {} at {}: {}", run.first.value(), run.last.value(),
                             segment_name(run.at.generation), run.at.offset, group.reason)};
  }
  ByteReader in(group.payload);
  Lsn lsn(group.header.first_lsn);
  for (; !in.at_end() && lsn <= run.last_lsn; lsn = lsn.next()) {
    SYNOD_TRY_ASSIGN(Record record, decode_record(in));
    if (lsn < run.first_lsn || type_of(record) != run.type) {
      continue;
    }
    SlotValue value;
    if (auto* visible = std::get_if<Value>(&record)) {
      value = {visible->slot, visible->ballot, visible->chain, std::move(visible->bytes)};
    } else {
      auto& staged = std::get<Stage>(record);
      value = {staged.slot, staged.ballot, staged.chain, std::move(staged.bytes)};
    }
    if (value.slot < std::max(from, run.first) || value.slot > std::min(through, run.last)) {
      continue;
    }
    if (!out.empty() && size + value.bytes.size() > size_bytes_max) {
      return {};
    }
    size += value.bytes.size();
    out.push_back(std::move(value));
  }
  return {};
}

Result<std::vector<SlotValue>> Log::Impl::read(Slot from, Slot through,
                                               std::size_t size_bytes_max) {
  if (from < index.first()) {
    return Error{ErrorCode::not_found, fmt::format("slot {} is gone; the log begins with {}",
                                                   from.value(), index.first().value())};
  }
  std::vector<SlotValue> out;
  Slot next = from;
  const Slot end = std::min(through, index.last());
  // Groups that follow each other are read together.
  std::size_t size = 0;
  std::uint64_t generation = 0;
  std::optional<FileWindow> window;
  while (next <= end) {
    const Run* run = index.find(next);
    if (run == nullptr) {
      break;
    }
    if (run->at.generation != generation) {
      Segment* segment = find_segment(run->at.generation);
      SYNOD_CHECK(segment != nullptr);
      generation = segment->generation;
      window.emplace(*segment->file, false);
    }
    const std::size_t before = out.size();
    SYNOD_TRY(read_run(*run, *window, next, end, size_bytes_max, size, out));
    if (out.size() == before) {
      break;  // the next one does not fit any more
    }
    const bool whole = out.back().slot == std::min(run->last, end);
    next = out.back().slot.next();
    if (!whole) {
      break;
    }
  }
  return out;
}

// --- the face

Log::Log(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Log::~Log() = default;

Lsn Log::append(Record record) {
  SYNOD_CHECK(!impl_->fence.has_value());
  SYNOD_CHECK(!std::holds_alternative<Checkpoint>(record));
  SYNOD_CHECK(!impl_->state.objection(record).has_value());
  return impl_->append(record);
}

Status Log::flush() { return impl_->flush(); }

Status Log::flush_witness() { return impl_->witness(); }

const LogState& Log::state() const { return impl_->state; }

Lsn Log::last_lsn() const { return impl_->last_lsn; }

Lsn Log::durable_lsn() const { return impl_->durable_lsn; }

bool Log::fenced() const { return impl_->fence.has_value(); }

Slot Log::first_slot() const { return impl_->index.first(); }

Result<std::vector<SlotValue>> Log::read(Slot from, Slot through, std::size_t size_bytes_max) {
  return impl_->read(from, through, size_bytes_max);
}

Result<bool> Log::prepare_step() { return impl_->prepare_step(); }

Result<std::size_t> Log::remove_through(Slot covered_through, std::uint64_t keep) {
  return impl_->remove_through(covered_through, keep);
}

Result<std::optional<Damage>> Log::scrub_step(ScrubAt& at, std::size_t size_bytes_max) {
  return impl_->scrub_step(at, size_bytes_max);
}

std::uint64_t Log::size_bytes() const {
  std::uint64_t size = 0;
  for (const Segment& segment : impl_->segments) {
    size += segment.generation == impl_->plan_generation ? impl_->plan_offset
                                                         : impl_->capacity(segment.generation);
  }
  return size;
}

std::size_t Log::segment_count() const { return impl_->segments.size(); }

}  // namespace synod::storage
