#include "storage/record_journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "storage/group_scan.h"

namespace synod::storage {
namespace {

constexpr std::string_view prefix = "journal-";
const std::string temporary_suffix = ".new";

std::string journal_name(std::uint64_t generation) {
  return fmt::format("{}{:016x}", prefix, generation);
}

std::optional<std::uint64_t> journal_generation(const std::string& name) {
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
  return generation;
}

// The groups of one file, as they are written.
struct GroupChain {
  std::uint64_t log_id = 0;
  std::uint64_t era = 0;
  std::uint64_t generation = 0;
  std::uint64_t sequence = 0;  // of the last one
  std::uint64_t chain = 0;
  std::uint64_t offset = 0;  // of the next one
  std::uint64_t durable_sequence = 0;

  Bytes next(ByteView payload, std::uint64_t first_record, std::uint32_t record_count) {
    GroupHeader header;
    header.kind = GroupKind::journal;
    header.log_id = log_id;
    header.era = era;
    header.generation = generation;
    header.sequence = ++sequence;
    header.offset = offset;
    header.first_lsn = first_record;
    header.durable_sequence = durable_sequence;
    header.predecessor_chain = chain;
    header.record_count = record_count;
    Bytes bytes = encode_group(header, payload);
    chain = group_chain(header);
    offset += bytes.size();
    return bytes;
  }
};

struct PendingRecords {
  ByteWriter payload;
  std::uint64_t first = 0;
  std::uint32_t count = 0;
};

}  // namespace

struct RecordJournal::Impl {
  Impl(ports::Disk& d, std::string dir, const RecordJournalOptions& o)
      : disk(d), directory(std::move(dir)), options(o) {}

  ports::Disk& disk;
  const std::string directory;
  const RecordJournalOptions options;

  std::unique_ptr<ports::File> file;
  GroupChain durable;  // as of the last flush; what a flush that found no space starts from again
  std::vector<PendingRecords> pending;
  std::uint64_t last_record = 0;
  std::uint64_t durable_record = 0;
  std::uint64_t compacted_size = 0;
  std::optional<Error> fence;

