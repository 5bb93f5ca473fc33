// Bytes <-> records of the ZooKeeper protocol, both directions (server and client).
//
// A frame is a big-endian 32-bit length and that many bytes. The first frame of each side is a
// ConnectRequest or ConnectResponse; later ones start with a RequestHeader or a ReplyHeader.
//
// Source  Apache ZooKeeper 3.9.5: jute's binary archives, ConnectRequest, MultiOperationRecord.
// Errors  Every decoder is total: any bytes give a record or Error{malformed}, or {too_large} for a
//         length beyond the limits. Bytes after the last field are ignored, as the Java server
//         does.
// Purity  No state but FrameReader's buffer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/result.h"
#include "zkwire/records.h"

namespace synod::zkwire {

// Prefixes the body with its length.
Bytes frame(ByteView body);

// Cuts a stream of bytes into frames.
//
// Memory  Keeps what is not yet a whole frame: at most size_max + 4 bytes beyond what one feed()
//         brought, provided that next() is called until it returns nullopt.
class FrameReader {
 public:
  explicit FrameReader(std::size_t size_max = limits::zk_frame_size_bytes_max)
      : size_max_(size_max) {}

  void feed(ByteView bytes);

  // The next whole frame's body; nullopt if more bytes are needed or the stream is bad().
  std::optional<Bytes> next();
  // The same without a copy: valid until the next feed().
  std::optional<ByteView> next_view();

  // A length was negative or above the limit: nothing after it can be read.
  bool bad() const { return bad_; }
  std::size_t buffered() const { return buffer_.size() - start_; }
  // The first bytes of what waits, without taking them (four-letter words).
  ByteView peek() const { return ByteView(buffer_).substr(start_); }

 private:
  std::size_t size_max_;
  Bytes buffer_;
  std::size_t start_ = 0;
  bool bad_ = false;
};

// --- handshake (bodies, without the length)
Bytes encode(const ConnectRequest& request);
Bytes encode(const ConnectResponse& response);
Result<ConnectRequest> decode_connect_request(ByteView body);
Result<ConnectResponse> decode_connect_response(ByteView body);

// --- requests
// The body after the header. `op` decides the layout; error, notification and unknown numbers are
// malformed. Precondition of encode_request: the alternative is the one that `op` has.
Bytes encode_request(const RequestHeader& header, const Request& request);
Bytes encode_request_body(OpCode op, const Request& request);
Result<RequestHeader> decode_request_header(ByteView& rest);  // moves `rest` past the header
Result<Request> decode_request_body(OpCode op, ByteView body);
// The path of a getData that sets no watch; nullopt for everything else, malformed ones included.
std::optional<ByteView> plain_get_data_path(const RequestHeader& header, ByteView body);
// True if `number` is an opcode that decode_request_body knows.
bool is_known_request(std::int32_t number);

// --- replies
// The body is left out when header.err is not 0.
Bytes encode_reply(const ReplyHeader& header, const Reply& reply);
// The same with its length, behind what `out` holds.
void append_reply(Bytes& out, const ReplyHeader& header, const Reply& reply);
// append_reply of a DataReply, without one. Precondition: header.err is 0.
void append_data_reply(Bytes& out, const ReplyHeader& header, std::optional<ByteView> data,
                       const Stat& stat);
Result<ReplyHeader> decode_reply_header(ByteView& rest);
// `op` is that of the request. EmptyReply for those without a body.
Result<Reply> decode_reply_body(OpCode op, ByteView body);

// --- events: a ReplyHeader with xid -1, then a WatcherEvent
Bytes encode_event(std::int64_t zxid, const WatcherEvent& event);
Result<WatcherEvent> decode_event_body(ByteView body);

}  // namespace synod::zkwire
