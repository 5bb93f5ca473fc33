// Names and records of the election, as bytes.
//
// Source   Mesos 1.11, src/master/constants.hpp (json.info label); docs/formats/epoch.md.
// Threads  pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"

namespace synod::election {

inline constexpr const char* candidate_prefix = "json.info_";

// The sequence of a candidate's name; nullopt for other names.
std::optional<std::uint64_t> candidate_sequence(const std::string& name);

// The last component of a path, and what is before it ("/" for "/a").
std::string name_of(const std::string& path);
std::string parent_of(const std::string& path);

// What the epoch node holds.
struct EpochRecord {
  Uuid lineage;
  MasterEpoch epoch;
  // Who raised it: session and node together are never used twice.
  SessionId session;
  std::string candidate_path;

  friend bool operator==(const EpochRecord&, const EpochRecord&) = default;
};

Bytes encode(const EpochRecord& record);
// malformed for anything else.
Result<EpochRecord> decode_epoch_record(ByteView bytes);

}  // namespace synod::election
