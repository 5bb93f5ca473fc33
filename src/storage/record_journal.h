// An append-only journal of opaque records, for parts smaller than the coordinator (the agent).
//
// One file of groups (group.h) at a time. append() buffers, flush() makes everything appended
// durable: answers wait for a flush, never each for its own. compact() replaces everything so far
// by the caller's own summary of it, in a new file, so that the journal stays as long as its
// content.
//
// Invariants  J1 After flush() or compact() succeeded, open() gives at least what they covered.
//             J2 open() gives a prefix of what was appended since the last compact(), behind that
//                compact()'s records; never a mixture of two compactions.
// Errors      As log.h: full may be tried again, io fences the journal, corrupt from open() if a
//             group behind which a witness stands is bad (nothing is overwritten then).
// Threads     Confined to one Lane. Calls block on the disk.
// Memory      The group under way.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "ports/disk.h"
#include "storage/group.h"

namespace synod::storage {

struct RecordJournalOptions {
  std::size_t record_size_bytes_max = 16 << 20;
  std::size_t group_size_bytes = 1 << 20;
};

struct OpenedJournal;

class RecordJournal {
 public:
  // Recovers the directory, or begins a journal in it. `nonce` is a number never used before.
  static Result<OpenedJournal> open(ports::Disk& disk, const std::string& directory,
                                    const RecordJournalOptions& options, std::uint64_t nonce);

  ~RecordJournal();
  RecordJournal(const RecordJournal&) = delete;
  RecordJournal& operator=(const RecordJournal&) = delete;

  // Number of the record since open, from 1. Not durable before flush().
  // Precondition: !fenced(), record.size() <= record_size_bytes_max.
  std::uint64_t append(ByteView record);
  Status flush();
  // The last number that flush() made durable.
  std::uint64_t durable() const;
  bool fenced() const;

  // Makes `records` the whole content of the journal, durably; what was appended and not flushed is
  // dropped (it must be part of `records`) and counts as durable. On full or io before the new file
  // took the old one's place, the old content stands and the journal goes on.
  Status compact(const std::vector<Bytes>& records);

  // Bytes of the file, and what it had right after the last compact(): compact when the first is a
  // few times the second.
  std::uint64_t size_bytes() const;
  std::uint64_t compacted_size_bytes() const;

 private:
  struct Impl;
  explicit RecordJournal(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

struct OpenedJournal {
  std::unique_ptr<RecordJournal> journal;
  std::vector<Bytes> records;
  Tail tail = Tail::clean;
  bool fresh = false;
};

}  // namespace synod::storage
