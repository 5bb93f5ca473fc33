// What the confined parts of a coordinator say to each other.
//
//   Edge    -> Engine   EdgeMessage through a Sender: writes, syncs, touches
//   Engine  -> Edge     InboxItem through the edge's inbox (shared.h), then a Wake through a Sender
//   Engine  -> Journal  JournalCommand through a Sender, performed in order
//   Journal -> Engine   JournalReport through a Sender
//
// Exactly once  The edge holds a write until its result comes and is the only one that sends it
//               again: the engine keeps nothing that a lost leader, link or queue could lose. When
//               the way to the leader is a new one (PathRenewed) the edge submits all its
//               unanswered writes again, in order for each session; apply skips repeats.
//               A result is matched by (session, generation, sequence), or (session, nonce) for
//               create and attach, never by xid.
// Bounds        A Sender that says false has lost the message. For an edge that is the same as a
//               lost path: it submits again after its next PathRenewed or 100 ms.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "paxos/events.h"
#include "storage/log.h"
#include "storage/log_state.h"
#include "storage/record.h"
#include "storage/snapshot.h"
#include "znode/state.h"

namespace synod::coordinator {

// Which of a coordinator's edges; also its place at the gate.
using EdgeIndex = std::uint32_t;

// ---- Edge -> Engine

// A command for the log. `command` is znode::encode_command of one that is not the leader's own.
// session, generation, sequence and nonce repeat what it holds, so that the engine decodes nothing.
struct Submit {
  EdgeIndex edge = 0;
  SessionId session;
  Generation generation;
  Sequence sequence;        // 0 for create and attach
  std::uint64_t nonce = 0;  // create and attach
  Bytes command;
};
// A linearizable barrier: Synced follows when this replica has applied everything that was chosen
// anywhere before the request, and not before the replica has applied the session's own writes that
// were answered before.
struct SyncRequest {
  EdgeIndex edge = 0;
  std::uint64_t ticket = 0;  // the edge's own
};
// These sessions were heard from since the last Touch. Every edge sends one about each third of
// the shortest session timeout allowed, when there is something to say.
struct Touch {
  EdgeIndex edge = 0;
  std::vector<SessionId> sessions;
};
using EdgeMessage = std::variant<Submit, SyncRequest, Touch>;

// ---- Engine -> Edge

// The outcome of a command that this edge submitted. Its triggers and session effects stand before
// it in the inbox.
struct Applied {
  SessionId session;
  Generation generation;  // as submitted
  Sequence sequence;      // as submitted
  std::uint64_t nonce = 0;
  znode::Outcome outcome;
};
// For every edge: a change that connections may watch.
struct Fired {
  znode::Trigger trigger;
  Zxid zxid;
};
// For every edge.
struct SessionChanged {
  znode::SessionEffect effect;
};
// What was submitted and is unanswered may be lost: submit it again. Also sent first when the
// engine has recovered.
struct PathRenewed {
  std::uint64_t number = 0;  // rises
};
struct Synced {
  std::uint64_t ticket = 0;
  bool ok = false;  // false: no leader could be asked; ask again, or tell the client
};
// The state was replaced by a snapshot: it is newer, but which changes led to it is unknown. An
// edge treats every watch as setWatches at last_zxid does, and every session's connection as moved
// or closed if the new state says so. Unanswered writes are submitted again (repeats tell that
// their results are lost: the edge closes those connections).
struct StateReplaced {
  Zxid before;
};
using InboxItem = std::variant<Applied, Fired, SessionChanged, PathRenewed, Synced, StateReplaced>;

// "Your inbox has something": sent when it was empty.
struct Wake {};

// ---- Engine -> Journal

// Append the records; report Flushed once they are durable. Everything that gathered during one
// flush goes with the next: no timer.
struct WriteRecords {
  paxos::Lsn lsn;
  paxos::Ballot ballot;
  std::vector<storage::Record> records;
};
// Answered by LogRead, behind every WriteRecords sent before (flushing first if need be).
struct ReadLog {
  std::uint64_t ticket = 0;
  Slot from;
  Slot through;
  std::size_t size_bytes_max = 1 << 20;
};
// A snapshot of the engine's own state, in order: begin, slices, finish. A begin drops an
// unfinished one. Low-priority work: each slice is answered by SliceTaken once it is written, and
// the sender keeps few of them under way; the whole by SnapshotWritten, when it was read back and
// is durable.
struct BeginSnapshot {
  storage::SnapshotId id;
};
struct SnapshotSlice {
  Bytes bytes;
};
struct FinishSnapshot {};
// Part of the newest snapshot's file (`slot` 0), or of that of the slot, for a peer. Answered by
// SnapshotFileRead.
struct ReadSnapshotFile {
  std::uint64_t ticket = 0;
  Slot slot;
  std::uint64_t offset = 0;
  std::size_t size_bytes = 0;
};
// A snapshot file from a peer, in order: begin, parts, finish. Low-priority work: each part is
// answered by PartTaken, the whole by SnapshotReceived.
struct BeginReceive {
  std::uint64_t ticket = 0;
};
struct ReceivePart {
  Bytes file_bytes;
};
struct FinishReceive {
  storage::SnapshotId expected;
};
// Give the content of a durable snapshot. Answered by SnapshotContent, many times.
struct LoadSnapshot {
  Slot slot;
};
// Through here the state is covered by a durable snapshot and nobody needs the log: old segments
// and snapshots may go (the one before the newest stays, and the log behind it). Done as
// low-priority work; reports LogShortened when the log's begin moved.
struct ShortenLog {
  Slot covered;
  std::uint64_t keep_slots = 0;
};
// What a peer gave for RepairNeeds: consecutive slots, or none. Answered by RepairNeeds or, when
// nothing is missing any more, by Opened.
struct RepairSlots {
  std::uint64_t before_chain = 0;
  Slot chosen;     // known to the peer
  Slot log_first;  // the oldest slot that the peer's log has
  Slot snapshot;   // the peer's newest snapshot; 0: none
  std::vector<storage::SlotValue> slots;
};
// The state is wrong, and perhaps was already when the snapshots were made: all are set aside, and
// the next start takes its state from the log or from a peer. Answered by SnapshotsSetAside.
struct SetSnapshotsAside {};
using JournalCommand =
    std::variant<WriteRecords, ReadLog, BeginSnapshot, SnapshotSlice, FinishSnapshot,
                 ReadSnapshotFile, BeginReceive, ReceivePart, FinishReceive, LoadSnapshot,
                 ShortenLog, RepairSlots, SetSnapshotsAside>;

// ---- Journal -> Engine

// First: what the disk held. Comes again if the snapshot, while it is loaded first of all, turns
// out to be damaged: what was said before is void then. `tail` are the visible slots above the
// latest snapshot's slot (or all), in order; if they are many, the engine gets the first part here
// (about 16 MiB) and asks for the rest by ReadLog. A snapshot's content follows through
// LoadSnapshot.
struct Opened {
  storage::LogState state;
  std::vector<storage::SlotValue> tail;
  std::uint64_t tail_before_chain = 0;  // of the slot before the first of `tail`
  Slot log_first;                       // the oldest slot that ReadLog can give
  std::optional<storage::SnapshotRef> snapshot;
  storage::Tail tail_state = storage::Tail::clean;
  bool fresh = false;
};
// Before Opened, perhaps many times: what the disk held is damaged, and this is missing. Until it
// has come from peers by RepairSlots, or as a snapshot by BeginReceive and so on, the journal only
// answers reads. `helped`: what came last brought it further.
struct RepairNeeds {
  std::optional<storage::Identity> identity;
  Slot first;
  Slot through;
  bool snapshot = false;  // the peer that answered last no longer has these slots: its snapshot
  bool helped = false;
  std::string reason;  // what is damaged, in words
};
// Every record through `lsn` is durable.
struct Flushed {
  paxos::Lsn lsn;
  paxos::Ballot ballot;
  Duration took = {};  // by the flush itself
};
struct LogRead {
  std::uint64_t ticket = 0;
  std::vector<storage::SlotValue> slots;  // from `from` on, at least one unless failed
  std::uint64_t before_chain = 0;         // of from - 1
  Slot log_first;                         // the oldest slot there is
  Slot snapshot;                          // of the newest snapshot; 0: none
  std::optional<Error> error;
};
struct SliceTaken {};
struct SnapshotWritten {
  std::optional<storage::SnapshotRef> ref;
  std::optional<Error> error;
};
struct SnapshotFileRead {
  std::uint64_t ticket = 0;
  storage::SnapshotRef ref;
  std::uint64_t offset = 0;
  Bytes bytes;  // empty at the end of the file
  std::optional<Error> error;
};
struct PartTaken {
  std::uint64_t ticket = 0;
  std::uint64_t received_bytes = 0;
};
struct SnapshotReceived {
  std::uint64_t ticket = 0;
  std::optional<storage::SnapshotRef> ref;
  std::optional<Error> error;
};
struct SnapshotContent {
  Slot slot;
  Bytes bytes;  // empty: the end
  std::optional<Error> error;
};
struct LogShortened {
  Slot log_first;
};
// Something that was durable went bad, found by scrubbing before it was needed. This process does
// not need it; what peers hold makes it good at the next start.
struct RotFound {
  std::string what;
};
// The disk has no room: what waits is kept and tried again, nothing becomes durable meanwhile. Said
// when it begins and when it ends.
struct JournalFull {
  bool full = false;
};
// The end of this journal: nothing more becomes durable. The engine stops taking part and says so.
struct JournalFailed {
  Error error;
};
struct SnapshotsSetAside {
  std::optional<Error> error;
};
using JournalReport =
    std::variant<Opened, RepairNeeds, Flushed, LogRead, SliceTaken, SnapshotWritten,
                 SnapshotFileRead, PartTaken, SnapshotReceived, SnapshotContent, LogShortened,
                 JournalFull, RotFound, JournalFailed, SnapshotsSetAside>;

}  // namespace synod::coordinator
