#include "http/client.h"

#include <gtest/gtest.h>

#include "http/server.h"
#include "test/real/real.h"

namespace synod::http {
namespace {

class ClientTest : public testing::Test {
 protected:
  ClientTest() {
    real.on_lane([&] {
      client = std::make_unique<Client>(real.lane(), real.machine().network());
      server = std::make_unique<Server>(real.lane(), real.machine().network(), ServerOptions{},
                                        [this](Request request, Responder responder) {
                                          ++requests;
                                          handler(std::move(request), std::move(responder));
                                        });
      const Status listening = server->listen({"127.0.0.1", 0});
      ASSERT_TRUE(listening.ok());
      endpoint = {"localhost", server->address().port};
    });
  }

  ~ClientTest() override {
    real.on_lane([this] {
      call.reset();
      held.clear();
      streams.clear();
      raw_streams.clear();
      client.reset();
      server.reset();
      listener.reset();
    });
  }

  // A server of bytes: answers every connection with them, then perhaps closes.
  enum class Then { close, stay };
  struct RawEnd final : ports::StreamHandler {
    void on_bytes(ByteView) override {}
    void on_eof() override {}
    void on_closed(const Error&) override {}
    std::unique_ptr<ports::Stream> stream;
  };

  void serve_bytes(const std::string& bytes, Then then) {
    real.on_lane([&] {
      auto made = real.machine().network().listen(
          real.lane(), {"127.0.0.1", 0}, {}, [this, bytes, then](std::unique_ptr<ports::Stream> s) {
            raw_streams.push_back(std::make_unique<RawEnd>());
            RawEnd& end = *raw_streams.back();
            end.stream = std::move(s);
            end.stream->attach(real.lane(), end);
            end.stream->write(bytes);
            if (then == Then::close) {
              end.stream->close();
            }
          });
      listener = std::move(made).value();
      endpoint = {"127.0.0.1", listener->address().port};
    });
  }

  Result<Response> fetch(Request request, CallOptions options = {}) {
    std::optional<Result<Response>> result;
    real.on_lane([&] {
      call = client->request(endpoint, std::move(request), options,
                             [&](Result<Response> got) { result = std::move(got); });
    });
    EXPECT_TRUE(real.eventually([&] { return result.has_value(); }));
    return std::move(*result);
  }

  static Request get(const std::string& target) {
    Request request;
    request.target = target;
    return request;
  }

  test::Real real;
  std::unique_ptr<Client> client;
  std::unique_ptr<Server> server;
  std::unique_ptr<ports::Listener> listener;
  std::unique_ptr<Call> call;
  ports::HostPort endpoint;
  Handler handler = [](Request request, Responder responder) {
    responder.respond(text_response(201, request.method + " " + request.target + " " +
                                             std::string(request.headers.get("x")) + " " +
                                             request.body));
  };
  int requests = 0;
  std::vector<Responder> held;
  std::vector<std::unique_ptr<ResponseStream>> streams;
  std::vector<std::unique_ptr<RawEnd>> raw_streams;
};

TEST_F(ClientTest, a_request_gets_its_answer) {
  Request request = get("/p?q=1");
  request.method = "POST";
  request.headers.set("X", "y");
  request.body = "body";
  const auto response = fetch(std::move(request));
  ASSERT_TRUE(response.ok()) << to_string(response.error());
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(response->body, "POST /p?q=1 y body");
  EXPECT_EQ(response->headers.get("content-length"), "18");
}

TEST_F(ClientTest, connections_are_used_again) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(fetch(get("/")).ok());
  }
  real.on_lane([&] { EXPECT_EQ(server->connections(), 1U); });
  EXPECT_EQ(requests, 3);
}

TEST_F(ClientTest, a_connection_that_died_idle_is_replaced) {
  ASSERT_TRUE(fetch(get("/")).ok());
  const ports::Address address{"127.0.0.1", endpoint.port};
  real.on_lane([&] {
    server.reset();
    server = std::make_unique<Server>(
        real.lane(), real.machine().network(), ServerOptions{},
        [](Request, Responder responder) { responder.respond(text_response(200, "second")); });
    ASSERT_TRUE(server->listen(address).ok());
  });
  const auto response = fetch(get("/"));
  ASSERT_TRUE(response.ok()) << to_string(response.error());
  EXPECT_EQ(response->body, "second");
}

TEST_F(ClientTest, a_refused_connection_is_told) {
  real.on_lane([&] { server.reset(); });
  EXPECT_EQ(fetch(get("/")).error().code, ErrorCode::refused);
}

TEST_F(ClientTest, an_answer_that_does_not_come_times_out) {
  handler = [this](Request, Responder responder) { held.push_back(std::move(responder)); };
  const auto response = fetch(get("/"), {.timeout = Duration::millis(30)});
  EXPECT_EQ(response.error().code, ErrorCode::timed_out);
}

