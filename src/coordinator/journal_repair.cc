// The journal while its log is damaged: it answers peers' reads, takes what they give, and opens
// the log when it is whole again.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "coordinator/journal_impl.h"
#include "ports/entropy.h"

namespace synod::coordinator {

Status Journal::Impl::begin_repair(const std::string& what) {
  if (repaired_) {
    return Error{ErrorCode::corrupt,
                 what + "; it was repaired just now: the disk cannot be trusted"};
  }
  lane_.log().error("journal", "{}", what);
  SYNOD_TRY_ASSIGN(repair_, LogRepair::begin(disk_, options_.log_directory, *snapshots_));
  return {};
}

void Journal::Impl::step_repair(bool helped) {
  if (auto needs = repair_->needs()) {
    needs->helped = helped;
    report(std::move(*needs));
    return;
  }
  if (Status done = repair_->finish(lane_.entropy().next()); !done.ok()) {
    fail(with_context("the log cannot be repaired", done.error()));
    return;
  }
  lane_.log().warning("journal", "the log is whole again; what was damaged is kept in {}.damaged-*",
                      options_.log_directory);
  repair_.reset();
  repaired_ = true;
  lock_.reset();
  open();
}

void Journal::Impl::take_repair(JournalCommand command) {
  if (auto* slots = std::get_if<RepairSlots>(&command)) {
    auto helped = repair_->take(*slots);
    helped.ok() ? step_repair(*helped) : fail(helped.error());
  } else if (auto* read = std::get_if<ReadLog>(&command)) {
    report(read_for_peer(*read));
  } else if (std::holds_alternative<ReadSnapshotFile>(command) ||
             std::holds_alternative<BeginReceive>(command) ||
             std::holds_alternative<ReceivePart>(command) ||
             std::holds_alternative<FinishReceive>(command)) {
    low_.push_back(std::move(command));
    low_later();
  } else {
    early_.push_back(std::move(command));
  }
}

LogRead Journal::Impl::read_for_peer(const ReadLog& read) {
  LogRead answer;
  answer.ticket = read.ticket;
  answer.log_first = repair_->first();
  const auto newest = snapshots_->latest();
  answer.snapshot = newest.has_value() ? newest->id.slot : Slot();
  auto slots = repair_->read(read.from, read.through, read.size_bytes_max, answer.before_chain);
  if (slots.ok() && !slots->empty()) {
    answer.slots = std::move(slots).value();
  } else {
    answer.error = slots.ok() ? Error{ErrorCode::not_found, "not readable here"} : slots.error();
  }
  return answer;
}

// --- scrubbing: rot is found before it is needed, while others still hold what it took

void Journal::Impl::scrub_later() {
  if (std::exchange(scrub_armed_, true)) {
    return;
  }
  lane_.after(options_.scrub_interval, scope_.wrap([this] {
    scrub_armed_ = false;
    if (failed_ || log_ == nullptr) {
      return;
    }
    scrub_log();
    scrub_snapshots();
    scrub_later();
  }));
}

void Journal::Impl::scrub_log() {
  const auto found = log_->scrub_step(scrub_at_, options_.scrub_size_bytes);
  if (found.ok() && found->has_value()) {
    const storage::Damage& d = **found;
    say_rot(fmt::format("{}/{} at {}: {}", options_.log_directory, d.file, d.offset, d.reason));
  } else if (!found.ok()) {
    say_rot(
        fmt::format("{} cannot be read back: {}", options_.log_directory, found.error().message));
  }
}

// One chunk; the next older snapshot when one is through, and then the newest again.
void Journal::Impl::scrub_snapshots() {
  if (scrub_reader_ == nullptr) {
    for (const storage::SnapshotRef& ref : snapshots_->all()) {
      if (scrubbed_.value() == 0 || ref.id.slot < scrubbed_) {
        scrubbed_ = ref.id.slot;
        auto reader = snapshots_->read(ref.id.slot, true);
        if (reader.ok()) {
          scrub_reader_ = std::move(reader).value();
        } else if (reader.error().code == ErrorCode::corrupt) {
          say_rot(reader.error().message);
        }
        return;
      }
    }
    scrubbed_ = Slot();
    return;
  }
  const auto piece = scrub_reader_->next();
  const auto all = snapshots_->all();
  const bool kept = std::any_of(all.begin(), all.end(), [this](const storage::SnapshotRef& ref) {
    return ref.id.slot == scrubbed_;
  });
  if (!piece.ok() && kept) {  // an old one may have been removed meanwhile
    say_rot(fmt::format("snapshot of slot {}: {}", scrubbed_.value(), piece.error().message));
    if (piece.error().code == ErrorCode::corrupt) {
      static_cast<void>(snapshots_->set_aside(scrubbed_));
    }
  }
  if (!piece.ok() || piece->empty()) {
    scrub_reader_.reset();
  }
}

void Journal::Impl::say_rot(std::string what) {
  if (what != rot_) {
    rot_ = what;
    lane_.log().error("journal", "went bad on the disk: {}", what);
    report(RotFound{std::move(what)});
  }
}

}  // namespace synod::coordinator
