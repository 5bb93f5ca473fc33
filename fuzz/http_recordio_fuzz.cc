// HTTP requests and responses in pieces, with RecordIO in their bodies, and JSON documents.
#include <algorithm>

#include "fuzz/fuzz.h"
#include "http/json.h"
#include "http/reader.h"
#include "mesos/recordio.h"

namespace synod::fuzz {
namespace {

constexpr std::size_t header_max = 4096;
constexpr std::size_t body_max = 64 << 10;

void records(ByteView body, std::size_t piece) {
  mesos::RecordDecoder decoder(body_max);
  std::vector<Bytes> found;
  std::size_t at = 0;
  for (; at < body.size(); at += piece) {
    if (!decoder.feed(body.substr(at, piece), found).ok()) {
      break;
    }
  }
  std::size_t size = 0;
  for (const Bytes& record : found) {
    SYNOD_CHECK(!record.empty() && record.size() <= body_max);
    size += record.size();
  }
  SYNOD_CHECK(size <= body.size());
}

void document(ByteView text) {
  const auto json = http::parse_json(text);
  if (!json.ok()) {
    return;
  }
  const std::string written = http::to_string(*json);
  const auto again = http::parse_json(written);
  SYNOD_CHECK(again.ok());
  SYNOD_CHECK(http::to_string(*again) == written);
}

void requests(ByteView input, std::size_t piece) {
  http::RequestReader reader({header_max, body_max});
  Bytes buffer;
  for (std::size_t at = 0; at < input.size() && !reader.is_done(); at += piece) {
    buffer += input.substr(at, piece);
    const auto taken = reader.feed(buffer);
    if (!taken.ok()) {
      SYNOD_CHECK(taken.error().status >= 400 && taken.error().status < 600);
      return;
    }
    SYNOD_CHECK(*taken <= buffer.size());
    buffer.erase(0, *taken);
  }
  if (reader.is_done()) {
    const http::Request request = reader.take();
    SYNOD_CHECK(request.body.size() <= body_max);
    records(request.body, piece);
    document(request.body);
  }
}

void responses(ByteView input, std::size_t piece) {
  Bytes body;
  http::ResponseReader reader(http::ResponseReader::Expect::body,
                              [&body](ByteView bytes) { body += bytes; });
  Bytes buffer;
  for (std::size_t at = 0; at < input.size() && !reader.is_done(); at += piece) {
    buffer += input.substr(at, piece);
    const auto taken = reader.feed(buffer);
    if (!taken.ok()) {
      return;
    }
    buffer.erase(0, *taken);
  }
  if (!reader.is_done()) {
    static_cast<void>(reader.feed_end());
  }
  SYNOD_CHECK(body.size() <= input.size());
  records(body, piece);
}

// The first byte says in what pieces the rest arrives.
void one(ByteView input) {
  if (input.empty()) {
    return;
  }
  const std::size_t piece = 1 + static_cast<std::uint8_t>(input.front());
  input.remove_prefix(1);
  requests(input, piece);
  responses(input, piece);
  records(input, piece);
  document(input);
}

std::vector<Bytes> seeds() {
  const Bytes body = R"({"type":"SUBSCRIBE","a":[1,-2.5,1e3,null,true,"\u00e9"]})";
  const Bytes stream = mesos::encode_record(body) + mesos::encode_record("{}");
  return {
      "\x7fPOST /api/v1/scheduler?x=%20y HTTP/1.1\r\nHost: a\r\nContent-Type: "
      "application/json\r\nContent-Length: " +
          std::to_string(body.size()) + "\r\n\r\n" + body,
      "\x02GET /health HTTP/1.0\r\n\r\n",
      "\x10POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
      "chunked\r\n\r\n5\r\n2\n{}3\r\n5\r\n\n[1]"
      "\n\r\n0\r\n\r\n",
      "\x20HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: " +
          std::to_string(stream.size()) + "\r\n\r\n" + stream,
      "\x05HTTP/1.1 307 Temporary Redirect\r\nLocation: //b:5050\r\n\r\n",
      "\x03" + stream,
      "\x7f" + body};
}

SYNOD_FUZZ_TARGET(http_recordio, one, seeds);

}  // namespace
}  // namespace synod::fuzz
