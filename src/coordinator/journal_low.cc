// The journal's low-priority work: snapshots out and in, and the shortening of the log.
#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "coordinator/journal_impl.h"

namespace synod::coordinator {

void Journal::Impl::low_later() {
  if (low_posted_ || (low_.empty() && reader_ == nullptr)) {
    return;
  }
  low_posted_ = true;
  soon([this] {
    low_posted_ = false;
    low_step();
  });
}

void Journal::Impl::low_step() {
  if (failed_) {
    return;
  }
  if (!step_reading() && !low_.empty()) {
    const JournalCommand command = std::move(low_.front());
    low_.pop_front();
    std::visit([this](const auto& c) { perform(c); }, command);
  }
  low_later();
}

// One chunk of the snapshot under reading; false if there is none.
bool Journal::Impl::step_reading() {
  if (reader_ == nullptr) {
    return false;
  }
  const storage::SnapshotRef ref = reader_->ref();
  auto piece = reader_->next();
  const bool ended = !piece.ok() || piece->empty();
  if (ended) {
    reader_.reset();
  }
  if (!piece.ok() && piece.error().code == ErrorCode::corrupt) {
    // Not to be used again: after a restart the one before takes its place.
    lane_.log().error("journal", "snapshot of slot {} is damaged: {}", ref.id.slot.value(),
                      piece.error().message);
    if (Status aside = snapshots_->set_aside(ref.id.slot); !aside.ok()) {
      lane_.log().error("journal", "and cannot be set aside: {}", aside.error().message);
    } else if (!checking_ && !written_) {
      // Nothing has happened since it was opened: open again, with the one before or with a peer's.
      log_.reset();
      lock_.reset();
      opened_ = false;
      open();
      return true;
    }
  }
  if (checking_) {
    if (ended) {
      SnapshotWritten written;
      if (piece.ok()) {
        written.ref = ref;
      } else {
        written.error = piece.error();
      }
      report(std::move(written));
    }
    return true;
  }
  SnapshotContent content;
  content.slot = ref.id.slot;
  if (piece.ok()) {
    content.bytes = std::move(piece).value();
  } else {
    content.error = piece.error();
  }
  report(std::move(content));
  return true;
}

// --- a snapshot of our own

void Journal::Impl::perform(const BeginSnapshot& command) {
  writer_.reset();
  writer_error_.reset();
  auto writer = snapshots_->begin(command.id);
  if (writer.ok()) {
    writer_ = std::move(writer).value();
  } else {
    writer_error_ = writer.error();
  }
}

void Journal::Impl::perform(const SnapshotSlice& command) {
  if (writer_ != nullptr) {
    if (Status written = writer_->append(command.bytes); !written.ok()) {
      writer_error_ = written.error();
      writer_.reset();
    }
  }
  report(SliceTaken{});
}

void Journal::Impl::perform(const FinishSnapshot&) {
  Result<storage::SnapshotRef> ref =
      writer_error_.value_or(Error{ErrorCode::internal, "no snapshot is under way"});
  if (writer_ != nullptr) {
    ref = writer_->finish();
    writer_.reset();
  }
  if (ref.ok() && options_.planted == PlantedBug::snapshot_not_atomic) {
    report(SnapshotWritten{std::move(ref).value(), {}});
    return;
  }
  if (ref.ok()) {
    // Read back past the page cache before anything is removed on its account.
    auto reader = snapshots_->read(ref->id.slot, true);
    if (reader.ok()) {
      reader_ = std::move(reader).value();
      checking_ = true;
      return;
    }
    ref = reader.error();
  }
  lane_.log().warning("journal", "no snapshot was written: {}", ref.error().message);
  report(SnapshotWritten{{}, ref.error()});
}

void Journal::Impl::perform(const LoadSnapshot& command) {
  auto reader = snapshots_->read(command.slot);
  if (!reader.ok()) {
    SnapshotContent content;
    content.slot = command.slot;
    content.error = reader.error();
    report(std::move(content));
    return;
  }
  reader_ = std::move(reader).value();
  checking_ = false;
}

// --- to and from peers

void Journal::Impl::perform(const ReadSnapshotFile& command) {
  SnapshotFileRead answer;
  answer.ticket = command.ticket;
  answer.offset = command.offset;
  answer.error = Error{ErrorCode::not_found, "no such snapshot"};
  const Slot last = log_ != nullptr ? log_->state().last : repair_->last();
  for (const storage::SnapshotRef& ref : snapshots_->all()) {
    // One above the visible log is not ours yet: it waits for its Adopt record.
    const bool wanted =
        command.slot.value() == 0 ? ref.id.slot <= last : ref.id.slot == command.slot;
    if (!wanted) {
      continue;
    }
    answer.ref = ref;
    auto bytes = snapshots_->read_file_at(ref.id.slot, command.offset, command.size_bytes);
    if (bytes.ok()) {
      answer.bytes = std::move(bytes).value();
      answer.error.reset();
    } else {
      answer.error = bytes.error();
    }
    break;
  }
  report(std::move(answer));
}

void Journal::Impl::perform(const BeginReceive& command) {
  receiver_.reset();
  receiver_error_.reset();
  receive_ticket_ = command.ticket;
  auto receiver = snapshots_->receive();
  if (receiver.ok()) {
    receiver_ = std::move(receiver).value();
  } else {
    receiver_error_ = receiver.error();
  }
}

void Journal::Impl::perform(const ReceivePart& command) {
  if (receiver_ == nullptr) {
    return;
  }
  if (Status taken = receiver_->append(command.file_bytes); !taken.ok()) {
    receiver_error_ = taken.error();
    receiver_.reset();
    return;
  }
  report(PartTaken{receive_ticket_, receiver_->received_bytes()});
}

void Journal::Impl::perform(const FinishReceive& command) {
  SnapshotReceived answer;
  answer.ticket = receive_ticket_;
  if (receiver_ != nullptr) {
    auto ref = receiver_->finish(command.expected);
    receiver_.reset();
    if (ref.ok()) {
      answer.ref = std::move(ref).value();
    } else {
      answer.error = ref.error();
    }
  } else {
    answer.error =
        receiver_error_.value_or(Error{ErrorCode::internal, "no snapshot is being received"});
  }
  const std::optional<storage::SnapshotRef> ref = answer.ref;
  report(std::move(answer));
  if (repair_ != nullptr && ref.has_value()) {
    Status taken = repair_->take_snapshot(*ref);
    taken.ok() ? step_repair(true) : fail(taken.error());
  }
}

// --- shortening

void Journal::Impl::perform(const ShortenLog& command) {
  if (purged_at_.has_value() && lane_.now() - *purged_at_ < options_.purge_interval) {
    return;
  }
  purged_at_ = lane_.now();
  const Slot first = first_given();
  const auto oldest = snapshots_->remove_old(command.covered);
  if (!oldest.ok()) {
    lane_.log().warning("journal", "old snapshots stay: {}", oldest.error().message);
    return;
  }
  if (!oldest->has_value()) {
    return;  // nothing covers anything
  }
  const bool early = options_.planted == PlantedBug::purge_too_early;
  const auto removed = early ? log_->remove_through(log_->state().last, 0)
                             : log_->remove_through(**oldest, command.keep_slots);
  if (!removed.ok()) {
    lane_.log().warning("journal", "old segments stay: {}", removed.error().message);
  }
  if (first_given() != first) {
    report(LogShortened{first_given()});
  }
}

void Journal::Impl::perform(const WriteRecords&) { SYNOD_UNREACHABLE("records are never low"); }
void Journal::Impl::perform(const ReadLog&) { SYNOD_UNREACHABLE("reads are never low"); }
void Journal::Impl::perform(const SetSnapshotsAside&) {
  writer_.reset();
  reader_.reset();
  SnapshotsSetAside done;
  for (const storage::SnapshotRef& ref : snapshots_->all()) {
    if (Status aside = snapshots_->set_aside(ref.id.slot); !aside.ok()) {
      done.error = aside.error();
    }
  }
  report(std::move(done));
}

void Journal::Impl::perform(const RepairSlots&) { SYNOD_UNREACHABLE("repairs are never low"); }

}  // namespace synod::coordinator
