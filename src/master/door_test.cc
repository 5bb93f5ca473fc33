// The Door over real sockets; the Seat is a list of what it was told.
#include "master/door.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <charconv>

#include "mesos/encoding.h"
#include "mesos/internal.h"
#include "mesos/recordio.h"
#include "ports/entropy.h"
#include "test/real/real.h"

namespace synod::master {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Raw final : ports::StreamHandler {
  void on_bytes(ByteView bytes) override { heard.append(bytes); }
  void on_eof() override { ended = true; }
  void on_closed(const Error&) override { ended = true; }
  std::unique_ptr<ports::Dial> dial;
  std::unique_ptr<ports::Stream> stream;
  Bytes heard;
  bool ended = false;
};

class DoorTest : public testing::Test {
 protected:
  DoorTest() {
    real.on_lane([this] {
      options.join_token = "secret";
      options.listen = {"127.0.0.1", 0};
      Identity self;
      self.id = "m";
      self.hostname = self.ip = "127.0.0.1";
      ports::Sender<ToSeat> seat(real.lane(),
                                 [this](ToSeat message) { told.push_back(std::move(message)); });
      door = std::make_unique<Door>(real.lane(), real.machine().network(), options, self, seat);
      ASSERT_TRUE(door->listen().ok());
    });
  }
  ~DoorTest() override {
    real.on_lane([this] {
      raws.clear();
      door.reset();
    });
  }

  void lead(bool fresh = true) {
    real.on_lane([&] {
      Standing standing;
      standing.role = Standing::Role::leading;
      standing.leader = door->identity();
      standing.leadership.epoch = MasterEpoch(3);
      door->receive(standing);
      if (fresh) {
        door->receive(Fresh{real.lane().now() + Duration::seconds(60)});
      }
    });
  }

  Raw& say(const std::string& bytes) {
    auto raw = std::make_shared<Raw>();
    real.on_lane([&] {
      raws.push_back(raw);
      raw->dial = real.machine().network().dial(
          real.lane(), {"127.0.0.1", door->identity().port}, {},
          [raw, bytes, this](Result<std::unique_ptr<ports::Stream>> made) {
            raw->stream = *std::move(made);
            raw->stream->attach(real.lane(), *raw);
            raw->stream->write(bytes);
          });
    });
    return *raw;
  }

