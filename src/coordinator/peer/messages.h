// Everything that two coordinators say to each other behind the hello: the core's messages and the
// engine's own. Bytes: docs/formats/peer.md.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "paxos/messages.h"
#include "storage/snapshot.h"

namespace synod::coordinator::peer {

// Commands (znode::encode_command) from a follower's edges for the leader's queue, in order.
struct Forward {
  std::vector<Bytes> commands;
};
// The receiver does not lead, or has no room: they are lost, the edges send them again.
struct ForwardDropped {};
// A linearizable barrier is wanted; answered by SyncAnswer when a quorum round is over.
struct SyncAsk {
  std::uint64_t ticket = 0;
};
struct SyncAnswer {
  std::uint64_t ticket = 0;
  bool ok = false;
  Slot slot;  // everything through here was chosen when it was asked
};
// These sessions were heard from at the sender.
struct Touched {
  std::vector<SessionId> sessions;
};
// A snapshot file for one that lags too far, in order: begin, parts, end.
struct SnapshotBegin {
  paxos::Ballot ballot;
  storage::SnapshotId id;
  std::uint64_t size_bytes = 0;
};
struct SnapshotPart {
  paxos::Ballot ballot;
  std::uint64_t offset = 0;
  Bytes bytes;
};
struct SnapshotEnd {
  paxos::Ballot ballot;
};
// The answer to a begin where a part of that very file is here, from an earlier attempt that broke
// off, perhaps of another sender's: what lies before `offset` need not come again. Since format 2.
struct SnapshotFrom {
  paxos::Ballot ballot;
  Slot slot;
  std::uint64_t offset = 0;
};
// The answer: it is whole, durable and known to the receiver's core (or not).
struct SnapshotTaken {
  paxos::Ballot ballot;
  Slot slot;
  bool ok = false;
};

// Of one whose log is damaged: slots that it cannot read, or the newest snapshot (which comes by
// SnapshotBegin and so on, with ballot 0).
struct RepairAsk {
  Slot first;
  Slot through;
  bool snapshot = false;
};
// The answer: slots from `first` on, as many as fit a message; none if they are not here.
struct RepairGive {
  Slot first;
  paxos::Chain before;  // at first - 1
  Slot chosen;          // known to be chosen here
  Slot log_first;       // the oldest slot that this log has
  Slot snapshot;        // of the newest snapshot; 0: none
  std::vector<paxos::Entry> entries;
};

// Digests of the sender's state after some slots. Since format 2.
struct SlotDigest {
  Slot slot;
  std::uint64_t digest = 0;

  friend bool operator==(const SlotDigest&, const SlotDigest&) = default;
};
struct DigestsSaid {
  std::uint32_t version = 0;  // of what is digested: others are not to be compared
  std::vector<SlotDigest> digests;
};

// Where the sender can be dialled, right behind its hello: one that is no member of the receiver's
// ensemble learns so. `address` as in paxos::Member. Since format 3, as ChangeAsk.
struct Introduction {
  Bytes address;
};
// To the leader: a client's reconfig, as a command (batch.md).
struct ChangeAsk {
  Bytes command;
};

// Whom the sender is connected with, both ways. Since format 4, as the next three (relays.h).
struct Reach {
  std::vector<NodeId> nodes;
};
// What `from` says to `to` comes by the sender from now on, under this number.
struct RelayOpen {
  NodeId from;
  NodeId to;
  std::uint64_t path = 0;
};
struct Relayed {
  NodeId from;
  NodeId to;
  std::uint64_t path = 0;
  Bytes payload;  // of the frame that it would have been
};
// To the origin: what is sent by this path does not arrive.
struct RelayBroken {
  NodeId from;
  NodeId to;
  std::uint64_t path = 0;
};

using PeerMessage = std::variant<paxos::Message, Forward, ForwardDropped, SyncAsk, SyncAnswer,
                                 Touched, SnapshotBegin, SnapshotPart, SnapshotEnd, SnapshotTaken,
                                 RepairAsk, RepairGive, DigestsSaid, SnapshotFrom, Introduction,
                                 ChangeAsk, Reach, RelayOpen, Relayed, RelayBroken>;

inline constexpr std::uint16_t format_newest = 5;
inline constexpr std::uint16_t format_of_changes = 3;
inline constexpr std::uint16_t format_of_relays = 4;
inline constexpr std::uint16_t format_of_leases = 5;
// Of a frame format that does not know it a message is not sent.
std::uint16_t format_of(const PeerMessage& message);

// The first frame of the one who dialled, and of the other in answer.
struct Hello {
  std::uint16_t format = format_newest;  // newest frame format spoken
  NodeId from;
  NodeId to;
  ClusterId cluster;  // 0: not founded yet
  Incarnation incarnation;
  RulesVersion rules;
  // In an answer: why the connection is refused; empty if it is not.
  std::string refusal;
};

// Liveness of the connection itself: the dialler pings, the other answers.
struct Ping {};
struct Pong {};

using Frame = std::variant<Hello, Ping, Pong, PeerMessage>;

// A whole frame: length, checksum, type, body.
Bytes encode_frame(const Frame& frame);
// Its payload alone.
Bytes encode_payload(const PeerMessage& message);
// The payload (type and body) of one frame whose checksum was right. Total: malformed otherwise.
Result<Frame> decode_payload(ByteView payload);

// Cuts a stream of bytes into payloads.
class FrameReader {
 public:
  void feed(ByteView bytes);
  // The next whole payload, valid until the next feed(); an empty view if there is none yet;
  // malformed (too long, bad checksum), after which the stream is of no use.
  Result<ByteView> next();

 private:
  Bytes buffer_;
  std::size_t at_ = 0;
};

}  // namespace synod::coordinator::peer
