// What the log of a coordinator says, record by record: plain structs and their bytes.
//
// The words are those of paxos (docs/design.md, section 4), but storage does not know paxos: a
// ballot is two numbers to be kept, a chain hash is a number to be compared, a value is bytes.
// Bytes: docs/formats/log.md.
//
// Errors  decode_record is total: any bytes give a Record or malformed.
// Memory  Records own their bytes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <ostream>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/strong_id.h"

namespace synod::storage {

// Position of a record in one log, from 1, never reused. 0 is "before the first".
using Lsn = StrongId<struct LsnTag, std::uint64_t>;

struct Ballot {
  std::uint64_t round = 0;
  NodeId node;

  friend auto operator<=>(const Ballot&, const Ballot&) = default;
};

// A visible slot: must be the last visible one + 1.
struct Value {
  Ballot ballot;
  Slot slot;
  std::uint64_t chain = 0;  // over values and slots up to this one
  Bytes bytes;

  friend bool operator==(const Value&, const Value&) = default;
};

// A slot of the history of `ballot`, kept invisible until Adopt. The first Stage of another ballot
// drops what was staged before; a slot staged again drops the staged ones from there on.
struct Stage {
  Ballot ballot;
  Slot slot;
  std::uint64_t chain = 0;
  Bytes bytes;

  friend bool operator==(const Stage&, const Stage&) = default;
};

// promised = ballot.
struct Promise {
  Ballot ballot;

  friend bool operator==(const Promise&, const Promise&) = default;
};

// In one step: visible slots above keep_through vanish, the staged slots of `ballot` in
// (keep_through, last] appear, adopted = ballot, and everything staged is forgotten. `chain` is
// that of `last`. promised rises to ballot if it was lower. With `snapshot`, a durable snapshot of
// slot keep_through, whose chain hash is keep_chain, takes the place of all visible slots.
struct Adopt {
  Ballot ballot;
  Slot keep_through;
  Slot last;
  std::uint64_t chain = 0;
  bool snapshot = false;
  std::uint64_t keep_chain = 0;

  friend bool operator==(const Adopt&, const Adopt&) = default;
};

// Who writes this log. A log without one belongs to a node that never finished its first start.
struct Identity {
  ClusterId cluster;
  NodeId node;
  Incarnation incarnation;
  Bytes founders;  // the caller's own encoding

  friend bool operator==(const Identity&, const Identity&) = default;
};

// Everything through `slot` is known to be chosen. A hint: may lag, never leads.
struct Chosen {
  Slot slot;

  friend bool operator==(const Chosen&, const Chosen&) = default;
};

// Bytes of the caller's own under a key, the latest of a key counts. Keys 1 to 255 are notes about
// the peer of that number (what was last heard from it); 256 to 258 are the log's own (doubt,
// boot); larger ones are free. Empty bytes remove.
struct Note {
  std::uint32_t key = 0;
  Bytes bytes;

  friend bool operator==(const Note&, const Note&) = default;
};

// The log's own note: its end was in doubt once, so that a promise or a slot may be forgotten.
// Written by Log::open() over the bad group, with `doubt_unclaimed`; the caller writes it again
// with a number of its own when it has drawn its consequence. So no restart can lose the doubt.
inline constexpr std::uint32_t doubt_note_key = 256;
inline constexpr std::uint64_t doubt_unclaimed = 0;
Note doubt_note(std::uint64_t claim);
// Nothing if there is no such note.
std::optional<std::uint64_t> doubt_of(const std::map<std::uint32_t, Bytes>& notes);
// The claim that a new doubt has replaced; 0: none.
inline constexpr std::uint32_t doubt_before_note_key = 258;
std::uint64_t doubt_before_of(const std::map<std::uint32_t, Bytes>& notes);
// What to append for a new doubt.
std::vector<Note> doubt_anew(const std::map<std::uint32_t, Bytes>& notes);
// The boot of the machine in which the log was last opened.
inline constexpr std::uint32_t boot_note_key = 257;

// The state of all the above as it was when a segment began: always the first record of a segment,
// and only there, so that older segments may go. Written by Log itself.
struct Checkpoint {
  Ballot promised;
  Ballot adopted;
  bool has_identity = false;
  Identity identity;
  Slot chosen;
  Slot base;  // through here a snapshot stands in for the log; 0 is none
  std::uint64_t base_chain = 0;
  Slot last;  // last visible slot; its chain is last_chain
  std::uint64_t last_chain = 0;
  // Slots staged when the segment began; staged_last < staged_first is none.
  Ballot staged_ballot;
  Slot staged_first{1};
  Slot staged_last;
  std::uint64_t staged_chain = 0;  // of staged_last
  std::vector<Note> notes;         // ascending keys

  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

using Record = std::variant<Value, Stage, Promise, Adopt, Identity, Chosen, Note, Checkpoint>;

// The stored tag of each alternative; frozen.
enum class RecordType : std::uint8_t {
  value = 1,
  stage = 2,
  promise = 3,
  adopt = 4,
  identity = 5,
  chosen = 6,
  note = 7,
  checkpoint = 8,
};

RecordType type_of(const Record& record);

// Appends type, length and body.
void encode_record(const Record& record, ByteWriter& out);
// Takes one record off the reader. malformed if the bytes are short, of an unknown type, too long,
// or longer than their content.
Result<Record> decode_record(ByteReader& in);
// An upper bound of what encode_record appends.
std::size_t encoded_size(const Record& record);

// "1.3": round and node.
std::ostream& operator<<(std::ostream& out, const Ballot& ballot);
// One line without bytes: `value ballot=1.3 slot=7 chain=00000000000000aa size=12`.
std::ostream& operator<<(std::ostream& out, const Record& record);

}  // namespace synod::storage
