// Against a server of ours that a test scripts: what the wire does at awkward moments.
#include "zkclient/client.h"

#include <gtest/gtest.h>

#include "test/real/real.h"
#include "zkwire/frame.h"

namespace synod::zkclient {
namespace {

using zkwire::Code;
using zkwire::OpCode;

// One connection as the server sees it: keeps requests until the test answers them.
struct Wire final : ports::StreamHandler {
  struct Request {
    zkwire::RequestHeader header;
    zkwire::Request body;
  };

  void on_bytes(ByteView bytes) override {
    reader.feed(bytes);
    while (auto body = reader.next()) {
      if (!handshake) {
        handshake = zkwire::decode_connect_request(*body).value();
        if (answer_handshake) {
          greet(timeout_ms, session_id);
        }
        continue;
      }
      ByteView rest = *body;
      const auto header = zkwire::decode_request_header(rest).value();
      const auto op = static_cast<OpCode>(header.type);
      requests.push_back({header, zkwire::decode_request_body(op, rest).value()});
      if (op == OpCode::ping && answer_pings) {
        stream->write(zkwire::frame(zkwire::encode_reply({zkwire::xid_ping, 0, 0}, {})));
        requests.pop_back();
        ++pings;
      }
    }
  }
  void on_eof() override { ended = true; }
  void on_closed(const Error&) override { ended = true; }

  void greet(int timeout, std::int64_t id) {
    stream->write(zkwire::frame(zkwire::encode(
        zkwire::ConnectResponse{0, timeout, id, Bytes(16, timeout > 0 ? 'p' : '\0'), false})));
  }

  void answer(const Request& request, const zkwire::Reply& reply, std::int64_t zxid = 7) {
    stream->write(zkwire::frame(zkwire::encode_reply({request.header.xid, zxid, 0}, reply)));
  }
  void refuse(const Request& request, Code code) {
    stream->write(zkwire::frame(
        zkwire::encode_reply({request.header.xid, 7, static_cast<std::int32_t>(code)}, {})));
  }
  void fire(zkwire::EventType type, const std::string& path) {
    stream->write(
        zkwire::frame(zkwire::encode_event(-1, {type, zkwire::KeeperState::sync_connected, path})));
  }

  std::unique_ptr<ports::Stream> stream;
  zkwire::FrameReader reader;
  std::optional<zkwire::ConnectRequest> handshake;
  std::vector<Request> requests;
  bool answer_handshake = true;
  bool answer_pings = true;
  int timeout_ms = 10'000;
  std::int64_t session_id = 0x1234;
  int pings = 0;
  bool ended = false;
};

class ClientTest : public testing::Test {
 protected:
  ~ClientTest() override {
    real.on_lane([this] {
      client.reset();
      wires.clear();
      listener.reset();
    });
  }

  void start(ClientOptions options = {}) {
    real.on_lane([&] {
      if (!listener) {
        auto made = real.machine().network().listen(
            real.lane(), {"127.0.0.1", 0}, {}, [this](std::unique_ptr<ports::Stream> stream) {
              wires.push_back(std::make_unique<Wire>());
              prepare(*wires.back());
              wires.back()->stream = std::move(stream);
              wires.back()->stream->attach(real.lane(), *wires.back());
            });
        listener = std::move(made).value();
      }
      options.connect.servers.push_back({"127.0.0.1", listener->address().port});
      client = std::make_unique<Client>(real.lane(), real.machine().network(), options,
                                        [this](State state) { states.push_back(state); });
    });
  }

  void connect(ClientOptions options = {}) {
    start(std::move(options));
    ASSERT_TRUE(real.eventually([&] { return client->state() == State::connected; }));
  }

  Wire& wire() { return *wires.back(); }
  bool has_requests(std::size_t count) {
    return real.eventually([&] { return !wires.empty() && wire().requests.size() >= count; });
  }

