// The journal while its log is damaged: it answers peers' reads, takes what they give, and opens
// the log when it is whole again.
#include <fmt/format.h>

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

}  // namespace synod::coordinator
