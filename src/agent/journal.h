// The agent's journal on its own Lane: appends what comes, flushes what gathered, answers.
//
// Invariants  A1 `durable` is told of a position only after the flush that covers it.
//             A2 a full disk is waited out: nothing is told, everything is kept and tried again.
// Threads     JournalWriter lives on the journal Lane: it is made, called and destroyed there.
// Memory      What is appended and not yet flushed; while the disk is full, what comes meanwhile.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ports/disk.h"
#include "ports/lane.h"
#include "ports/scope.h"
#include "storage/record_journal.h"

namespace synod::agent {

struct JournalHandler {
  // Everything up to this position is durable. Called on the journal Lane.
  std::function<void(std::uint64_t seq)> durable;
  // The disk has no room (true), or has it again (false).
  std::function<void(bool full)> full;
  // Nothing more can be made durable: the agent must end.
  std::function<void(const Error&)> failed;
};

class JournalWriter {
 public:
  JournalWriter(ports::Lane& lane, std::unique_ptr<storage::RecordJournal> journal,
                JournalHandler handler);
  ~JournalWriter();
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;

  // `seq` follows the last one's.
  void append(std::uint64_t seq, Bytes record);
  // Makes `records`, the state as of position `seq`, the whole journal.
  void compact(std::uint64_t seq, const std::vector<Bytes>& records);
  // Worth a compaction: several times as long as its content was.
  bool is_long() const;

 private:
  void flush_later();
  void flush();
  void retry_later(const Error& error);

  ports::Lane& lane_;
  std::unique_ptr<storage::RecordJournal> journal_;
  JournalHandler handler_;
  std::uint64_t appended_ = 0;
  std::uint64_t told_ = 0;
  bool flush_posted_ = false;
  bool full_ = false;
  bool failed_ = false;
  ports::TimerId retry_timer_;
  ports::Scope scope_;
};

}  // namespace synod::agent