  static std::string post(const std::string& path, const std::string& headers,
                          const std::string& body) {
    return "POST " + path + " HTTP/1.1\r\nHost: x\r\n" + headers +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

  // The whole answer, once the last byte of `until` has come.
  std::string answer(const std::string& request, const std::string& until = "\r\n\r\n") {
    Raw& raw = say(request);
    EXPECT_TRUE(real.eventually([&] { return raw.heard.find(until) != Bytes::npos; }));
    return raw.heard;
  }

  std::string status_of(const std::string& request) { return answer(request).substr(9, 3); }

  Raw& subscribe() {
    Raw& raw = say(post("/api/v1/scheduler", json,
                        R"({"type":"SUBSCRIBE","subscribe":{"framework_info":)"
                        R"({"user":"u","name":"n"}}})"));
    EXPECT_TRUE(real.eventually([&] { return raw.heard.find("\r\n\r\n") != Bytes::npos; }));
    EXPECT_TRUE(real.eventually([this] { return !told.empty(); }));
    return raw;
  }

  void say_subscribed(core::Stream stream) {
    real.on_lane([&] {
      door->receive(Say{{core::ToFramework{stream, {}, core::Subscribed{{"m-0000"}}}}});
    });
  }

  static std::string stream_id_of(const Bytes& head) {
    const std::string name = "Mesos-Stream-Id: ";
    const auto at = head.find(name) + name.size();
    return head.substr(at, head.find("\r\n", at) - at);
  }

  // The chunks after the head.
  static std::vector<std::string> chunks_of(const Bytes& heard) {
    std::vector<std::string> out;
    std::size_t at = heard.find("\r\n\r\n") + 4;
    while (at < heard.size()) {
      std::size_t size = 0;
      std::from_chars(heard.data() + at, heard.data() + heard.size(), size, 16);
      at = heard.find("\r\n", at) + 2;
      out.push_back(heard.substr(at, size));
      at += size + 2;
    }
    return out;
  }

  const std::string json = "Content-Type: application/json\r\n";
  test::Real real;
  Options options;
  std::vector<ToSeat> told;
  std::unique_ptr<Door> door;
  std::vector<std::shared_ptr<Raw>> raws;
};

TEST_F(DoorTest, who_does_not_lead_sends_away) {
  const std::string call = post("/master/api/v1/scheduler?x=1", json, "{}");
  EXPECT_EQ(status_of(call), "503");
  real.on_lane([this] {
    Standing standing;
    standing.leader = Identity{"o", "other", "127.0.0.2", 5051, 0, {}};
    door->receive(standing);
  });
  const std::string away = answer(call);
  EXPECT_THAT(away, HasSubstr(" 307 "));
  EXPECT_THAT(away, HasSubstr("Location: //other:5051/master/api/v1/scheduler?x=1\r\n"));
  EXPECT_THAT(answer("GET /state HTTP/1.1\r\nHost: x\r\n\r\n"), HasSubstr(" 307 "));
  EXPECT_THAT(answer("GET /redirect HTTP/1.1\r\nHost: x\r\n\r\n"),
              HasSubstr("Location: //other:5051\r\n"));
  EXPECT_THAT(answer("GET /health HTTP/1.1\r\nHost: x\r\n\r\n"), HasSubstr(" 200 "));
  EXPECT_THAT(answer("GET /metrics/snapshot HTTP/1.1\r\nHost: x\r\n\r\n", "}"),
              HasSubstr("\"master/elected\":0.0"));
}

TEST_F(DoorTest, while_the_registry_is_read_nobody_is_served) {
  real.on_lane([this] {
    Standing standing;
    standing.role = Standing::Role::recovering;
    standing.leader = door->identity();
    door->receive(standing);
  });
  EXPECT_EQ(status_of(post("/api/v1/scheduler", json, "{}")), "503");
}

TEST_F(DoorTest, calls_are_checked_in_order) {
  lead();
  const std::string path = "/api/v1/scheduler";
  const std::string get = answer("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(get, HasSubstr(" 405 "));
  EXPECT_THAT(get, HasSubstr("Allow: POST\r\n"));
  EXPECT_EQ(status_of(post(path, "", "{}")), "400");
  EXPECT_EQ(status_of(post(path, "Content-Type: text/plain\r\n", "{}")), "415");
  EXPECT_EQ(status_of(post(path, json, "{")), "400");
  EXPECT_EQ(status_of(post(path, json, "{}")), "400");
  EXPECT_EQ(status_of(post(path, "Content-Type: application/x-protobuf\r\n", "\xff")), "400");
  const std::string subscribe =
      R"({"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":"n"}}})";
  EXPECT_EQ(status_of(post(path, json + "Accept: text/html\r\n", subscribe)), "406");
  EXPECT_EQ(status_of(post(path, json + "Mesos-Stream-Id: x\r\n", subscribe)), "400");
  EXPECT_EQ(status_of(post(path, json,
                           R"({"type":"UPDATE_FRAMEWORK","framework_id":{"value":"f"},)"
                           R"("update_framework":{"framework_info":{"user":"u","name":"n",)"
                           R"("id":{"value":"f"}}}})")),
            "501");
  EXPECT_EQ(status_of("GET /no/such/path HTTP/1.1\r\nHost: x\r\n\r\n"), "404");
  EXPECT_TRUE(told.empty());
}

TEST_F(DoorTest, one_record_is_one_chunk_and_a_heartbeat_follows_subscribed) {
  lead();
  Raw& raw = subscribe();
  EXPECT_THAT(raw.heard, HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_THAT(raw.heard, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_EQ(stream_id_of(raw.heard).size(), 36U);
  const auto& event = std::get<core::Subscribe>(std::get<Opened>(told[0]).event);
  say_subscribed(event.stream);
  ASSERT_TRUE(real.eventually([&] { return chunks_of(raw.heard).size() >= 2; }));
  const auto chunks = chunks_of(raw.heard);
  mesos::RecordDecoder decoder;
  std::vector<Bytes> records;
  ASSERT_TRUE(decoder.feed(chunks[0], records).ok());
  ASSERT_EQ(records.size(), 1U);
  EXPECT_TRUE(decoder.at_boundary());
  EXPECT_THAT(records[0], StartsWith(R"({"type":"SUBSCRIBED","subscribed":{"framework_id":)"
                                     R"({"value":"m-0000"},"heartbeat_interval_seconds":15.0,)"));
  EXPECT_EQ(chunks[1], "20\n{\"type\":\"HEARTBEAT\"}");
}

TEST_F(DoorTest, nothing_is_said_that_is_not_vouched_for) {
  lead(false);
  Raw& raw = subscribe();
  const auto stream = std::get<core::Subscribe>(std::get<Opened>(told[0]).event).stream;
  say_subscribed(stream);
  real.on_lane([&] {
    door->receive(Fresh{real.lane().now() - Duration::millis(1)});  // over already
    EXPECT_TRUE(chunks_of(raw.heard).empty());
    door->receive(Fresh{real.lane().now() + Duration::seconds(60)});
  });
  EXPECT_TRUE(real.eventually([&] { return !chunks_of(raw.heard).empty(); }));
}

TEST_F(DoorTest, what_was_held_back_is_never_said_once_the_right_is_gone) {
  lead(false);
  Raw& raw = subscribe();
  say_subscribed(std::get<core::Subscribe>(std::get<Opened>(told[0]).event).stream);
  real.on_lane([this] { door->receive(Standing{}); });
  ASSERT_TRUE(real.eventually([&] { return raw.ended; }));
  EXPECT_TRUE(chunks_of(raw.heard).empty());
}

TEST_F(DoorTest, calls_name_their_stream_and_wait_for_the_seat) {
  lead();
  Raw& subscriber = subscribe();
  const std::string call = R"({"type":"REVIVE","framework_id":{"value":"m-0000"}})";
  Raw& raw = say(post("/api/v1/scheduler",
                      json + "Mesos-Stream-Id: " + stream_id_of(subscriber.heard) + "\r\n", call));
  ASSERT_TRUE(real.eventually([this] { return told.size() == 2; }));
  const auto& message = std::get<FrameworkCall>(told[1]);
  EXPECT_EQ(message.stream, core::Stream(1));
  EXPECT_EQ(message.framework.value, "m-0000");
  EXPECT_EQ(raw.heard, "");
  real.on_lane([&] { door->receive(Answer{message.exchange, 202, ""}); });
  EXPECT_TRUE(real.eventually([&] { return raw.heard.find(" 202 ") != Bytes::npos; }));
  say(post("/api/v1/scheduler", json + "Mesos-Stream-Id: unknown\r\n", call));
  ASSERT_TRUE(real.eventually([this] { return told.size() == 3; }));
  EXPECT_EQ(std::get<FrameworkCall>(told[2]).stream, core::Stream());
}

TEST_F(DoorTest, a_broken_stream_is_told_to_the_seat) {
  lead();
  Raw& raw = subscribe();
  real.on_lane([&] { raw.stream.reset(); });
  ASSERT_TRUE(real.eventually([this] { return told.size() == 2; }));
  EXPECT_EQ(std::get<Closed>(told[1]).stream, core::Stream(1));
}

TEST_F(DoorTest, a_master_that_no_longer_leads_cuts_its_streams) {
  lead();
  Raw& raw = subscribe();
  real.on_lane([this] { door->receive(Standing{}); });
  EXPECT_TRUE(real.eventually([&] { return raw.ended; }));
  EXPECT_EQ(raw.heard.find("0\r\n\r\n"), Bytes::npos) << "a cut stream has no last chunk";
}

class OriginTest : public DoorTest {
 protected:
  // Two masters; this one leads after another one that died.
  void SetUp() override {
    lead();
    auto picture = std::make_shared<Picture>();
    picture->view = std::make_shared<core::View>();
    Identity follower;
    follower.hostname = follower.ip = "127.0.0.1";
    follower.port = 5051;
    real.on_lane([&] { picture->masters = {door->identity(), follower}; });
    Failover failover;
    failover.from = "127.0.0.1:5052";
    picture->failover = failover;
    picture_ = picture;
  }

  // What the answer allows a page from there to read; "" if nothing.
  std::string allowed(const std::string& origin) {
    const std::string header = origin.empty() ? "" : "Origin: " + origin + "\r\n";
    Raw& raw = say("GET /state HTTP/1.1\r\nHost: x\r\n" + header + "\r\n");
    EXPECT_TRUE(real.eventually([&] {
      door->receive(NewPicture{picture_});  // whenever it is asked for
      return raw.heard.find("\r\n\r\n") != Bytes::npos;
    }));
    EXPECT_THAT(raw.heard, StartsWith("HTTP/1.1 200"));
    const std::string name = "Access-Control-Allow-Origin: ";
    const std::size_t at = raw.heard.find(name);
    return at == Bytes::npos
               ? ""
               : raw.heard.substr(at + name.size(), raw.heard.find('\r', at) - at - name.size());
  }

  std::shared_ptr<const Picture> picture_;
};

TEST_F(OriginTest, the_page_of_another_master_may_read_the_view) {
  EXPECT_EQ(allowed("http://127.0.0.1:5051"), "http://127.0.0.1:5051");
}

TEST_F(OriginTest, the_page_that_a_dead_master_served_may_read_it_too) {
  EXPECT_EQ(allowed("http://127.0.0.1:5052"), "http://127.0.0.1:5052");
}

TEST_F(OriginTest, no_other_site_may_read_it) {
  for (const char* origin :
       {"", "null", "http://evil.example", "http://127.0.0.1:50510", "http://127.0.0.1:505",
        "https://127.0.0.1:5051", "http://127.0.0.1:5051.evil.example", "*"}) {
    EXPECT_EQ(allowed(origin), "") << origin;
  }
}

class AgentDoorTest : public DoorTest {
 protected:
  static mesos::internal::AgentCall subscription() {
    mesos::internal::AgentCall call;
    call.mutable_versions()->set_protocol(1);
    call.mutable_versions()->set_oldest(1);
    call.set_type(mesos::internal::AgentCall::SUBSCRIBE);
    call.mutable_subscribe()->mutable_agent_info()->set_hostname("h");
    return call;
  }
  static std::string post_call(const mesos::internal::AgentCall& call,
                               const std::string& token = "secret") {
    return post("/synod/v1/agent",
                "Content-Type: application/x-protobuf\r\nAuthorization: Bearer " + token + "\r\n",
                mesos::encode_protobuf(call));
  }
};

TEST_F(AgentDoorTest, needs_the_join_token) {
  lead();
  EXPECT_EQ(status_of(post_call(subscription(), "guess")), "401");
  EXPECT_TRUE(told.empty());
}

TEST_F(AgentDoorTest, that_speaks_only_later_protocols_is_refused_in_words) {
  lead();
  auto call = subscription();
  call.mutable_versions()->set_oldest(7);
  Raw& raw = say(post_call(call));
  ASSERT_TRUE(real.eventually([&] { return raw.heard.find("0\r\n\r\n") != Bytes::npos; }));
  mesos::RecordDecoder decoder;
  std::vector<Bytes> records;
  ASSERT_TRUE(decoder.feed(chunks_of(raw.heard)[0], records).ok());
  mesos::internal::MasterEvent event;
  ASSERT_TRUE(mesos::decode_protobuf(records[0], event).ok());
  EXPECT_EQ(event.refused().reason(), mesos::internal::MasterEvent::Refused::VERSION);
  EXPECT_EQ(event.epoch().counter(), 3U);
}

TEST_F(AgentDoorTest, that_has_seen_a_later_master_is_sent_away) {
  lead();
  auto call = subscription();
  call.mutable_subscribe()->mutable_highest_seen()->set_lineage(std::string(16, '\0'));
  call.mutable_subscribe()->mutable_highest_seen()->set_counter(4);
  EXPECT_EQ(status_of(post_call(call)), "503");
}

TEST_F(AgentDoorTest, is_registered_and_then_calls_on_its_stream) {
  lead();
  Raw& raw = say(post_call(subscription()));
  ASSERT_TRUE(real.eventually([this] { return told.size() == 1; }));
  const auto stream = std::get<core::AgentSubscribe>(std::get<Opened>(told[0]).event).stream;
  real.on_lane([&] {
    door->receive(Say{{core::ToAgent{stream,
                                     {"m-S0"},
                                     {{}, MasterEpoch(3)},
                                     core::Registered{{"m-S0"}, Duration::seconds(75)}}}});
  });
  ASSERT_TRUE(real.eventually([&] { return !chunks_of(raw.heard).empty(); }));
  mesos::RecordDecoder decoder;
  std::vector<Bytes> records;
  ASSERT_TRUE(decoder.feed(chunks_of(raw.heard)[0], records).ok());
  mesos::internal::MasterEvent event;
  ASSERT_TRUE(mesos::decode_protobuf(records[0], event).ok());
  EXPECT_EQ(event.registered().silence_limit_ms(), 75'000U);
  auto pong = subscription();
  pong.clear_subscribe();
  pong.set_type(mesos::internal::AgentCall::PONG);
  pong.mutable_pong()->set_number(5);
  pong.set_stream_id("of nobody");
  EXPECT_EQ(status_of(post_call(pong)), "409");
  pong.set_stream_id(event.registered().stream_id());
  *pong.mutable_epoch() = event.epoch();
  say(post_call(pong));
  ASSERT_TRUE(real.eventually([this] { return told.size() == 2; }));
  const auto& message = std::get<AgentCall>(told[1]);
  EXPECT_EQ(message.stream, stream);
  EXPECT_EQ(message.leadership->epoch, MasterEpoch(3));
  EXPECT_EQ(std::get<core::AgentPong>(*message.event).number, 5U);
}

}  // namespace
}  // namespace synod::master
