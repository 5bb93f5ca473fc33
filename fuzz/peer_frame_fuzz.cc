// What comes in on the port between coordinators: bytes, frames, payloads.
#include <sstream>

#include "coordinator/peer/messages.h"
#include "fuzz/fuzz.h"
#include "paxos/membership.h"

namespace synod::fuzz {
namespace {

using namespace coordinator::peer;

void decoded(ByteView payload) {
  const Result<Frame> frame = decode_payload(payload);
  if (!frame.ok()) {
    return;
  }
  SYNOD_CHECK(ByteView(encode_frame(*frame)).substr(8) == payload);
  if (const auto* message = std::get_if<PeerMessage>(&*frame)) {
    if (const auto* consensus = std::get_if<paxos::Message>(message)) {
      std::ostringstream line;
      line << *consensus;
    }
  }
}

// The input as a stream of frames; and as a payload, which a checksum would hide from mutation.
void one(ByteView input) {
  decoded(input);
  FrameReader reader;
  const std::size_t half = input.size() / 2;
  for (ByteView part : {input.substr(0, half), input.substr(half)}) {
    reader.feed(part);
    for (Result<ByteView> next = reader.next(); next.ok() && !next->empty(); next = reader.next()) {
      decoded(*next);
    }
  }
}

std::vector<Bytes> seeds() {
  const paxos::Ballot ballot{2, NodeId(3)};
  const paxos::Entry entry = paxos::make_entry(paxos::EntryKind::batch, "value");
  const paxos::Member member{NodeId(1), Incarnation(4), 1, 0, false};
  const std::vector<Frame> frames{
      Hello{1, NodeId(1), NodeId(2), ClusterId(5), Incarnation(6), RulesVersion(1), "no"},
      Ping{},
      PeerMessage(Forward{{"one", "two"}}),
      PeerMessage(SyncAnswer{1, true, Slot(2)}),
      PeerMessage(Touched{{SessionId(7)}}),
      PeerMessage(DigestsSaid{1, {{Slot(16), 7}, {Slot(32), 8}}}),
      PeerMessage(SnapshotBegin{ballot, {ClusterId(5), Slot(6), 7, 8, "meta"}, 9}),
      PeerMessage(SnapshotFrom{ballot, Slot(6), 7}),
      PeerMessage(SnapshotPart{ballot, 0, "bytes"}),
      PeerMessage(
          paxos::Message(paxos::Who{ClusterId(5), Incarnation(6), RulesVersion(1), {member}, 9})),
      PeerMessage(paxos::Message(paxos::Promise{})),
      PeerMessage(paxos::Message(
          paxos::Stage{ballot, Slot(1), Slot(2), paxos::Chain(3), Slot(1), {entry, entry}})),
      PeerMessage(
          paxos::Message(paxos::Accept{ballot, Slot(2), paxos::Chain(3), Slot(1), {entry}})),
      PeerMessage(paxos::Message(paxos::HeartbeatReply{}))};
  std::vector<Bytes> all;
  Bytes stream;
  for (const Frame& frame : frames) {
    const Bytes bytes = encode_frame(frame);
    all.push_back(bytes.substr(8));
    stream += bytes;
  }
  all.push_back(stream);
  return all;
}

SYNOD_FUZZ_TARGET(peer_frame, one, seeds);

}  // namespace
}  // namespace synod::fuzz
