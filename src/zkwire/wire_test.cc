// Golden bodies, and the totality of every decoder.
#include <gtest/gtest.h>

#include "base/prng.h"
#include "zkwire/frame.h"
#include "zkwire/jute.h"

namespace synod::zkwire {
namespace {

const std::vector<OpCode> all_requests = {OpCode::create,
                                          OpCode::remove,
                                          OpCode::exists,
                                          OpCode::get_data,
                                          OpCode::set_data,
                                          OpCode::get_acl,
                                          OpCode::set_acl,
                                          OpCode::get_children,
                                          OpCode::sync,
                                          OpCode::ping,
                                          OpCode::get_children2,
                                          OpCode::multi,
                                          OpCode::create2,
                                          OpCode::reconfig,
                                          OpCode::check_watches,
                                          OpCode::remove_watches,
                                          OpCode::create_container,
                                          OpCode::create_ttl,
                                          OpCode::multi_read,
                                          OpCode::auth,
                                          OpCode::set_watches,
                                          OpCode::sasl,
                                          OpCode::get_ephemerals,
                                          OpCode::get_all_children_number,
                                          OpCode::set_watches2,
                                          OpCode::add_watch,
                                          OpCode::who_am_i,
                                          OpCode::close_session};

std::string hex(const Bytes& bytes) { return to_hex(bytes); }

TEST(Handshake, SizesFollowTheOptionalByte) {
  ConnectRequest request{0, 0, 30000, 0, Bytes(16, '\0'), false};
  EXPECT_EQ(encode(request).size(), 45U);
  request.read_only.reset();
  EXPECT_EQ(encode(request).size(), 44U);
  ConnectResponse response{0, 4000, 1, Bytes(16, 'x'), std::nullopt};
  EXPECT_EQ(encode(response).size(), 36U);
  response.read_only = true;
  EXPECT_EQ(encode(response).size(), 37U);
  EXPECT_EQ(decode_connect_response(encode(response)).value(), response);
  EXPECT_EQ(decode_connect_request(encode(request)).value(), request);
}

TEST(Handshake, GoldenRequest) {
  const ConnectRequest request{0, 0x0102, 30000, 0x0100000000000000, Bytes(2, 'p'), false};
  EXPECT_EQ(hex(encode(request)),
            "00000000"
            "0000000000000102"
            "00007530"
            "0100000000000000"
            "000000027070"
            "00");
}

TEST(Requests, GoldenBodies) {
  EXPECT_EQ(hex(encode_request({1, 1}, CreateRequest{"/a", Bytes("x"), open_acl(), 3, -1})),
            "0000000100000001"
            "000000022f61"
            "0000000178"
            "00000001"
            "0000001f"
            "00000005776f726c64"
            "00000006616e796f6e65"
            "00000003");
  EXPECT_EQ(hex(encode_request({-2, 11}, EmptyRequest{})), "fffffffe0000000b");
  EXPECT_EQ(hex(encode_request_body(OpCode::set_data, SetDataRequest{"/a", std::nullopt, -1})),
            "000000022f61ffffffffffffffff");
  EXPECT_EQ(hex(encode_request_body(OpCode::multi,
                                    MultiRequest{{{OpCode::check, PathVersionRequest{"/", 7}}}})),
            "0000000d00ffffffff"
            "000000012f"
            "00000007"
            "ffffffff01ffffffff");
}

TEST(Replies, GoldenBodies) {
  EXPECT_EQ(hex(encode_reply({5, 9, -101}, PathReply{"/a"})), "000000050000000000000009ffffff9b");
  EXPECT_EQ(hex(encode_reply({5, 9, 0}, PathReply{"/a"})),
            "00000005000000000000000900000000000000022f61");
  EXPECT_EQ(encode_reply({1, 1, 0}, StatReply{}).size(), 16U + 68U);
  MultiReply failed{{{OpCode::error, Code::ok, "", {}, {}, {}},
                     {OpCode::error, Code::no_node, "", {}, {}, {}},
                     {OpCode::error, Code::runtime_inconsistency, "", {}, {}, {}}}};
  EXPECT_EQ(hex(encode_reply({1, 2, 0}, failed)).substr(32),
            "ffffffff0000000000"
            "00000000"
            "ffffffff00ffffff9b"
            "ffffff9b"
            "ffffffff00fffffffe"
            "fffffffe"
            "ffffffff01ffffffff");
  EXPECT_EQ(hex(encode_event(7, {EventType::node_deleted, KeeperState::sync_connected, "/a"})),
            "ffffffff000000000000000700000000"
            "00000002"
            "00000003"
            "000000022f61");
}

TEST(Multi, KindsFollowFlags) {
  const auto kind = [](OpCode type, std::int32_t flags) -> std::int32_t {
    const MultiRequest multi{{{type, CreateRequest{"/a", {}, open_acl(), flags, 5}}}};
    const auto decoded =
        decode_request_body(OpCode::multi, encode_request_body(OpCode::multi, multi));
    if (!decoded.ok()) {
      return static_cast<std::int32_t>(Code::marshalling_error);
    }
    const auto& parts = std::get<MultiRequest>(decoded.value()).parts;
    // What was decoded must decode to itself again: the log holds it re-encoded.
    const auto again =
        decode_request_body(OpCode::multi, encode_request_body(OpCode::multi, decoded.value()));
    EXPECT_EQ(again.value(), decoded.value());
    return static_cast<std::int32_t>(parts.at(0).type);
  };
  EXPECT_EQ(kind(OpCode::create, 0), 1);
  EXPECT_EQ(kind(OpCode::create2, 3), 15);
  EXPECT_EQ(kind(OpCode::create, 4), 19);
  EXPECT_EQ(kind(OpCode::create_container, 0), 19);
  EXPECT_EQ(kind(OpCode::create_ttl, 5), 21);
  EXPECT_EQ(kind(OpCode::create_ttl, 4), 19);
  EXPECT_EQ(kind(OpCode::create_ttl, 1), 1);
  EXPECT_EQ(kind(OpCode::create, 5), -5);
  EXPECT_EQ(kind(OpCode::create, 9), -5);
}

TEST(Requests, NullPathIsMalformedAndNullListIsEmpty) {
  EXPECT_FALSE(decode_request_body(OpCode::exists, Bytes("\xff\xff\xff\xff\0", 5)).ok());
  const Bytes set_acl("\0\0\0\1/\xff\xff\xff\xff\0\0\0\0", 13);
  const auto request = decode_request_body(OpCode::set_acl, set_acl);
  ASSERT_TRUE(request.ok());
  EXPECT_TRUE(std::get<SetAclRequest>(request.value()).acl.empty());
}

TEST(FrameReader, CutsAtAnyBoundaryAndRefusesLongLengths) {
  const Bytes stream = frame("first") + frame("") + frame("third");
  for (std::size_t cut = 1; cut <= stream.size(); ++cut) {
    FrameReader reader;
    std::vector<Bytes> frames;
    for (std::size_t at = 0; at < stream.size(); at += cut) {
      reader.feed(ByteView(stream).substr(at, cut));
      while (std::optional<Bytes> body = reader.next()) {
        frames.push_back(*body);
      }
    }
    EXPECT_EQ(frames, (std::vector<Bytes>{"first", "", "third"}));
  }
  FrameReader exact;
  exact.feed(frame(Bytes(limits::zk_frame_size_bytes_max, 'x')));
  EXPECT_EQ(exact.next()->size(), limits::zk_frame_size_bytes_max);
  FrameReader longer;
  longer.feed(Bytes("\0\x10\0\0", 4));
  EXPECT_FALSE(longer.next().has_value());
  EXPECT_TRUE(longer.bad());
  FrameReader negative;
  negative.feed(Bytes("\xff\xff\xff\xff", 4));
  EXPECT_FALSE(negative.next().has_value());
  EXPECT_TRUE(negative.bad());
}

// Random bytes, and good bodies cut short or with a byte changed: a Result, and what decodes
// encodes and decodes to the same.
TEST(Decoders, AreTotal) {
  Prng prng(20260101);
  std::vector<std::pair<OpCode, Bytes>> good;
  good.emplace_back(
      OpCode::create,
      encode_request_body(OpCode::create, CreateRequest{"/abc", Bytes("data"), open_acl(), 0, -1}));
  good.emplace_back(
      OpCode::multi,
      encode_request_body(
          OpCode::multi, MultiRequest{{{OpCode::create, CreateRequest{"/a", {}, open_acl(), 0, -1}},
                                       {OpCode::remove, PathVersionRequest{"/b", 1}},
                                       {OpCode::set_data, SetDataRequest{"/c", Bytes(""), 2}}}}));
  good.emplace_back(
      OpCode::set_watches2,
      encode_request_body(OpCode::set_watches2,
                          SetWatchesRequest{3, {"/a"}, {"/b", "/c"}, {}, {"/d"}, {"/"}}));
  int decoded = 0;
  for (int round = 0; round < 20000; ++round) {
    auto [op, bytes] = good[prng.below(good.size())];
    if (prng.chance(1, 3)) {
      op = all_requests[prng.below(all_requests.size())];
      bytes.assign(prng.below(60), '\0');
      for (char& b : bytes) {
        b = static_cast<char>(prng.chance(1, 2) ? 0 : prng.below(256));
      }
    } else if (prng.chance(1, 2)) {
      bytes.resize(prng.below(bytes.size() + 1));
    } else {
      bytes[prng.below(bytes.size())] = static_cast<char>(prng.below(256));
    }
    const auto request = decode_request_body(op, bytes);
    if (request.ok()) {
      ++decoded;
      const Bytes again = encode_request_body(op, request.value());
      EXPECT_EQ(decode_request_body(op, again).value(), request.value());
    }
    (void)decode_reply_body(op, bytes);
    (void)decode_connect_request(bytes);
    (void)decode_connect_response(bytes);
    (void)decode_event_body(bytes);
  }
  EXPECT_GT(decoded, 1000);
}

TEST(Names, AreZooKeepers) {
  EXPECT_STREQ(to_string(Code::no_node), "NONODE");
  EXPECT_STREQ(to_string(OpCode::remove), "delete");
  EXPECT_TRUE(is_known_request(107));
  EXPECT_FALSE(is_known_request(13));
  EXPECT_FALSE(is_known_request(888));
  EXPECT_FALSE(is_known_request(20));
}

}  // namespace
}  // namespace synod::zkwire
