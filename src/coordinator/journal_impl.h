// The inside of Journal; included by its own source files only.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "coordinator/journal.h"
#include "coordinator/log_repair.h"
#include "ports/scope.h"

namespace synod::coordinator {

class Journal::Impl {
 public:
  Impl(ports::Lane& lane, ports::Disk& disk, JournalOptions options,
       ports::Sender<JournalReport> engine);

  ports::Sender<JournalCommand> commands();
  void take(JournalCommand command);
  void finish(Slot chosen);

 private:
  void soon(std::function<void()> task);
  void report(JournalReport report);
  void send_reports();
  void fail(Error error);

  void open();
  Status try_open();
  Result<std::optional<storage::SnapshotRef>> usable_snapshot();
  Status read_tail(Opened& opened);

  // A damaged log or no snapshot that covers its beginning (journal_repair.cc).
  Status begin_repair(const std::string& what);
  void step_repair(bool helped);
  void take_repair(JournalCommand command);
  LogRead read_for_peer(const ReadLog& read);

  void take_records(WriteRecords write);
  void flush();
  void retry_full();
  void make_ballast();
  bool give_up_ballast();
  void say_full(const std::string& why);
  void end_full();
  void read_log(const ReadLog& read);
  // The oldest slot that read_log() can give.
  Slot first_given() const;
  void witness_later();
  // Scrubbing (journal_repair.cc).
  void scrub_later();
  void scrub_log();
  void scrub_snapshots();
  void say_rot(std::string what);
  void fill_later(Duration delay);

  // Low-priority work, one bounded step a turn (journal_low.cc).
  void low_later();
  void low_step();
  bool step_reading();
  void perform(const BeginSnapshot& command);
  void perform(const SnapshotSlice& command);
  void perform(const FinishSnapshot& command);
  void perform(const ReadSnapshotFile& command);
  void perform(const BeginReceive& command);
  void perform(const ReceivePart& command);
  void perform(const FinishReceive& command);
  void perform(const LoadSnapshot& command);
  void perform(const ShortenLog& command);
  void perform(const SetSnapshotsAside& command);
  void perform(const WriteRecords& command);  // never low
  void perform(const ReadLog& command);       // never low
  void perform(const RepairSlots& command);   // never low

  ports::Lane& lane_;
  ports::Disk& disk_;
  JournalOptions options_;
  ports::Sender<JournalReport> engine_;

  std::unique_ptr<ports::DirectoryLock> lock_;
  std::unique_ptr<storage::Log> log_;
  std::unique_ptr<storage::SnapshotStore> snapshots_;
  std::unique_ptr<LogRepair> repair_;  // under way
  bool repaired_ = false;
  bool opened_ = false;
  bool written_ = false;  // records came since
  bool failed_ = false;
  std::deque<JournalCommand> early_;  // came before the log was open

  std::deque<JournalReport> outbox_;  // the engine's queue was full
  bool resending_ = false;

  std::optional<Flushed> waiting_;  // the last that was appended and not reported
  bool flush_posted_ = false;
  bool full_ = false;
  bool ballast_ = false;  // it is there
  bool retry_armed_ = false;
  bool witness_armed_ = false;
  bool flushed_lately_ = false;
  bool fill_armed_ = false;

  std::optional<Instant> purged_at_;
  std::deque<JournalCommand> low_;
  bool low_posted_ = false;
  std::unique_ptr<storage::SnapshotWriter> writer_;
  std::optional<Error> writer_error_;
  std::unique_ptr<storage::SnapshotReceiver> receiver_;
  std::optional<Error> receiver_error_;
  std::uint64_t receive_ticket_ = 0;
  // A snapshot that is being read from end to end: to check what was written, or for the engine.
  std::unique_ptr<storage::SnapshotReader> reader_;
  bool checking_ = false;

  bool scrub_armed_ = false;
  storage::Log::ScrubAt scrub_at_;
  std::unique_ptr<storage::SnapshotReader> scrub_reader_;
  Slot scrubbed_;    // the last snapshot that was begun
  std::string rot_;  // said last

  ports::Scope scope_;
};

}  // namespace synod::coordinator
