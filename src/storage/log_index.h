// Where the slots of a log lie: runs of slots that stand in one group.
//
// Fed with the records of durable groups, in order; follows the same rules as LogState, for places
// instead of values.
//
// Invariants  visible runs are in increasing order of slots, without overlap; they end with the
//             last durable visible slot. Staged runs likewise.
// Memory      64 bytes a run.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "storage/record.h"

namespace synod::storage {

struct GroupAt {
  std::uint64_t generation = 0;
  std::uint64_t offset = 0;

  friend auto operator<=>(const GroupAt&, const GroupAt&) = default;
};

struct Run {
  GroupAt at;
  Slot first;
  Slot last;
  Lsn first_lsn;  // record of `first`; the run's records are those of its type up to last_lsn
  Lsn last_lsn;
  RecordType type = RecordType::value;  // value or stage
  // Its end was cut off: dropped records follow in the group, so nothing may join it.
  bool closed = false;

  friend bool operator==(const Run&, const Run&) = default;
};

// What the index needs of a record: no bytes. Made when the record is appended, applied when its
// group is durable.
struct IndexEntry {
  RecordType type = RecordType::value;
  Lsn lsn;
  Ballot ballot;
  Slot slot;              // of value and stage; keep_through of adopt
  Slot last;              // of adopt
  bool snapshot = false;  // of adopt
};

// Nothing if the record has no bearing on places.
std::optional<IndexEntry> index_entry(const Record& record, Lsn lsn);

class LogIndex {
 public:
  // Slots through `last` have no place: the log begins behind them.
  void start_from(Slot last);
  void apply(const IndexEntry& entry, const GroupAt& at);

  // The run that holds the slot, or the next later one; nullptr if there is none.
  const Run* find(Slot slot) const;
  // First visible slot with a place; the one after last() if there is none.
  Slot first() const;
  // Last visible slot, with a place or not.
  Slot last() const { return last_; }

  // Highest visible slot in the segment, 0 if none.
  Slot last_in_segment(std::uint64_t generation) const;
  bool staged_in_segment(std::uint64_t generation) const;
  // Forgets the visible runs of this segment and of older ones.
  void drop_through_segment(std::uint64_t generation);

 private:
  void stage(const IndexEntry& entry, const GroupAt& at);
  void adopt(const IndexEntry& entry);

  std::deque<Run> visible_;
  std::deque<Run> staged_;
  Ballot staged_ballot_;
  Slot last_;
};

}  // namespace synod::storage