  test::Real real;
  std::unique_ptr<ports::Listener> listener;
  std::vector<std::unique_ptr<Wire>> wires;
  std::function<void(Wire&)> prepare = [](Wire&) {};
  std::unique_ptr<Client> client;
  std::vector<State> states;
};

TEST_F(ClientTest, a_session_begins) {
  connect({.connect = {}, .session_timeout = Duration::seconds(5)});
  real.on_lane([&] {
    EXPECT_EQ(wire().handshake->timeout_ms, 5000);
    EXPECT_EQ(wire().handshake->session_id, 0);
    EXPECT_EQ(client->session_timeout(), Duration::seconds(10));  // as granted
    EXPECT_EQ(client->credentials().id, SessionId(0x1234));
    EXPECT_NE(client->confirmed_at(), Instant());
    EXPECT_EQ(states, std::vector<State>{State::connected});
  });
}

TEST_F(ClientTest, requests_wait_for_the_connection_and_are_answered_in_order) {
  start();
  std::vector<int> order;
  real.on_lane([&] {
    client->sync("/a", [&](Answer<void>) { order.push_back(1); });
    client->remove("/b", 3, [&](Answer<void> answer) {
      EXPECT_EQ(answer.error().code, Code::bad_version);
      EXPECT_EQ(answer.error().certainty, Certainty::not_done);
      order.push_back(2);
    });
    client->set_data("/c", "x", -1, [&](Answer<zkwire::Stat> answer) {
      EXPECT_EQ(answer->version, 9);
      order.push_back(3);
    });
    EXPECT_TRUE(order.empty());
  });
  ASSERT_TRUE(has_requests(3));
  real.on_lane([&] {
    auto& requests = wire().requests;
    wire().answer(requests[0], zkwire::PathReply{"/a"});
    wire().refuse(requests[1], Code::bad_version);
    zkwire::Stat stat;
    stat.version = 9;
    wire().answer(requests[2], zkwire::StatReply{stat}, 55);
  });
  ASSERT_TRUE(real.eventually([&] { return order.size() == 3; }));
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  real.on_lane([&] { EXPECT_EQ(client->last_zxid(), Zxid(55)); });
}

TEST_F(ClientTest, a_broken_connection_leaves_sent_requests_unknown_and_the_session_goes_on) {
  connect();
  std::optional<Failure> lost;
  real.on_lane([&] {
    client->create("/a", "", CreateMode::ephemeral_sequential, [&](Answer<Created> answer) {
      EXPECT_EQ(client->state(), State::connected);  // the answers come before the state
      lost = answer.error();
      client->sync("/later", [](Answer<void>) {});
    });
  });
  ASSERT_TRUE(has_requests(1));
  real.on_lane([&] { wire().stream.reset(); });
  ASSERT_TRUE(real.eventually([&] { return wires.size() == 2 && states.size() == 3; }));
  EXPECT_EQ(lost->code, Code::connection_loss);
  EXPECT_EQ(lost->certainty, Certainty::unknown);
  EXPECT_EQ(to_string(*lost), "CONNECTIONLOSS (outcome unknown)");
  EXPECT_EQ(states, (std::vector<State>{State::connected, State::suspended, State::connected}));
  EXPECT_EQ(wires[1]->handshake->session_id, 0x1234);
  EXPECT_EQ(wires[1]->handshake->password, Bytes(16, 'p'));
  ASSERT_TRUE(has_requests(1));
  EXPECT_EQ(wires[1]->requests[0].header.type, static_cast<int>(OpCode::sync));
}

TEST_F(ClientTest, an_expired_session_ends_everything) {
  connect();
  std::vector<std::string> failures;
  real.on_lane([&] {
    prepare = [](Wire& next) { next.timeout_ms = 0; };
    client->sync("/sent", [&](Answer<void> a) { failures.push_back(to_string(a.error())); });
  });
  ASSERT_TRUE(has_requests(1));
  real.on_lane([&] { wire().stream.reset(); });
  ASSERT_TRUE(real.eventually([&] { return client->state() == State::expired; }));
  EXPECT_EQ(states.back(), State::expired);
  real.on_lane([&] {
    client->sync("/after", [&](Answer<void> a) { failures.push_back(to_string(a.error())); });
    EXPECT_EQ(failures.size(), 1U);
  });
  ASSERT_TRUE(real.eventually([&] { return failures.size() == 2; }));
  EXPECT_EQ(failures,
            (std::vector<std::string>{"CONNECTIONLOSS (outcome unknown)", "SESSIONEXPIRED"}));
  EXPECT_EQ(wires.size(), 2U);  // and no third attempt
}

TEST_F(ClientTest, watches_fire_once_and_survive_a_reconnect) {
  connect();
  std::vector<std::string> fired;
  const auto watch = [&](const std::string& name) {
    return [&fired, name](const zkwire::WatcherEvent& event) {
      fired.push_back(name + std::to_string(static_cast<int>(event.type)));
    };
  };
  int answers = 0;
  real.on_lane([&] {
    client->get_data("/d", watch("data"), [&](Answer<Data>) { ++answers; });
    client->exists("/e", watch("exist"), [&](Answer<std::optional<zkwire::Stat>> stat) {
      EXPECT_FALSE(stat->has_value());
      ++answers;
    });
    client->get_children("/c", watch("child"), [&](Answer<Children>) { ++answers; });
    client->get_data("/none", watch("none"), [&](Answer<Data>) { ++answers; });
  });
  ASSERT_TRUE(has_requests(4));
  real.on_lane([&] {
    auto& requests = wire().requests;
    wire().answer(requests[0], zkwire::DataReply{"x", {}});
    wire().refuse(requests[1], Code::no_node);
    wire().answer(requests[2], zkwire::ChildrenStatReply{{"b", "a"}, {}});
    wire().refuse(requests[3], Code::no_node);
    wire().fire(zkwire::EventType::node_data_changed, "/d");
    wire().fire(zkwire::EventType::node_data_changed, "/d");
    wire().fire(zkwire::EventType::node_data_changed, "/none");
  });
  ASSERT_TRUE(real.eventually([&] { return answers == 4 && !fired.empty(); }));
  real.on_lane([&] { wire().stream.reset(); });
  ASSERT_TRUE(real.eventually([&] { return wires.size() == 2 && !wire().requests.empty(); }));
  real.on_lane([&] {
    const auto& renewal = wire().requests[0];
    EXPECT_EQ(renewal.header.xid, zkwire::xid_set_watches);
    const auto& lists = std::get<zkwire::SetWatchesRequest>(renewal.body);
    EXPECT_EQ(lists.relative_zxid, 7);
    EXPECT_TRUE(lists.data_watches.empty());
    EXPECT_EQ(lists.exist_watches, std::vector<std::string>{"/e"});
    EXPECT_EQ(lists.child_watches, std::vector<std::string>{"/c"});
    wire().fire(zkwire::EventType::node_created, "/e");
    wire().fire(zkwire::EventType::node_deleted, "/c");
  });
  ASSERT_TRUE(real.eventually([&] { return fired.size() == 3; }));
  EXPECT_EQ(fired, (std::vector<std::string>{"data3", "exist1", "child2"}));
}

TEST_F(ClientTest, paths_lie_below_the_chroot) {
  ClientOptions options;
  options.connect.path = "/root";
  connect(options);
  std::string created;
  std::string fired;
  real.on_lane([&] {
    client->create("/a", "", CreateMode::persistent_sequential,
                   [&](Answer<Created> answer) { created = answer->path; });
    client->get_children(
        "/", [&](const zkwire::WatcherEvent& event) { fired = event.path; },
        [](Answer<Children>) {});
    client->multi({check_part("/x", 1)}, [](Answer<std::vector<zkwire::MultiResult>>) {});
  });
  ASSERT_TRUE(has_requests(3));
  real.on_lane([&] {
    auto& requests = wire().requests;
    EXPECT_EQ(std::get<zkwire::CreateRequest>(requests[0].body).path, "/root/a");
    EXPECT_EQ(std::get<zkwire::PathWatchRequest>(requests[1].body).path, "/root");
    wire().answer(requests[0], zkwire::PathReply{"/root/a0000000001"});
    wire().answer(requests[1], zkwire::ChildrenStatReply{});
    wire().fire(zkwire::EventType::node_children_changed, "/root");
  });
  ASSERT_TRUE(real.eventually([&] { return fired == "/"; }));
  EXPECT_EQ(created, "/a0000000001");
}

TEST_F(ClientTest, a_failed_multi_names_its_part) {
  connect();
  std::optional<Failure> failure;
  real.on_lane([&] {
    client->multi(
        {create_part("/a", "", CreateMode::persistent), check_part("/b", 1), remove_part("/c", -1)},
        [&](auto answer) { failure = answer.error(); });
  });
  ASSERT_TRUE(has_requests(1));
  real.on_lane([&] {
    zkwire::MultiReply reply;
    reply.results.resize(3);
    reply.results[0].code = Code::ok;
    reply.results[1].code = Code::no_node;
    reply.results[2].code = Code::runtime_inconsistency;
    wire().answer(wire().requests[0], reply);
  });
  ASSERT_TRUE(real.eventually([&] { return failure.has_value(); }));
  EXPECT_EQ(failure->code, Code::no_node);
  EXPECT_EQ(failure->part, 1U);
}

TEST_F(ClientTest, credentials_go_first_on_every_connection) {
  ClientOptions options;
  options.connect.digest = "u:p";
  connect(options);
  bool answered = false;
  real.on_lane([&] {
    client->add_auth({"ip", "x"}, [&](Answer<void> answer) { answered = answer.ok(); });
  });
  ASSERT_TRUE(has_requests(2));
  real.on_lane([&] {
    EXPECT_EQ(wire().requests[0].header.xid, zkwire::xid_auth);
    EXPECT_EQ(std::get<zkwire::AuthRequest>(wire().requests[0].body).auth, "u:p");
    wire().stream.reset();
  });
  ASSERT_TRUE(real.eventually([&] { return wires.size() == 2 && wire().requests.size() == 2; }));
  real.on_lane([&] {
    EXPECT_FALSE(answered);
    wire().answer(wire().requests[0], zkwire::EmptyReply{});
    wire().answer(wire().requests[1], zkwire::EmptyReply{});
  });
  ASSERT_TRUE(real.eventually([&] { return answered; }));
  real.on_lane([&] { wire().refuse(wire().requests[0], Code::auth_failed); });
}

TEST_F(ClientTest, refused_credentials_end_the_session) {
  ClientOptions options;
  options.connect.digest = "u:p";
  connect(options);
  ASSERT_TRUE(has_requests(1));
  real.on_lane([&] { wire().refuse(wire().requests[0], Code::auth_failed); });
  EXPECT_TRUE(real.eventually([&] { return client->state() == State::auth_failed; }));
}

TEST_F(ClientTest, a_silent_server_is_left_and_an_idle_client_pings) {
  prepare = [this](Wire& next) {
    next.timeout_ms = 300;
    next.answer_pings = wires.size() != 2;
  };
  connect();
  ASSERT_TRUE(real.eventually([&] { return wires[0]->pings >= 3; }));
  real.on_lane([&] { wires[0]->answer_pings = false; });
  ASSERT_TRUE(real.eventually([&] { return wires.size() == 2 && states.size() == 3; }));
  real.on_lane([&] { EXPECT_EQ(states[1], State::suspended); });
}

TEST_F(ClientTest, a_server_that_does_not_greet_is_left) {
  prepare = [this](Wire& next) { next.answer_handshake = wires.size() > 1; };
  connect({.connect = {}, .session_timeout = Duration::millis(200)});
  EXPECT_EQ(wires.size(), 2U);
}

TEST_F(ClientTest, nonsense_from_the_server_is_a_broken_connection) {
  connect();
  for (std::size_t round = 0; round < 3; ++round) {
    real.on_lane([&] {
      client->sync("/a", [](Answer<void>) {});
      const std::vector<Bytes> nonsense{Bytes("\x7f\xff\xff\xff", 4),
                                        zkwire::frame(Bytes("\0\0\0\5", 4)),
                                        zkwire::frame(zkwire::encode_reply({99, 1, 0}, {}))};
      wire().stream->write(nonsense[round]);
    });
    ASSERT_TRUE(real.eventually(
        [&] { return wires.size() == round + 2 && client->state() == State::connected; }));
  }
}

TEST_F(ClientTest, a_close_is_answered_and_final) {
  connect();
  bool closed = false;
  real.on_lane([&] { client->close([&](Answer<void> answer) { closed = answer.ok(); }); });
  ASSERT_TRUE(has_requests(1));
  real.on_lane([&] { wire().answer(wire().requests[0], zkwire::EmptyReply{}); });
  ASSERT_TRUE(real.eventually([&] { return closed && client->state() == State::closed; }));
  EXPECT_TRUE(real.eventually([&] { return wire().ended; }));
}

TEST_F(ClientTest, a_close_whose_answer_was_lost_is_asked_again) {
  connect();
  bool closed = false;
  real.on_lane([&] {
    prepare = [](Wire& next) { next.timeout_ms = 0; };  // the session is gone by then
    client->close([&](Answer<void> answer) { closed = answer.ok(); });
  });
  ASSERT_TRUE(has_requests(1));
  real.on_lane([&] { wire().stream.reset(); });
  ASSERT_TRUE(real.eventually([&] { return closed && client->state() == State::closed; }));
}

TEST_F(ClientTest, any_callback_may_destroy_the_client) {
  connect();
  int calls = 0;
  real.on_lane([&] {
    client->sync("/a", [&](Answer<void>) {
      ++calls;
      client.reset();
    });
    client->sync("/b", [&](Answer<void>) { ++calls; });
  });
  ASSERT_TRUE(has_requests(2));
  real.on_lane([&] {
    wire().answer(wire().requests[0], zkwire::PathReply{"/a"});
    wire().answer(wire().requests[1], zkwire::PathReply{"/b"});
  });
  EXPECT_TRUE(real.eventually([&] { return wire().ended; }));
  EXPECT_EQ(calls, 1);
  start();
  ASSERT_TRUE(real.eventually([&] { return client->state() == State::connected; }));
  real.on_lane([&] {
    client->sync("/a", [&](Answer<void>) { client.reset(); });
    wire().stream.reset();
  });
  EXPECT_TRUE(real.eventually([&] { return client == nullptr; }));
}

TEST_F(ClientTest, one_in_a_hurry_takes_the_first_server_that_connects) {
  ClientOptions options;
  options.dialling = Dialling::all_at_once;
  options.connect.servers = {{"192.0.2.1", 1}, {"192.0.2.2", 1}};  // nobody answers there
  options.attach = Credentials{SessionId(77), Bytes(16, 'q')};
  connect(options);
  real.on_lane([&] {
    EXPECT_EQ(wire().handshake->session_id, 77);
    EXPECT_EQ(wire().handshake->password, Bytes(16, 'q'));
  });
}

}  // namespace
}  // namespace synod::zkclient
