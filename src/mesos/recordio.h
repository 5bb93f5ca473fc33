// RecordIO: `decimal length LF payload`, records one after another with nothing between them.
//
// The writer of a stream gives each encoded record to the connection as one chunk: some clients
// take a chunk for a record.
//
// Source   mesos.md, section 1.3.
// Errors   malformed (no decimal number, zero, leading sign), too_large. A decoder that failed
//          stays failed: the place of the next record is unknown.
// Memory   The decoder holds at most one unfinished record.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/result.h"

namespace synod::mesos {

// Precondition: payload not empty.
Bytes encode_record(ByteView payload);

class RecordDecoder {
 public:
  explicit RecordDecoder(std::size_t record_size_max = limits::record_size_bytes_max)
      : record_size_max_(record_size_max) {}

  // Appends the records that the bytes complete, in order.
  Status feed(ByteView bytes, std::vector<Bytes>& records);

  // True between two records: a stream may end here.
  bool at_boundary() const { return !failed_ && header_.empty() && !in_payload_; }

 private:
  Status fail(ErrorCode code, const char* what);
  // Takes the length and its LF off `bytes` as far as they are there.
  Status read_header(ByteView& bytes);

  std::size_t record_size_max_;
  Bytes header_;   // digits of a length that is not complete yet
  Bytes payload_;  // what is there of the record
  std::size_t size_ = 0;
  bool in_payload_ = false;
  bool failed_ = false;
};

}  // namespace synod::mesos
