// What can still be read of a log that lost a group which had been durable, and the log that takes
// its place.
//
// A bad group behind which a witness stands is unknown, not gone: those behind it are whole and say
// what the state was later on. So the salvage reads on behind every gap. What remains unknown are
// the bytes of some slots, to be had from peers and checked by their chain hashes; and, if nothing
// behind the last gap tells, what was promised and adopted at the end (`certain`).
//
//   auto salvage = LogSalvage::read(disk, directory);           // changes nothing
//   salvage->value(slot)                                         // nothing if it is unreadable
//   rebuild_log(disk, directory, nonce, plan, next_value);       // when every slot is at hand
//
// Source      "Protocol-aware recovery for consensus-based storage" (FAST 2018).
// Invariants  Y1 salvage never writes; rebuild never removes: damaged segments are moved to
//                `<directory>.damaged-N`, after the new segment is durable under its name.
//             Y2 a crash in rebuild leaves a log that still says damage, or the whole new one.
// Threads     Confined to the journal's Lane.
// Memory      40 bytes a slot, one group.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "ports/disk.h"
#include "storage/log.h"

namespace synod::storage {

// One stretch of groups that cannot be read.
struct LogGap {
  std::string file;
  std::uint64_t offset = 0;
  std::string reason;
};

class LogSalvage {
 public:
  static Result<LogSalvage> read(ports::Disk& disk, const std::string& directory);

  // As recovery of the whole log would say, as far as is known. Chains of single slots are not kept
  // here; notes lost in a gap are missing.
  const LogState& state() const { return state_; }
  // True if promised, adopted and last are what they were. Else they are what was known before the
  // last gap: the end of the log is in doubt.
  bool certain() const { return certain_; }
  const std::vector<LogGap>& gaps() const { return gaps_; }

  // The slot's value as it is stored here; nothing if it is not readable. Whether it belongs to the
  // history that ends in state().last, its chain hash tells.
  Result<std::optional<SlotValue>> value(Slot slot);
  // The first slot at or behind `slot` that is readable; nothing if there is none.
  std::optional<Slot> next_readable(Slot slot) const;
  // The value is of a history that may have been dropped within a gap: it does not fit.
  void forget(Slot slot) { visible_.erase(slot); }

 private:
  struct At {
    std::size_t segment = 0;
    std::uint64_t offset = 0;
    std::uint32_t record = 0;  // in its group
  };
  class Reading;

  std::vector<std::string> names_;
  std::vector<std::unique_ptr<ports::File>> files_;
  std::vector<std::uint64_t> generations_;
  LogState state_;
  bool certain_ = true;
  std::vector<LogGap> gaps_;
  std::map<Slot, At> visible_;
  // The group that was read last.
  std::size_t read_segment_ = 0;
  std::uint64_t read_offset_ = UINT64_MAX;
  std::vector<Record> read_records_;
};

// What the new log begins with.
struct RebuildPlan {
  LogState state;  // of the damaged log, its `last` included
  bool certain = true;
  Slot start;  // covered by a durable snapshot, or 0
  std::uint64_t start_chain = 0;
};

// Writes a new segment that holds the state at plan.start and the values after it, in order, as
// `next` gives them until it gives nothing; then moves all older segments aside. The caller opens
// the log again afterwards.
Status rebuild_log(ports::Disk& disk, const std::string& directory, std::uint64_t nonce,
                   const RebuildPlan& plan,
                   const std::function<Result<std::optional<SlotValue>>()>& next);

}  // namespace synod::storage
