// The write-ahead log of one coordinator: what it promised, adopted and accepted, in segments.
//
// append() puts a record into the group under way; flush() makes everything appended durable with
// one pwrite run and one fdatasync (group commit is the caller's: it flushes when it likes). What
// is not flushed is not there after a crash. The state (promised, adopted, visible slots, staged
// slots) follows from the records by LogState.
//
// Segments are files `segment-<generation>`. They are zero-filled ahead of use, or recycled, by
// prepare_step(), a bounded piece of low-priority work; a log that outruns it uses a plain new
// file.
//
// Source      "Protocol-aware recovery for consensus-based storage" (FAST 2018); "Can applications
//             recover from fsync failures?" (ATC 2020). Format: docs/formats/log.md.
// Invariants  W1 After flush() succeeded, open() on any later state of the disk that lost only what
//                was not flushed gives a state that contains it.
//             W2 open() never invents a record: it gives a prefix of what was appended.
//             W3 open() never drops a group behind which a witness stands: it says `damage`.
//             W5 A doubt about the end of the log is part of the state (doubt_of) from open() on,
//                and durable before anything is written behind it.
//             W6 So is a doubt because the log was last opened in another boot of the machine, or
//                because the page cache holds a group that the medium does not: the disk may have
//                said yes to a flush and forgotten it, or be the copy of an older one.
//             W4 After a failed flush nothing is written any more (fenced): the kernel may have
//                dropped the dirty pages, and the next flush would lie.
// Errors      full: nothing of the group is durable, it is kept, flush() may be called again.
//             io: the log is fenced; every later call says io. corrupt: the stored bytes.
// Threads     Confined to the journal's Lane. Calls block on the disk.
// Memory      The group under way, 64 bytes per run of slots of one group in the index, and
//             8 bytes per retained slot for its chain hash.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/planted.h"
#include "base/result.h"
#include "ports/disk.h"
#include "storage/group.h"
#include "storage/log_state.h"
#include "storage/record.h"

namespace synod::storage {

struct LogOptions {
  std::uint64_t first_segment_size_bytes = 1 << 20;
  std::uint64_t segment_size_bytes = 64 << 20;
  // A group is closed before its payload passes this, unless one record alone does.
  std::size_t group_size_bytes = 1 << 20;
  // What one prepare_step() writes.
  std::size_t fill_step_size_bytes = 256 << 10;
  // Fill the next segment ahead of use.
  bool fill_ahead = true;
  // Of this boot of the machine. What was flushed in another one is doubtful (W6); empty: not.
  std::string boot_id;
  PlantedBug planted = PlantedBug::none;  // simulator and tests only
};

// A slot as it is read back.
struct SlotValue {
  Slot slot;
  Ballot ballot;  // with which it was accepted here
  std::uint64_t chain = 0;
  Bytes bytes;

  friend bool operator==(const SlotValue&, const SlotValue&) = default;
};

struct OpenedLog;

class Log {
 public:
  // Recovers what is there; makes the directory if it is absent. `nonce` is a number never used
  // before (from ports::Entropy): groups of this life are told from leftovers of earlier ones by
  // it.
  //
  // Everything returned is durable: the tail is flushed and read past the page cache first.
  // Errors: io, full, permission_denied; corrupt never: damage is part of the answer.
  static Result<OpenedLog> open(ports::Disk& disk, const std::string& directory,
                                const LogOptions& options, std::uint64_t nonce);

  // Moves everything in the directory aside (to `<directory>.damaged-N`), so that the next open
  // begins a new log. The node is then a wiped one and needs a new incarnation.
  static Status set_aside(ports::Disk& disk, const std::string& directory);

  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Position of the record. Not durable before flush().
  // Precondition: state() has no objection; not a Checkpoint; !fenced().
  Lsn append(Record record);
  // See Errors. Nothing to do is success.
  Status flush();
  // Writes a witness behind the last group, unless one stands there: called when idle, so that
  // damage of the last group can be told from a torn write.
  Status flush_witness();

  // With what was appended, durable or not.
  const LogState& state() const;
  Lsn last_lsn() const;
  Lsn durable_lsn() const;
  bool fenced() const;
  // First slot that read() can give; slots in (base, first) are gone with their segments.
  Slot first_slot() const;
  // Visible durable slots from `from`, in order, until `through` or about `size_bytes_max` (always
  // at least one if there is one). Reads the disk. not_found if `from` < first_slot(); corrupt if
  // the bytes went bad.
  Result<std::vector<SlotValue>> read(Slot from, Slot through, std::size_t size_bytes_max);

  // One bounded step of preparing the next segment, once a quarter of the present one is used. True
  // if there is more to do now.
  Result<bool> prepare_step();

  // Removes whole segments whose slots are all <= covered_through - keep, oldest first; a verified,
  // durable snapshot must cover covered_through. Slots staged and state never go with them.
  // Returns the number removed.
  Result<std::size_t> remove_through(Slot covered_through, std::uint64_t keep);

  // Reads durable groups past the page cache from `at` on, about `size_bytes_max` of them, and
  // moves on, round and round. What went bad, if anything: the next open() would say damage.
  struct ScrubAt {
    std::uint64_t generation = 0;
    std::uint64_t offset = 0;
  };
  Result<std::optional<Damage>> scrub_step(ScrubAt& at, std::size_t size_bytes_max);

  // Bytes of all segments in use.
  std::uint64_t size_bytes() const;
  std::size_t segment_count() const;

 private:
  friend class LogRecovery;
  struct Impl;
  explicit Log(std::unique_ptr<Impl> impl);
  static Status note_doubt(Impl& impl, bool doubtful);

  std::unique_ptr<Impl> impl_;
};

struct OpenedLog {
  std::unique_ptr<Log> log;  // null if damaged: nothing may be appended
  LogState state;            // before the damage, if any
  Tail tail = Tail::clean;
  std::optional<Damage> damage;
  bool fresh = false;  // there was nothing
};

// A description in plain words of every segment and group, for `synod coordinator --verify` and for
// tests. Never changes anything.
Result<std::string> describe_log(ports::Disk& disk, const std::string& directory, bool records);

}  // namespace synod::storage
