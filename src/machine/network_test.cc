#include "machine/network.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "machine/descriptor.h"
#include "machine/socket_address.h"
#include "test/real/real.h"

namespace synod::machine {
namespace {

// One end of a connection, writing down what it hears.
struct End final : ports::StreamHandler {
  void take(ports::Lane& lane, std::unique_ptr<ports::Stream> given) {
    stream = std::move(given);
    stream->attach(lane, *this);
  }
  void on_bytes(ByteView bytes) override {
    heard.append(bytes);
    largest = std::max(largest, bytes.size());
  }
  void on_eof() override {
    eof = true;
    if (close_at_eof) {
      stream->close();
    }
  }
  void on_drained() override { drained += 1; }
  void on_closed(const Error& reason) override { closed = reason; }

  std::unique_ptr<ports::Stream> stream;
  Bytes heard;
  std::size_t largest = 0;
  int drained = 0;
  bool eof = false;
  bool close_at_eof = true;
  std::optional<Error> closed;
};

class NetworkTest : public testing::Test {
 protected:
  ~NetworkTest() override {
    real.on_lane([this] {
      client.stream.reset();
      server.stream.reset();
      dial.reset();
      listener.reset();
    });
  }

  void listen(const ports::ListenOptions& options = {}) {
    real.on_lane([&] {
      auto made = real.machine().network().listen(real.lane(), {"127.0.0.1", 0}, options,
                                                  [this](std::unique_ptr<ports::Stream> stream) {
                                                    server.take(real.lane(), std::move(stream));
                                                  });
      ASSERT_TRUE(made.ok()) << to_string(made.error());
      listener = std::move(made).value();
      address = listener->address();
    });
  }

  void dial_to(const ports::Address& to, const ports::DialOptions& options = {}) {
    real.on_lane([&] {
      dial = real.machine().network().dial(real.lane(), to, options,
                                           [this](Result<std::unique_ptr<ports::Stream>> result) {
                                             ++dialled;
                                             if (result.ok()) {
                                               client.take(real.lane(), std::move(result).value());
                                             } else {
                                               failure = result.error();
                                             }
                                           });
      EXPECT_EQ(dialled, 0);
    });
  }

  void connect() {
    listen();
    dial_to(address);
    ASSERT_TRUE(real.eventually([&] { return client.stream && server.stream; }));
  }

