// What a client may send to the client port, and a server to our client: frames, handshakes,
// requests, replies, events.
#include "fuzz/fuzz.h"
#include "zkwire/frame.h"

namespace synod::fuzz {
namespace {

using namespace zkwire;

void request(ByteView body) {
  ByteView rest = body;
  const auto header = decode_request_header(rest);
  if (!header.ok() || !is_known_request(header->type)) {
    return;
  }
  const auto op = static_cast<OpCode>(header->type);
  const auto decoded = decode_request_body(op, rest);
  if (!decoded.ok()) {
    return;
  }
  const auto again = decode_request_body(op, encode_request_body(op, *decoded));
  SYNOD_CHECK(again.ok());
  SYNOD_CHECK(*again == *decoded);
}

void reply(ByteView body) {
  ByteView rest = body;
  if (!decode_reply_header(rest).ok()) {
    return;
  }
  static_cast<void>(decode_event_body(rest));
  for (std::int32_t op = -12; op < 130; ++op) {
    if (is_known_request(op)) {
      static_cast<void>(decode_reply_body(static_cast<OpCode>(op), rest));
    }
  }
}

// The first byte says in what pieces the rest arrives.
void one(ByteView input) {
  if (input.empty()) {
    return;
  }
  const std::size_t piece = 1 + static_cast<std::uint8_t>(input.front());
  input.remove_prefix(1);
  FrameReader frames;
  while (!input.empty() && !frames.bad()) {
    frames.feed(input.substr(0, piece));
    input.remove_prefix(std::min(piece, input.size()));
    while (auto body = frames.next()) {
      SYNOD_CHECK(body->size() <= limits::zk_frame_size_bytes_max);
      if (const auto connect = decode_connect_request(*body); connect.ok()) {
        SYNOD_CHECK(decode_connect_request(encode(*connect)).ok());
      }
      static_cast<void>(decode_connect_response(*body));
      request(*body);
      reply(*body);
    }
  }
}

std::vector<Bytes> seeds() {
  const auto in_pieces = [](char piece, const Bytes& body) { return piece + frame(body); };
  std::vector<Bytes> all{in_pieces(3, encode(ConnectRequest{})),
                         in_pieces(100, encode(ConnectResponse{})),
                         in_pieces(100, encode_event(5, WatcherEvent{})), "\x10ruok"};
  // A body of plausible fields for each opcode: a path, flags, lists.
  const Bytes fields = Bytes("\0\0\0\2/a", 6) + Bytes("\0\0\0\3abc", 7) + Bytes("\0\0\0\1", 4) +
                       Bytes("\0\0\0\x1f\0\0\0\5world\0\0\0\6anyone", 23) + Bytes(24, '\0');
  for (std::int32_t op = -12; op < 130; ++op) {
    if (is_known_request(op)) {
      ByteWriter body;
      for (const std::int32_t word : {7, op}) {
        for (int shift = 24; shift >= 0; shift -= 8) {
          body.u8(static_cast<std::uint8_t>(static_cast<std::uint32_t>(word) >> shift));
        }
      }
      body.raw(fields);
      all.push_back(in_pieces(100, body.bytes()));
    }
  }
  return all;
}

SYNOD_FUZZ_TARGET(zk_frame, one, seeds);

}  // namespace
}  // namespace synod::fuzz
