// Opening a log: which groups are there, what they amount to, and what is wrong at their end.
#include <fmt/format.h>

#include <algorithm>

#include "storage/log_impl.h"

namespace synod::storage {
namespace {

// A failed flush that is ignored does no harm where the disk is doubted afterwards: it is planted
// together with the belief.
bool believes_all(PlantedBug planted) {
  return planted == PlantedBug::rolled_back_voter_votes ||
         planted == PlantedBug::ignore_failed_flush;
}

Result<std::vector<std::uint64_t>> list_generations(ports::Disk& disk, const std::string& dir) {
  SYNOD_TRY_ASSIGN(const auto names, disk.list(dir));
  std::vector<std::uint64_t> generations;
  for (const std::string& name : names) {
    if (const auto generation = segment_generation(name)) {
      generations.push_back(*generation);
    }
  }
  std::sort(generations.begin(), generations.end());
  return generations;
}

// Its presence says that the directory is being set aside.
constexpr const char* damaged_mark = "damaged";

Tail worse(Tail a, Tail b) { return std::max(a, b); }

}  // namespace

// One pass over the segments, oldest first.
class LogRecovery {
 public:
  LogRecovery(Log::Impl& log, OpenedLog& answer) : log_(log), answer_(answer) {}

  Status run();

 private:
  // True if the scan goes on in the next segment; false at the end of the log or at damage.
  Result<bool> scan_segment(std::size_t position);
  Result<bool> end_of_groups(std::size_t position, FileWindow& window, const FoundGroup& found);
  Result<bool> vouched_for(std::size_t position, FileWindow& window, const FoundGroup& found);
  // Why the group cannot be taken, or nothing.
  std::optional<std::string> take(const FoundGroup& group);
  std::optional<std::string> take_checkpoint(const Checkpoint& checkpoint);
  void damage(std::string reason, std::uint64_t witness);
  Status wipe_tail();

