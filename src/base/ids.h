// The identifiers that more than one folder speaks of.
//
// Those of one folder only (offers, containers) are declared there.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/strong_id.h"

namespace synod {

// A coordinator: the N of `server.N`, 1 to 255. 0 is nobody.
using NodeId = StrongId<struct NodeIdTag, std::uint32_t>;

// A place in the replicated log, from 1. 0 is "before the first".
using Slot = StrongId<struct SlotTag, std::uint64_t>;

// ZooKeeper's transaction id: zxid_epoch in the high half, counter in the low half.
using Zxid = StrongId<struct ZxidTag, std::int64_t>;

// A client session. 0 is none.
using SessionId = StrongId<struct SessionIdTag, std::int64_t>;

// Raised each time a session is attached to a server; older generations may not write.
using Generation = StrongId<struct GenerationTag, std::uint32_t>;

// Position of a write within (session, generation), from 1.
using Sequence = StrongId<struct SequenceTag, std::uint64_t>;

// Drawn anew whenever a voter starts on an empty disk: tells a wiped voter from the one that voted.
using Incarnation = StrongId<struct IncarnationTag, std::uint64_t>;

// Drawn when an ensemble is founded: two ensembles wired together refuse each other.
using ClusterId = StrongId<struct ClusterIdTag, std::uint64_t>;

// Rules by which a batch is evaluated; stamped into its header by the leader.
using RulesVersion = StrongId<struct RulesVersionTag, std::uint32_t>;

// The counter of a resource master's leadership within one registry lineage. Never bare "epoch".
using MasterEpoch = StrongId<struct MasterEpochTag, std::uint64_t>;

// 128 random bits with the text form of RFC 4122 ("8f0c...-..."). Made from ports::Entropy.
struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

// 36 lower-case characters.
std::string to_string(const Uuid& uuid);

// Makes a version 4 UUID of two random words.
Uuid uuid_from_words(std::uint64_t high, std::uint64_t low);

std::ostream& operator<<(std::ostream& out, const Uuid& uuid);

}  // namespace synod
