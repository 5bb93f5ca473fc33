#include "zkwire/frame.h"

#include "zkwire/jute.h"

namespace synod::zkwire {
namespace {

constexpr std::size_t length_size = 4;
constexpr std::size_t kept_size_max = 4096;  // of an idle connection's buffer

Error malformed(const char* what) { return {ErrorCode::malformed, what}; }

}  // namespace

Bytes frame(ByteView body) {
  JuteWriter out;
  out.string(body);  // a length and the bytes: the same layout
  return out.take();
}

void FrameReader::feed(ByteView bytes) {
  if (start_ > 0 && (start_ == buffer_.size() || start_ >= (64U << 10))) {
    buffer_.erase(0, start_);
    start_ = 0;
  }
  if (buffer_.empty() && buffer_.capacity() > kept_size_max && bytes.size() <= kept_size_max) {
    Bytes().swap(buffer_);  // the burst is over
  }
  buffer_.append(bytes);
}

std::optional<Bytes> FrameReader::next() {
  const std::optional<ByteView> view = next_view();
  return view.has_value() ? std::optional<Bytes>(*view) : std::nullopt;
}

std::optional<ByteView> FrameReader::next_view() {
  const ByteView waiting = peek();
  if (bad_ || waiting.size() < length_size) {
    return std::nullopt;
  }
  JuteReader header(waiting);
  const std::int32_t length = header.i32();
  const auto size = static_cast<std::size_t>(length);
  if (length < 0 || size > size_max_) {
    bad_ = true;
    return std::nullopt;
  }
  if (waiting.size() < length_size + size) {
    return std::nullopt;
  }
  start_ += length_size + size;
  return waiting.substr(length_size, size);
}

Bytes encode(const ConnectRequest& request) {
  JuteWriter out;
  out.i32(request.protocol_version);
  out.i64(request.last_zxid_seen);
  out.i32(request.timeout_ms);
  out.i64(request.session_id);
  out.string(request.password);
  if (request.read_only.has_value()) {
    out.boolean(*request.read_only);
  }
  return out.take();
}

Bytes encode(const ConnectResponse& response) {
  JuteWriter out;
  out.i32(response.protocol_version);
  out.i32(response.timeout_ms);
  out.i64(response.session_id);
  out.string(response.password);
  if (response.read_only.has_value()) {
    out.boolean(*response.read_only);
  }
  return out.take();
}

Result<ConnectRequest> decode_connect_request(ByteView body) {
  JuteReader in(body);
  ConnectRequest request;
  request.protocol_version = in.i32();
  request.last_zxid_seen = in.i64();
  request.timeout_ms = in.i32();
  request.session_id = in.i64();
  request.password = in.string();
  if (in.ok() && !in.at_end()) {
    request.read_only = in.boolean();
  }
  if (!in.ok()) {
    return malformed("connect request: too short");
  }
  return request;
}

Result<ConnectResponse> decode_connect_response(ByteView body) {
  JuteReader in(body);
  ConnectResponse response;
  response.protocol_version = in.i32();
  response.timeout_ms = in.i32();
  response.session_id = in.i64();
  response.password = in.string();
  if (in.ok() && !in.at_end()) {
    response.read_only = in.boolean();
  }
  if (!in.ok()) {
    return malformed("connect response: too short");
  }
  return response;
}

Result<RequestHeader> decode_request_header(ByteView& rest) {
  JuteReader in(rest);
  RequestHeader header;
  header.xid = in.i32();
  header.type = in.i32();
  if (!in.ok()) {
    return malformed("request header: too short");
  }
  rest = in.rest();
  return header;
}

Result<ReplyHeader> decode_reply_header(ByteView& rest) {
  JuteReader in(rest);
  ReplyHeader header;
  header.xid = in.i32();
  header.zxid = in.i64();
  header.err = in.i32();
  if (!in.ok()) {
    return malformed("reply header: too short");
  }
  rest = in.rest();
  return header;
}

Bytes encode_event(std::int64_t zxid, const WatcherEvent& event) {
  JuteWriter out;
  out.i32(xid_notification);
  out.i64(zxid);
  out.i32(static_cast<std::int32_t>(Code::ok));
  out.i32(static_cast<std::int32_t>(event.type));
  out.i32(static_cast<std::int32_t>(event.state));
  out.string(event.path);
  return out.take();
}

Result<WatcherEvent> decode_event_body(ByteView body) {
  JuteReader in(body);
  WatcherEvent event;
  event.type = static_cast<EventType>(in.i32());
  event.state = static_cast<KeeperState>(in.i32());
  event.path = in.string();
  if (!in.ok()) {
    return malformed("watcher event: too short");
  }
  return event;
}

}  // namespace synod::zkwire