  Log::Impl& log_;
  OpenedLog& answer_;
  GroupPlace place_;
  bool any_group_ = false;
  // Where the groups of the segment before ended.
  std::optional<GroupPlace> stopped_at_;
};

Status LogRecovery::run() {
  const std::uint64_t first = log_.segments.front().generation;
  for (std::size_t i = 1; i < log_.segments.size(); ++i) {
    if (log_.segments[i].generation != first + i) {
      place_.generation = first + i;
      damage("the segment is missing", 0);
      return {};
    }
  }
  if (first == 1) {
    place_.sequence = 1;
  }
  for (std::size_t i = 0; i < log_.segments.size(); ++i) {
    SYNOD_TRY_ASSIGN(const bool more, scan_segment(i));
    if (!more) {
      break;
    }
  }
  if (answer_.damage.has_value()) {
    return {};
  }
  if (answer_.tail != Tail::clean) {
    SYNOD_TRY(wipe_tail());
  }
  log_.plan_generation = log_.segments.back().generation;
  log_.plan_offset = place_.offset;
  log_.log_id = any_group_ ? place_.log_id : log_.era;
  log_.durable_sequence = log_.written_sequence;
  log_.durable_chain = log_.written_chain;
  log_.durable_lsn = log_.last_lsn;
  return {};
}

void LogRecovery::damage(std::string reason, std::uint64_t witness) {
  Damage damage;
  damage.file = segment_name(place_.generation);
  damage.offset = place_.offset;
  damage.sequence = place_.sequence;
  damage.witness_sequence = witness;
  damage.reason = std::move(reason);
  answer_.damage = std::move(damage);
}

Result<bool> LogRecovery::scan_segment(std::size_t position) {
  Segment& segment = log_.segments[position];
  const bool is_last = position + 1 == log_.segments.size();
  if (is_last) {
    // What a killed process left in the page cache becomes durable before it is believed; then the
    // medium is asked, since a flush that failed before may have left pages that only look written.
    SYNOD_TRY(segment.file->flush());
  }
  FileWindow window(*segment.file, is_last);
  place_.generation = segment.generation;
  place_.offset = 0;
  for (;;) {
    SYNOD_TRY_ASSIGN(const FoundGroup group, read_group(window, place_));
    const bool torn = group.found == Found::bad && !group.payload.empty();
    const bool whole = torn && log_.options.planted == PlantedBug::torn_taken_for_whole;
    if (group.found != Found::good && !whole) {
      return end_of_groups(position, window, group);
    }
    if (auto reason = take(group)) {
      damage(std::move(*reason), 0);
      return false;
    }
  }
}

// At the end of a segment that has a successor the expected group may well begin that one: only
// when it does not are later segments asked for a witness.
Result<bool> LogRecovery::vouched_for(std::size_t position, FileWindow& window,
                                      const FoundGroup& found) {
  SYNOD_TRY_ASSIGN(auto witness, find_witness(window, place_));
  const bool continues_there = place_.offset > 0 && position + 1 < log_.segments.size();
  if (continues_there && !witness.has_value()) {
    stopped_at_ = place_;
    return false;
  }
  for (std::size_t i = position + 1; i < log_.segments.size() && !witness.has_value(); ++i) {
    FileWindow later(*log_.segments[i].file, false);
    GroupPlace place = place_;
    place.generation = log_.segments[i].generation;
    place.offset = 0;
    SYNOD_TRY_ASSIGN(witness, find_witness(later, place));
  }
  if (witness.has_value()) {
    if (place_.offset == 0 && found.found == Found::leftover && stopped_at_.has_value()) {
      place_ = *stopped_at_;  // it is missing there, not here
    }
    damage(found.reason.empty() ? "a durable group is missing" : found.reason, witness->sequence);
  }
  return witness.has_value();
}

Result<bool> LogRecovery::end_of_groups(std::size_t position, FileWindow& window,
                                        const FoundGroup& found) {
  SYNOD_TRY_ASSIGN(const bool damaged, vouched_for(position, window, found));
  const bool dropped = log_.options.planted == PlantedBug::corrupt_taken_for_torn;
  if (damaged && dropped) {
    answer_.damage.reset();
    answer_.tail = Tail::torn;
    return false;
  }
  if (damaged) {
    return false;
  }
  const bool is_last = position + 1 == log_.segments.size();
  const bool began_durably = !is_last || (position == 0 && place_.generation > 1);
  if (place_.offset == 0 && began_durably) {
    // A later segment is begun, and an older one removed, only behind durable groups of this one.
    damage(found.reason.empty() ? "the segment has no groups" : found.reason, 0);
    return false;
  }
  switch (found.found) {
    case Found::good: break;
    case Found::bad: answer_.tail = worse(answer_.tail, Tail::doubtful); break;
    case Found::leftover: answer_.tail = worse(answer_.tail, Tail::torn); break;
    case Found::nothing: {
      SYNOD_TRY_ASSIGN(const bool behind, any_group_behind(window, place_));
      answer_.tail = worse(answer_.tail, behind ? Tail::torn : Tail::clean);
      break;
    }
  }
  if (is_last && any_group_ && !believes_all(log_.options.planted)) {
    // Readers see the next group and the medium does not have it: a flush of it that succeeded
    // lied.
    FileWindow cached(*log_.segments[position].file, false);
    SYNOD_TRY_ASSIGN(const FoundGroup seen, read_group(cached, place_));
    answer_.tail = seen.found == Found::good ? Tail::doubtful : answer_.tail;
  }
  return !is_last;
}

std::optional<std::string> LogRecovery::take_checkpoint(const Checkpoint& checkpoint) {
  if (any_group_) {
    if (!(log_.state.checkpoint() == checkpoint)) {
      return "the segment begins with another state than the one before ended with";
    }
    return {};
  }
  log_.state = LogState::from_checkpoint(checkpoint);
  log_.index.start_from(checkpoint.last);
  return {};
}

std::optional<std::string> LogRecovery::take(const FoundGroup& group) {
  const GroupHeader& header = group.header;
  if (any_group_ && header.first_lsn != log_.last_lsn.value() + 1) {
    return "record numbers do not follow";
  }
  const GroupAt at{header.generation, header.offset};
  Lsn lsn(header.first_lsn);
  ByteReader in(group.payload);
  for (std::uint32_t i = 0; i < header.record_count; ++i, lsn = lsn.next()) {
    auto record = decode_record(in);
    if (!record.ok()) {
      return record.error().message;
    }
    const auto* checkpoint = std::get_if<Checkpoint>(&*record);
    const bool begins = i == 0 && header.offset == 0;
    if ((checkpoint != nullptr) != begins) {
      return "a checkpoint where none belongs, or none where one does";
    }
    std::optional<std::string> objection =
        begins ? take_checkpoint(*checkpoint) : log_.state.objection(*record);
    if (objection.has_value()) {
      return objection;
    }
    if (auto entry = index_entry(*record, lsn)) {
      log_.index.apply(*entry, at);
    }
    log_.state.apply(*record);
  }
  if (!in.at_end() || (header.record_count == 0 && header.offset == 0)) {
    return "record count does not match";
  }
  if (header.offset == 0) {
    // It goes on from what was found good: what lies behind that, where the last segment ended,
    // was never part of the log.
    answer_.tail = Tail::clean;
  }
  any_group_ = true;
  log_.last_lsn = Lsn(lsn.value() - 1);
  log_.written_sequence = header.sequence;
  log_.written_chain = group_chain(header);
  log_.durable_generation = header.generation;
  log_.last_is_witness = header.record_count == 0;
  place_.log_id = header.log_id;
  place_.sequence = header.sequence + 1;
  place_.predecessor_chain = log_.written_chain;
  place_.offset = next_block(header.offset + group_header_size_bytes + header.payload_size_bytes);
  return {};
}

// What was dropped is overwritten, so that no later recovery stumbles over its remains. The first
// block of a doubtful group stays until the note of the doubt is written over it (Log::open):
// before that a crash finds the same doubt again.
Status LogRecovery::wipe_tail() {
  constexpr std::size_t step = 1 << 20;
  ports::File& file = *log_.segments.back().file;
  SYNOD_TRY_ASSIGN(const std::uint64_t size, file.size());
  FileWindow window(file, false);
  const std::uint64_t kept = answer_.tail == Tail::doubtful ? block_size_bytes : 0;
  for (std::uint64_t offset = place_.offset + kept; offset < size; offset += step) {
    SYNOD_TRY_ASSIGN(const ByteView bytes, window.bytes(offset, step));
    const bool zero = std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
    if (!zero) {
      SYNOD_TRY(file.write_at(offset, Bytes(bytes.size(), '\0')));
    }
  }
  return file.flush();
}

// A new log notes its boot with its first group; in a later boot the doubt comes with that note.
Status Log::note_doubt(Impl& impl, bool doubtful) {
  const LogOptions& options = impl.options;
  const auto noted = impl.state.notes.find(boot_note_key);
  const bool same_boot = options.boot_id.empty() ||
                         (noted != impl.state.notes.end() && noted->second == options.boot_id);
  const bool forgets =
      !same_boot && impl.state.identity.has_value() && !believes_all(options.planted);
  if (doubtful || forgets) {
    for (Note& note : doubt_anew(impl.state.notes)) {
      impl.append(std::move(note));
    }
  }
  if (!same_boot) {
    impl.append(Note{boot_note_key, options.boot_id});
  }
  return doubtful || forgets ? impl.flush() : Status{};
}

Result<OpenedLog> Log::open(ports::Disk& disk, const std::string& directory,
                            const LogOptions& options, std::uint64_t nonce) {
  OpenedLog answer;
  SYNOD_TRY(disk.make_directories(directory));
  auto impl = std::make_unique<Impl>(disk, directory, options);
  impl->log_id = nonce;
  impl->era = nonce;
  impl->plan_generation = 1;
  SYNOD_TRY_ASSIGN(const auto generations, list_generations(disk, directory));
  if (Status removed = disk.remove(impl->path(spare_name));
      !removed.ok() && removed.error().code != ErrorCode::not_found) {
    return removed.error();
  }
  // What is listed may be known to the page cache only.
  SYNOD_TRY(disk.sync_directory(directory));
  SYNOD_TRY_ASSIGN(const bool marked, disk.exists(impl->path(damaged_mark)));
  if (marked) {
    answer.damage = Damage{damaged_mark, 0, 0, 0, "setting the log aside was not finished"};
  } else if (generations.empty()) {
    answer.fresh = true;
  } else {
    for (const std::uint64_t generation : generations) {
      SYNOD_TRY_ASSIGN(auto file,
                       disk.open(impl->path(segment_name(generation)), ports::OpenMode::write));
      impl->segments.push_back(Segment{generation, std::move(file)});
    }
    SYNOD_TRY(LogRecovery(*impl, answer).run());
  }
  if (!answer.damage.has_value()) {
    SYNOD_TRY(note_doubt(*impl, answer.tail == Tail::doubtful));
  }
  answer.state = impl->state;
  if (!answer.damage.has_value()) {
    answer.log = std::unique_ptr<Log>(new Log(std::move(impl)));
  }
  return answer;
}

Status Log::set_aside(ports::Disk& disk, const std::string& directory) {
  SYNOD_TRY_ASSIGN(const std::string target, name_aside(disk, directory));
  // The mark comes first and goes last: a move that was interrupted leaves a log that still says
  // that it is damaged, never a shorter one.
  SYNOD_TRY(ports::write_file_atomically(disk, directory + "/" + damaged_mark, ""));
  SYNOD_TRY(disk.make_directories(target));
  SYNOD_TRY_ASSIGN(const auto names, disk.list(directory));
  for (const std::string& name : names) {
    if (name != damaged_mark) {
      SYNOD_TRY(disk.rename(directory + "/" + name, target + "/" + name));
    }
  }
  SYNOD_TRY(disk.sync_directory(target));
  SYNOD_TRY(disk.sync_directory(directory));
  SYNOD_TRY(disk.remove(directory + "/" + damaged_mark));
  return disk.sync_directory(directory);
}

}  // namespace synod::storage