  test::Real real;
  std::unique_ptr<ports::Listener> listener;
  std::unique_ptr<ports::Dial> dial;
  ports::Address address;
  End client;
  End server;
  int dialled = 0;
  std::optional<Error> failure;
};

TEST_F(NetworkTest, bytes_go_both_ways_and_both_ends_hear_the_close) {
  connect();
  EXPECT_NE(address.port, 0);
  real.on_lane([&] {
    EXPECT_EQ(client.stream->peer().address, address);
    client.stream->write("ping");
    client.stream->write(" and more");
    EXPECT_EQ(client.stream->buffered(), 13U);
    server.stream->write("pong");
  });
  ASSERT_TRUE(
      real.eventually([&] { return server.heard == "ping and more" && client.heard == "pong"; }));
  real.on_lane([&] {
    EXPECT_EQ(client.drained, 1);  // one flush for both writes
    EXPECT_EQ(client.stream->buffered(), 0U);
    client.stream->close();
    EXPECT_FALSE(client.closed.has_value());
  });
  ASSERT_TRUE(real.eventually([&] { return client.closed && server.closed; }));
  EXPECT_TRUE(server.eof);
  EXPECT_EQ(client.closed->code, ErrorCode::closed);
  EXPECT_EQ(server.closed->code, ErrorCode::closed);
}

TEST_F(NetworkTest, a_port_without_listener_refuses) {
  listen();
  real.on_lane([&] { listener.reset(); });
  dial_to(address);
  ASSERT_TRUE(real.eventually([&] { return failure.has_value(); }));
  EXPECT_EQ(failure->code, ErrorCode::refused);
  EXPECT_EQ(dialled, 1);
}

TEST_F(NetworkTest, silence_is_told_from_refusal) {
  // A listener whose backlog is full drops what comes: the dialler hears nothing.
  Descriptor silent(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  auto at = to_socket_address({"127.0.0.1", 0});
  ASSERT_EQ(::bind(silent.get(), at->get(), at->size), 0);
  ASSERT_EQ(::listen(silent.get(), 0), 0);
  const auto to = to_socket_address(local_address_of(silent.get()));
  std::vector<Descriptor> fillers;
  for (int i = 0; i < 4; ++i) {
    fillers.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    (void)::connect(fillers.back().get(), to->get(), to->size);
  }
  dial_to(local_address_of(silent.get()), {.timeout = Duration::millis(200), .tls = {}});
  ASSERT_TRUE(real.eventually([&] { return failure.has_value(); }));
  EXPECT_EQ(failure->code, ErrorCode::timed_out);
}

TEST_F(NetworkTest, an_abandoned_dial_calls_nobody) {
  listen();
  dial_to(address);
  real.on_lane([&] { dial.reset(); });
  bool later = false;
  real.on_lane([&] { real.lane().after(Duration::millis(20), [&] { later = true; }); });
  ASSERT_TRUE(real.eventually([&] { return later; }));
  EXPECT_LE(dialled, 1);  // it may have connected before it was dropped, never after
}

TEST_F(NetworkTest, a_name_is_not_an_address) {
  dial_to({"localhost", 1});
  ASSERT_TRUE(real.eventually([&] { return failure.has_value(); }));
  EXPECT_EQ(failure->code, ErrorCode::invalid_argument);
}

TEST_F(NetworkTest, a_half_closed_stream_still_carries_the_answer) {
  connect();
  real.on_lane([&] {
    server.close_at_eof = false;
    client.stream->write("question");
    client.stream->shutdown_write();
  });
  ASSERT_TRUE(real.eventually([&] { return server.eof; }));
  real.on_lane([&] {
    EXPECT_FALSE(server.closed.has_value());
    server.stream->write("answer");
    server.stream->close();
  });
  ASSERT_TRUE(real.eventually([&] { return client.closed.has_value(); }));
  EXPECT_EQ(client.heard, "answer");
  EXPECT_EQ(server.heard, "question");
}

TEST_F(NetworkTest, a_paused_reader_stops_the_writer_and_nothing_is_lost) {
  connect();
  constexpr std::size_t total = 24 << 20;
  real.on_lane([&] {
    server.stream->pause_reading();
    for (std::size_t i = 0; i < total; i += 1 << 20) {
      client.stream->write(Bytes(1 << 20, static_cast<char>('a' + (i >> 20))));
    }
  });
  std::size_t stuck = 0;
  ASSERT_TRUE(real.eventually([&] {
    const std::size_t now = client.stream->buffered();
    return std::exchange(stuck, now) == now && now < total;
  }));
  real.on_lane([&] {
    EXPECT_GT(client.stream->buffered(), 0U);
    EXPECT_TRUE(server.heard.empty());
    server.stream->resume_reading();
  });
  ASSERT_TRUE(real.eventually([&] { return server.heard.size() == total; }));
  EXPECT_EQ(server.heard.front(), 'a');
  EXPECT_EQ(server.heard.back(), 'x');
  real.on_lane([&] { EXPECT_EQ(client.stream->buffered(), 0U); });
}

TEST_F(NetworkTest, an_answer_survives_a_close_with_unread_bytes) {
  connect();
  real.on_lane([&] {
    server.stream->pause_reading();
    client.stream->write(Bytes(1 << 20, 'x'));  // never read
  });
  ASSERT_TRUE(real.eventually([&] { return client.stream->buffered() < (1 << 20); }));
  real.on_lane([&] {
    server.stream->write("too large");
    server.stream->close();
  });
  ASSERT_TRUE(real.eventually([&] { return server.closed.has_value(); }));
  real.on_lane([&] { server.stream.reset(); });
  ASSERT_TRUE(real.eventually([&] { return client.closed.has_value(); }));
  EXPECT_EQ(client.heard, "too large");
}

TEST_F(NetworkTest, a_destroyed_stream_closes_at_once_and_calls_nobody) {
  connect();
  real.on_lane([&] {
    client.stream->write("dropped");
    client.stream.reset();
  });
  ASSERT_TRUE(real.eventually([&] { return server.closed.has_value(); }));
  EXPECT_FALSE(client.closed.has_value());
  EXPECT_EQ(server.heard, "");
}

TEST_F(NetworkTest, a_close_gives_up_on_a_peer_that_does_not_read) {
  connect();
  real.on_lane([&] {
    server.stream->pause_reading();
    client.stream->write(Bytes(64 << 20, 'x'));
    client.stream->close();
    client.stream->write("ignored");
  });
  ASSERT_TRUE(real.eventually([&] { return client.closed.has_value(); }));
  EXPECT_EQ(client.closed->code, ErrorCode::timed_out);
}

TEST_F(NetworkTest, a_taken_port_is_told) {
  listen();
  real.on_lane([&] {
    const auto second = real.machine().network().listen(real.lane(), address, {},
                                                        [](std::unique_ptr<ports::Stream>) {});
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code, ErrorCode::already_exists);
  });
}

TEST_F(NetworkTest, names_resolve_and_numbers_resolve_to_themselves) {
  std::optional<Result<std::vector<ports::Address>>> name;
  std::optional<Result<std::vector<ports::Address>>> number;
  std::optional<Result<std::vector<ports::Address>>> nonsense;
  real.on_lane([&] {
    auto& network = real.machine().network();
    network.resolve(real.lane(), {"localhost", 7}, [&](auto result) { name = result; });
    network.resolve(real.lane(), {"::1", 8}, [&](auto result) { number = result; });
    network.resolve(real.lane(), {"no such host", 9}, [&](auto result) { nonsense = result; });
    EXPECT_FALSE(number.has_value());
  });
  ASSERT_TRUE(real.eventually([&] { return name && number && nonsense; }));
  ASSERT_TRUE(name->ok());
  EXPECT_TRUE(ports::is_loopback((**name)[0]));
  EXPECT_EQ((**name)[0].port, 7);
  EXPECT_EQ(**number, (std::vector<ports::Address>{{"::1", 8}}));
  EXPECT_FALSE(nonsense->ok());
}

TEST_F(NetworkTest, local_addresses_end_with_loopback) {
  const auto addresses = real.machine().network().local_addresses();
  ASSERT_FALSE(addresses.empty());
  EXPECT_TRUE(ports::is_loopback(addresses.back()));
}

}  // namespace
}  // namespace synod::machine
