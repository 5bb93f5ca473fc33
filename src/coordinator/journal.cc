#include "coordinator/journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "base/check.h"
#include "coordinator/journal_impl.h"
#include "ports/entropy.h"

namespace synod::coordinator {

Journal::Impl::Impl(ports::Lane& lane, ports::Disk& disk, JournalOptions options,
                    ports::Sender<JournalReport> engine)
    : lane_(lane), disk_(disk), options_(std::move(options)), engine_(std::move(engine)) {
  soon([this] { open(); });
}

ports::Sender<JournalCommand> Journal::Impl::commands() {
  return ports::Sender<JournalCommand>(
      lane_, scope_.wrap([this](JournalCommand command) { take(std::move(command)); }));
}

// A full Lane is no reason to forget work of our own.
void Journal::Impl::soon(std::function<void()> task) {
  if (!lane_.try_post(scope_.wrap(task))) {
    lane_.after(Duration::millis(1), scope_.wrap(std::move(task)));
  }
}

// --- reports

void Journal::Impl::report(JournalReport report) {
  if (!failed_ || std::holds_alternative<JournalFailed>(report)) {
    outbox_.push_back(std::move(report));
    send_reports();
  }
}

void Journal::Impl::send_reports() {
  while (!outbox_.empty()) {
    JournalReport copy = outbox_.front();
    if (!engine_.try_send(std::move(copy))) {
      if (!resending_) {
        resending_ = true;
        lane_.after(Duration::millis(1), scope_.wrap([this] {
          resending_ = false;
          send_reports();
        }));
      }
      return;
    }
    outbox_.pop_front();
  }
}

void Journal::Impl::fail(Error error) {
  if (failed_) {
    return;
  }
  lane_.log().error("journal", "stopped: {}", to_string(error));
  failed_ = true;
  low_.clear();
  report(JournalFailed{std::move(error)});
}

// --- opening

void Journal::Impl::open() {
  if (Status opened = try_open(); !opened.ok()) {
    fail(opened.error());
    return;
  }
  if (repair_ != nullptr) {
    step_repair(false);
    return;
  }
  opened_ = true;
  make_ballast();
  scrub_later();
  std::deque<JournalCommand> early = std::move(early_);
  early_.clear();
  for (JournalCommand& command : early) {
    take(std::move(command));
  }
  fill_later(options_.fill_interval);
}

Status Journal::Impl::try_open() {
  SYNOD_TRY(disk_.make_directories(options_.log_directory));
  SYNOD_TRY_ASSIGN(lock_, disk_.lock(options_.log_directory));
  SYNOD_TRY_ASSIGN(
      storage::OpenedLog opened,
      storage::Log::open(disk_, options_.log_directory, options_.log, lane_.entropy().next()));
  if (opened.damage.has_value() && opened.damage->file == "damaged") {
    SYNOD_TRY(storage::Log::set_aside(disk_, options_.log_directory));  // it was begun before
    SYNOD_TRY_ASSIGN(opened, storage::Log::open(disk_, options_.log_directory, options_.log,
                                                lane_.entropy().next()));
  }
  SYNOD_TRY_ASSIGN(snapshots_, storage::SnapshotStore::open(disk_, options_.snapshot_directory,
                                                            options_.snapshot));
  if (opened.damage.has_value()) {
    const storage::Damage& d = *opened.damage;
    return begin_repair(fmt::format("{}/{} is damaged at {}: {}", options_.log_directory, d.file,
                                    d.offset, d.reason));
  }
  log_ = std::move(opened.log);
  Opened report_opened;
  SYNOD_TRY_ASSIGN(report_opened.snapshot, usable_snapshot());
  if (!report_opened.snapshot.has_value() && log_->first_slot().value() > 1) {
    log_.reset();
    return begin_repair(
        fmt::format("{} does not begin with slot 1, and no sound snapshot in {} "
                    "covers what came before",
                    options_.log_directory, options_.snapshot_directory));
  }
  SYNOD_TRY(read_tail(report_opened));
  report_opened.state = log_->state();
  report_opened.log_first = first_given();
  report_opened.tail_state = opened.tail;
  report_opened.fresh = opened.fresh;
  lane_.log().info("journal", "opened last={} chosen={} log_first={} snapshot={} tail={}",
                   report_opened.state.last.value(), report_opened.state.chosen.value(),
                   report_opened.log_first.value(),
                   report_opened.snapshot ? report_opened.snapshot->id.slot.value() : 0,
                   storage::to_string(opened.tail));
  report(std::move(report_opened));
  return {};
}

// The newest snapshot that belongs to the visible history.
Result<std::optional<storage::SnapshotRef>> Journal::Impl::usable_snapshot() {
  const storage::LogState& state = log_->state();
  for (const storage::SnapshotRef& ref : snapshots_->all()) {
    const Slot slot = ref.id.slot;
    if (slot > state.last) {
      // From a peer, and the record that would have adopted it was never written.
      lane_.log().info("journal", "snapshot of slot {} was never adopted: removed", slot.value());
      SYNOD_TRY(snapshots_->remove(slot));
      continue;
    }
    const auto chain = state.chain_at(slot);
    const bool other_cluster = state.identity.has_value() && state.identity->cluster.value() != 0 &&
                               state.identity->cluster != ref.id.cluster;
    if (other_cluster || (chain.has_value() && *chain != ref.id.chain)) {
      lane_.log().warning("journal", "snapshot of slot {} is of another history: set aside",
                          slot.value());
      SYNOD_TRY(snapshots_->set_aside(slot));
      continue;
    }
    if (slot >= state.base && slot.value() + 1 >= log_->first_slot().value()) {
      return std::optional<storage::SnapshotRef>{ref};
    }
  }
  return std::optional<storage::SnapshotRef>{};
}

Status Journal::Impl::read_tail(Opened& opened) {
  const Slot covered = opened.snapshot ? opened.snapshot->id.slot : Slot();
  opened.tail_before_chain =
      opened.snapshot ? opened.snapshot->id.chain : log_->state().chain_at(covered).value_or(0);
  if (log_->state().last > covered) {
    SYNOD_TRY_ASSIGN(opened.tail, log_->read(covered.next(), log_->state().last,
                                             options_.opened_tail_size_bytes));
  }
  return {};
}

// --- commands

void Journal::Impl::take(JournalCommand command) {
  if (failed_) {
    return;
  }
  if (repair_ != nullptr) {
    take_repair(std::move(command));
  } else if (!opened_) {
    early_.push_back(std::move(command));
  } else if (auto* write = std::get_if<WriteRecords>(&command)) {
    take_records(std::move(*write));
  } else if (auto* read = std::get_if<ReadLog>(&command)) {
    read_log(*read);
  } else if (!std::holds_alternative<RepairSlots>(command)) {  // else one that came too late
    low_.push_back(std::move(command));
    low_later();
  }
}

void Journal::Impl::take_records(WriteRecords write) {
  written_ = true;
  for (storage::Record& record : write.records) {
    log_->append(std::move(record));
  }
  if (options_.planted == PlantedBug::answer_before_flush) {
    report(Flushed{write.lsn, write.ballot, {}});
  }
  waiting_ = Flushed{write.lsn, write.ballot, {}};
  if (!flush_posted_) {
    // Behind everything that waits on the Lane already: it joins this flush.
    flush_posted_ = true;
    soon([this] {
      flush_posted_ = false;
      flush();
    });
  }
}

void Journal::Impl::flush() {
  if (failed_ || !waiting_.has_value()) {
    return;
  }
  const Instant started = lane_.now();
  Status flushed = log_->flush();
  if (!flushed.ok() && flushed.error().code == ErrorCode::full) {
    say_full(flushed.error().message);
    if (give_up_ballast()) {
      flushed = log_->flush();
    }
  }
  if (!flushed.ok()) {
    if (flushed.error().code != ErrorCode::full) {
      fail(flushed.error());
      return;
    }
    retry_full();
    return;
  }
  end_full();
  waiting_->took = lane_.now() - started;
  if (options_.planted != PlantedBug::answer_before_flush) {
    report(*waiting_);
  }
  waiting_.reset();
  witness_later();
  fill_later(options_.fill_interval);
}

void Journal::Impl::retry_full() {
  if (!retry_armed_) {
    retry_armed_ = true;
    lane_.after(options_.retry_full_delay, scope_.wrap([this] {
      retry_armed_ = false;
      if (waiting_.has_value()) {
        flush();
      } else if (!failed_) {
        end_full();
      }
    }));
  }
}

// --- a full disk

void Journal::Impl::say_full(const std::string& why) {
  if (!full_) {
    full_ = true;
    lane_.log().error("journal", "no room for the log, trying again: {}", why);
    report(JournalFull{true});
  }
}

// Best effort: without it a full disk is waited out all the same.
void Journal::Impl::make_ballast() {
  if (options_.ballast_size_bytes == 0 || ballast_) {
    return;
  }
  const std::string path = options_.log_directory + "/ballast";
  if (auto old = disk_.open(path, ports::OpenMode::read); old.ok()) {
    const auto size = (*old)->size();
    ballast_ = size.ok() && *size == options_.ballast_size_bytes;
  }
  const auto space = disk_.space(options_.log_directory);
  if (ballast_ || !space.ok() || space->available_bytes < 4 * options_.ballast_size_bytes) {
    return;
  }
  auto file = disk_.open(path, ports::OpenMode::create);
  Status made = file.ok() ? Status{} : Status(file.error());
  if (made.ok()) {
    made = (*file)->write_at(0, Bytes(options_.ballast_size_bytes, '\0'));
  }
  if (made.ok()) {
    made = (*file)->flush();
  }
  ballast_ = made.ok();
  if (!ballast_) {
    static_cast<void>(disk_.remove(path));
  }
}

bool Journal::Impl::give_up_ballast() {
  if (!std::exchange(ballast_, false)) {
    return false;
  }
  const bool gone = disk_.remove(options_.log_directory + "/ballast").ok();
  if (gone) {
    lane_.log().warning("journal", "gave up the ballast of {} bytes", options_.ballast_size_bytes);
  }
  return gone;
}

// A write went through, or some time has passed. It is over when the ballast is back.
void Journal::Impl::end_full() {
  if (!full_) {
    return;
  }
  make_ballast();
  if (options_.ballast_size_bytes > 0 && !ballast_) {
    retry_full();
    return;
  }
  full_ = false;
  lane_.log().info("journal", "there is room for the log again");
  report(JournalFull{false});
}

// A slot is given with the chain before it. Where the oldest segment begins with slots that replace
// others, what was before those is not known any more after a restart.
Slot Journal::Impl::first_given() const {
  const storage::LogState& state = log_->state();
  Slot first = std::max(log_->first_slot(), Slot(1));
  while (first <= state.last && !state.chain_at(Slot(first.value() - 1)).has_value()) {
    first = first.next();
  }
  return first;
}

void Journal::Impl::read_log(const ReadLog& read) {
  flush();
  if (failed_) {
    return;
  }
  LogRead answer;
  answer.ticket = read.ticket;
  auto slots = log_->read(read.from, read.through, read.size_bytes_max);
  const auto before =
      log_->state().chain_at(Slot(std::max<std::uint64_t>(read.from.value(), 1) - 1));
  if (!slots.ok()) {
    answer.error = slots.error();
  } else if (slots->empty() || !before.has_value()) {
    answer.error = Error{ErrorCode::not_found,
                         fmt::format("slot {} is not in the log of slots {}-{}", read.from.value(),
                                     log_->first_slot().value(), log_->state().last.value())};
  } else {
    answer.slots = std::move(slots).value();
    answer.before_chain = *before;
  }
  answer.log_first = first_given();
  const auto newest = snapshots_->latest();
  answer.snapshot = newest.has_value() ? std::min(newest->id.slot, log_->state().last) : Slot();
  report(std::move(answer));
}

// --- when nothing else is to do

void Journal::Impl::witness_later() {
  flushed_lately_ = true;
  if (witness_armed_) {
    return;
  }
  witness_armed_ = true;
  lane_.after(options_.witness_delay, scope_.wrap([this] {
    witness_armed_ = false;
    if (failed_ || full_) {
      return;
    }
    if (flushed_lately_) {
      witness_later();
      flushed_lately_ = false;
      return;
    }
    flush();
    if (failed_ || full_) {
      return;
    }
    Status written = log_->flush_witness();
    if (!written.ok() && written.error().code != ErrorCode::full) {
      fail(written.error());
    }
  }));
}

void Journal::Impl::fill_later(Duration delay) {
  if (fill_armed_) {
    return;
  }
  fill_armed_ = true;
  lane_.after(delay, scope_.wrap([this] {
    fill_armed_ = false;
    if (failed_ || log_ == nullptr) {
      return;
    }
    const auto more = log_->prepare_step();
    if (!more.ok()) {
      lane_.log().warning("journal", "the next segment cannot be filled ahead: {}",
                          more.error().message);
      fill_later(Duration::seconds(5));
    } else if (*more) {
      fill_later(options_.fill_interval);
    }
  }));
}

void Journal::Impl::finish(Slot chosen) {
  if (!opened_ || failed_ || full_) {
    return;
  }
  if (chosen > log_->state().chosen && chosen <= log_->state().last) {
    log_->append(storage::Chosen{chosen});
  }
  Status written = log_->flush();
  if (written.ok()) {
    written = log_->flush_witness();
  }
  if (!written.ok()) {
    lane_.log().warning("journal", "no witness behind the last group: {}",
                        to_string(written.error()));
  }
}

// --- the face

Journal::Journal(ports::Lane& lane, ports::Disk& disk, JournalOptions options,
                 ports::Sender<JournalReport> engine)
    : impl_(std::make_unique<Impl>(lane, disk, std::move(options), std::move(engine))) {}
Journal::~Journal() = default;

ports::Sender<JournalCommand> Journal::commands() { return impl_->commands(); }

void Journal::on(JournalCommand command) { impl_->take(std::move(command)); }
void Journal::finish(Slot chosen) { impl_->finish(chosen); }

}  // namespace synod::coordinator