  std::string path(const std::string& name) const { return directory + "/" + name; }
  Status fail(Error error, bool always);
  Status flush();
  Result<std::unique_ptr<ports::File>> write_compacted(GroupChain& chain,
                                                       const std::vector<Bytes>& records);
  Status compact(const std::vector<Bytes>& records);
  Status scan(OpenedJournal& answer);
  Status take(const FoundGroup& group, OpenedJournal& answer);
  Status begin(std::uint64_t nonce);
};

Status RecordJournal::Impl::fail(Error error, bool always) {
  if (always) {
    error.code = ErrorCode::io;
  }
  if (error.code != ErrorCode::full) {
    fence = with_context("the journal is fenced after", error);
  }
  return error;
}

Status RecordJournal::Impl::flush() {
  if (fence.has_value()) {
    return *fence;
  }
  if (pending.empty()) {
    return {};
  }
  GroupChain chain = durable;
  for (const PendingRecords& group : pending) {
    const std::uint64_t offset = chain.offset;
    const Bytes bytes = chain.next(group.payload.bytes(), group.first, group.count);
    if (Status written = file->write_at(offset, bytes); !written.ok()) {
      return fail(written.error(), false);
    }
  }
  if (Status flushed = file->flush(); !flushed.ok()) {
    return fail(flushed.error(), true);
  }
  chain.durable_sequence = chain.sequence;
  durable = chain;
  durable_record = last_record;
  pending.clear();
  return {};
}

Result<std::unique_ptr<ports::File>> RecordJournal::Impl::write_compacted(
    GroupChain& chain, const std::vector<Bytes>& records) {
  const std::string temporary = path(journal_name(chain.generation) + temporary_suffix);
  SYNOD_TRY_ASSIGN(auto target, disk.open(temporary, ports::OpenMode::create));
  SYNOD_TRY(target->truncate(0));
  std::size_t next = 0;
  do {  // at least one group, so that a whole file is told from an empty one
    PendingRecords group;
    group.first = next + 1;
    while (next < records.size() &&
           (group.count == 0 ||
            group.payload.size() + records[next].size() < options.group_size_bytes)) {
      group.payload.sized(records[next]);
      ++group.count;
      ++next;
    }
    const std::uint64_t offset = chain.offset;
    SYNOD_TRY(
        target->write_at(offset, chain.next(group.payload.bytes(), group.first, group.count)));
  } while (next < records.size());
  SYNOD_TRY(target->flush());
  SYNOD_TRY(disk.rename(temporary, path(journal_name(chain.generation))));
  return target;
}

Status RecordJournal::Impl::compact(const std::vector<Bytes>& records) {
  if (fence.has_value()) {
    return *fence;
  }
  GroupChain chain;
  chain.log_id = durable.log_id;
  chain.era = durable.era;
  chain.generation = durable.generation + 1;
  auto written = write_compacted(chain, records);
  if (!written.ok()) {
    static_cast<void>(disk.remove(path(journal_name(chain.generation)) + temporary_suffix));
    return written.error();
  }
  auto target = std::move(written).value();
  // From here on either name may be the one that a crash leaves: no way back to the old file.
  if (Status synced = disk.sync_directory(directory); !synced.ok()) {
    return fail(synced.error(), true);
  }
  const std::string old = path(journal_name(durable.generation));
  chain.durable_sequence = chain.sequence;
  file = std::move(target);
  durable = chain;
  compacted_size = chain.offset;
  pending.clear();
  durable_record = last_record;
  if (Status removed = disk.remove(old); !removed.ok()) {
    return fail(removed.error(), false);
  }
  if (Status synced = disk.sync_directory(directory); !synced.ok()) {
    return fail(synced.error(), true);
  }
  return {};
}

Status RecordJournal::Impl::take(const FoundGroup& group, OpenedJournal& answer) {
  ByteReader in(group.payload);
  for (std::uint32_t i = 0; i < group.header.record_count; ++i) {
    answer.records.emplace_back(in.sized());
  }
  if (!in.done()) {
    return Error{ErrorCode::corrupt, fmt::format("{} at {}: record count does not match",
                                                 journal_name(durable.generation), durable.offset)};
  }
  durable.log_id = group.header.log_id;
  durable.sequence = group.header.sequence;
  durable.chain = group_chain(group.header);
  durable.offset =
      next_block(durable.offset + group_header_size_bytes + group.header.payload_size_bytes);
  return {};
}

Status RecordJournal::Impl::scan(OpenedJournal& answer) {
  // As in the log: flush what a killed process left in the page cache, then ask the medium.
  SYNOD_TRY(file->flush());
  FileWindow window(*file, true);
  FoundGroup found;
  GroupPlace place;
  place.kind = GroupKind::journal;
  place.generation = durable.generation;
  for (;;) {
    place.log_id = durable.sequence == 0 ? 0 : durable.log_id;
    place.sequence = durable.sequence + 1;
    place.predecessor_chain = durable.chain;
    place.offset = durable.offset;
    SYNOD_TRY_ASSIGN(found, read_group(window, place));
    if (found.found != Found::good) {
      break;
    }
    SYNOD_TRY(take(found, answer));
  }
  SYNOD_TRY_ASSIGN(const auto witness, find_witness(window, place));
  if (witness.has_value() || durable.sequence == 0) {
    return Error{ErrorCode::corrupt,
                 fmt::format("{} at {}: {}", path(journal_name(durable.generation)), durable.offset,
                             found.reason.empty() ? "a durable group is missing" : found.reason)};
  }
  SYNOD_TRY_ASSIGN(const bool behind, any_group_behind(window, place));
  if (found.found == Found::bad) {
    answer.tail = Tail::doubtful;
  } else if (found.found == Found::leftover || behind) {
    answer.tail = Tail::torn;
  }
  // What was dropped goes, so that no later recovery stumbles over its remains.
  SYNOD_TRY(file->truncate(durable.offset));
  SYNOD_TRY(file->flush());
  durable.durable_sequence = durable.sequence;
  return {};
}

Status RecordJournal::Impl::begin(std::uint64_t nonce) {
  durable.log_id = nonce;
  durable.era = nonce;
  durable.generation = 1;
  SYNOD_TRY_ASSIGN(file, write_compacted(durable, {}));
  SYNOD_TRY(disk.sync_directory(directory));
  durable.durable_sequence = durable.sequence;
  return {};
}

Result<OpenedJournal> RecordJournal::open(ports::Disk& disk, const std::string& directory,
                                          const RecordJournalOptions& options,
                                          std::uint64_t nonce) {
  OpenedJournal answer;
  SYNOD_TRY(disk.make_directories(directory));
  auto impl = std::make_unique<Impl>(disk, directory, options);
  SYNOD_TRY_ASSIGN(const auto names, disk.list(directory));
  std::uint64_t newest = 0;
  for (const std::string& name : names) {
    newest = std::max(newest, journal_generation(name).value_or(0));
  }
  // The newest name may be known to the page cache only: durable before the older ones go.
  SYNOD_TRY(disk.sync_directory(directory));
  if (newest == 0) {
    answer.fresh = true;
    SYNOD_TRY(impl->begin(nonce));
  } else {
    impl->durable.generation = newest;
    impl->durable.era = nonce;
    SYNOD_TRY_ASSIGN(impl->file,
                     disk.open(impl->path(journal_name(newest)), ports::OpenMode::write));
    SYNOD_TRY(impl->scan(answer));
  }
  for (const std::string& name : names) {
    const bool old = journal_generation(name).value_or(newest) != newest;
    const bool temporary = name.size() > temporary_suffix.size() &&
                           name.ends_with(temporary_suffix) && name.starts_with(prefix) &&
                           !answer.fresh;
    if (old || temporary) {
      SYNOD_TRY(disk.remove(impl->path(name)));
    }
  }
  SYNOD_TRY(disk.sync_directory(directory));
  impl->compacted_size = impl->durable.offset;
  answer.journal = std::unique_ptr<RecordJournal>(new RecordJournal(std::move(impl)));
  return answer;
}

RecordJournal::RecordJournal(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RecordJournal::~RecordJournal() = default;

std::uint64_t RecordJournal::append(ByteView record) {
  SYNOD_CHECK(!impl_->fence.has_value());
  SYNOD_CHECK(record.size() <= impl_->options.record_size_bytes_max);
  auto& pending = impl_->pending;
  if (pending.empty() ||
      pending.back().payload.size() + record.size() > impl_->options.group_size_bytes) {
    pending.emplace_back().first = impl_->last_record + 1;
  }
  pending.back().payload.sized(record);
  ++pending.back().count;
  return ++impl_->last_record;
}

Status RecordJournal::flush() { return impl_->flush(); }

std::uint64_t RecordJournal::durable() const { return impl_->durable_record; }

bool RecordJournal::fenced() const { return impl_->fence.has_value(); }

Status RecordJournal::compact(const std::vector<Bytes>& records) { return impl_->compact(records); }

std::uint64_t RecordJournal::size_bytes() const { return impl_->durable.offset; }

std::uint64_t RecordJournal::compacted_size_bytes() const { return impl_->compacted_size; }

}  // namespace synod::storage