TEST_F(ClientTest, broken_answers_are_errors) {
  const std::vector<std::pair<std::string, ErrorCode>> rows{
      {"", ErrorCode::closed},
      {"HTTP/1.1 200 OK\r\nContent-Le", ErrorCode::closed},
      {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", ErrorCode::closed},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", ErrorCode::closed},
      {"SSH-2.0-OpenSSH\r\n", ErrorCode::malformed},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ErrorCode::malformed},
  };
  for (const auto& [bytes, code] : rows) {
    serve_bytes(bytes, Then::close);
    const auto response = fetch(get("/"));
    ASSERT_FALSE(response.ok()) << bytes;
    EXPECT_EQ(response.error().code, code) << bytes;
  }
}

TEST_F(ClientTest, answers_of_every_framing_are_read) {
  const std::vector<std::pair<std::string, std::string>> rows{
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
       "abc"},
      {"HTTP/1.0 200 OK\r\n\r\nuntil the end", "until the end"},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nz", "z"},
      {"HTTP/1.1 204 No Content\r\n\r\n", ""},
  };
  for (const auto& [bytes, body] : rows) {
    serve_bytes(bytes, Then::close);
    const auto response = fetch(get("/"));
    ASSERT_TRUE(response.ok()) << bytes << to_string(response.error());
    EXPECT_EQ(response->body, body);
  }
}

TEST_F(ClientTest, an_answer_has_a_bound) {
  handler = [](Request, Responder responder) {
    responder.respond(text_response(200, std::string(100'000, 'x')));
  };
  EXPECT_EQ(fetch(get("/"), {.body_size_bytes_max = 99'999}).error().code, ErrorCode::too_large);
  EXPECT_TRUE(fetch(get("/"), {.body_size_bytes_max = 100'000}).ok());
}

TEST_F(ClientTest, head_has_no_body) {
  Request request = get("/");
  request.method = "HEAD";
  const auto response = fetch(std::move(request));
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->body, "");
}

TEST_F(ClientTest, a_stream_is_delivered_as_it_comes) {
  handler = [this](Request, Responder responder) { streams.push_back(responder.stream({})); };
  int status = 0;
  std::string heard;
  std::optional<Status> end;
  real.on_lane([&] {
    call = client->stream(
        endpoint, get("/"), {.timeout = Duration::seconds(5)},
        {[&](const Response& head) { status = head.status; },
         [&](ByteView piece) { heard.append(piece); }, [&](Status how) { end = std::move(how); }});
  });
  ASSERT_TRUE(real.eventually([&] { return status == 200; }));
  real.on_lane([&] { streams[0]->write_record("one "); });
  ASSERT_TRUE(real.eventually([&] { return heard == "one "; }));
  real.on_lane([&] {
    call->pause();
    streams[0]->write_record("two");
    streams[0]->end();
  });
  bool later = false;
  real.on_lane([&] { real.lane().after(Duration::millis(10), [&] { later = true; }); });
  ASSERT_TRUE(real.eventually([&] { return later; }));
  real.on_lane([&] {
    EXPECT_EQ(heard, "one ");
    EXPECT_FALSE(end.has_value());
    call->resume();
  });
  ASSERT_TRUE(real.eventually([&] { return end.has_value(); }));
  EXPECT_TRUE(end->ok());
  EXPECT_EQ(heard, "one two");
}

TEST_F(ClientTest, a_broken_stream_and_a_silent_one_are_told) {
  handler = [this](Request, Responder responder) { streams.push_back(responder.stream({})); };
  std::optional<Status> end;
  const auto subscribe = [&] {
    end.reset();
    real.on_lane([&] {
      call = client->stream(
          endpoint, get("/"),
          {.timeout = Duration::seconds(5), .silence_max = Duration::millis(50)},
          {[](const Response&) {}, [](ByteView) {}, [&](Status how) { end = std::move(how); }});
    });
  };
  subscribe();
  ASSERT_TRUE(real.eventually([&] { return end.has_value(); }));
  EXPECT_EQ(end->error().code, ErrorCode::timed_out);
  subscribe();
  ASSERT_TRUE(real.eventually([&] { return streams.size() == 2; }));
  real.on_lane([&] { streams[1]->cut(); });
  ASSERT_TRUE(real.eventually([&] { return end.has_value(); }));
  EXPECT_EQ(end->error().code, ErrorCode::closed);
}

TEST_F(ClientTest, an_abandoned_call_calls_nobody_and_a_callback_may_abandon) {
  handler = [this](Request, Responder responder) { streams.push_back(responder.stream({})); };
  int calls = 0;
  real.on_lane([&] {
    call = client->stream(endpoint, get("/"), {},
                          {[&](const Response&) {
                             ++calls;
                             call.reset();
                           },
                           [&](ByteView) { ++calls; }, [&](Status) { ++calls; }});
  });
  ASSERT_TRUE(real.eventually([&] { return calls == 1 && server->connections() == 0; }));
  real.on_lane([&] {
    call = client->request(endpoint, get("/"), {}, [&](Result<Response>) { ++calls; });
    call.reset();
  });
  bool later = false;
  real.on_lane([&] { real.lane().after(Duration::millis(10), [&] { later = true; }); });
  ASSERT_TRUE(real.eventually([&] { return later; }));
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace synod::http
