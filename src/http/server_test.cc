#include "http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/client.h"
#include "http/router.h"
#include "test/real/real.h"

namespace synod::http {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// A client that speaks bytes.
struct Raw final : ports::StreamHandler {
  void on_bytes(ByteView bytes) override { heard.append(bytes); }
  void on_eof() override { eof = true; }
  void on_closed(const Error&) override { closed = true; }
  std::unique_ptr<ports::Dial> dial;
  std::unique_ptr<ports::Stream> stream;
  Bytes heard;
  bool eof = false;
  bool closed = false;
};

class ServerTest : public testing::Test {
 protected:
  void serve(Handler handler, ServerOptions options = {}) {
    real.on_lane([&] {
      server = std::make_unique<Server>(real.lane(), real.machine().network(), options,
                                        std::move(handler));
      const Status listening = server->listen({"127.0.0.1", 0});
      ASSERT_TRUE(listening.ok());
      client = std::make_unique<Client>(real.lane(), real.machine().network());
    });
  }

  ~ServerTest() override {
    real.on_lane([this] {
      held.clear();
      streams.clear();
      call.reset();
      client.reset();
      raw = {};
      server.reset();
    });
  }

  // Sends the bytes on a new connection.
  void say(const std::string& bytes) {
    real.on_lane([&] {
      raw = {};
      raw.dial = real.machine().network().dial(
          real.lane(), server->address(), {}, [&, bytes](Result<std::unique_ptr<ports::Stream>> s) {
            raw.stream = std::move(s).value();
            raw.stream->attach(real.lane(), raw);
            raw.stream->write(bytes);
          });
    });
    ASSERT_TRUE(real.eventually([&] { return raw.stream != nullptr; }));
  }

  std::string answer_to_end() {
    EXPECT_TRUE(real.eventually([&] { return raw.eof || raw.closed; }));
    return raw.heard;
  }

  void say_more(const std::string& bytes) {
    real.on_lane([&] { raw.stream->write(bytes); });
  }

  static Handler echo() {
    return [](Request request, Responder responder) {
      responder.respond(text_response(200, request.method + " " + request.path + " " +
                                               std::to_string(request.body.size()) + " " +
                                               request.body.substr(0, 20)));
    };
  }

  // Keeps every request for the test to answer.
  Handler hold() {
    return [this](Request request, Responder responder) {
      requests.push_back(std::move(request));
      held.push_back(std::move(responder));
    };
  }

  test::Real real;
  std::unique_ptr<Server> server;
  std::unique_ptr<Client> client;
  std::unique_ptr<Call> call;
  Raw raw;
  std::vector<Request> requests;
  std::vector<Responder> held;
  std::vector<std::unique_ptr<ResponseStream>> streams;
};

TEST_F(ServerTest, one_request_one_answer) {
  serve(echo());
  say("POST /a%20b?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nConnection: close\r\n\r\nxyz");
  const std::string answer = answer_to_end();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nDate: "));
  EXPECT_THAT(answer, EndsWith("Content-Length: 15\r\nConnection: close\r\n\r\nPOST /a b 3 xyz"));
}

TEST_F(ServerTest, pipelined_answers_keep_the_order_of_the_requests) {
  serve(hold());
  say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\nGET /3 "
      "HTTP/1.1\r\nHost: "
      "h\r\nConnection: close\r\n\r\n");
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(real.eventually([&] { return requests.size() == i + 1; }));
    real.on_lane([&] { held[i].respond(text_response(200, "<" + requests[i].path + ">")); });
  }
  const std::string answer = answer_to_end();
  EXPECT_LT(answer.find("</1>"), answer.find("</2>"));
  EXPECT_LT(answer.find("</2>"), answer.find("</3>"));
  EXPECT_THAT(answer, EndsWith("</3>"));
}

TEST_F(ServerTest, a_thousand_pipelined_requests_are_answered_without_depth) {
  serve(echo());
  std::string requests_text;
  for (int i = 0; i < 1000; ++i) {
    requests_text += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
  }
  say(requests_text);
  EXPECT_TRUE(real.eventually([&] { return raw.heard.ends_with("GET /999 0 "); }));
}

TEST_F(ServerTest, bytes_may_come_one_by_one_and_in_chunks) {
  serve(echo());
  say("");
  const std::string text =
      "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
      "3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n";
  for (const char c : text) {
    say_more(std::string(1, c));
  }
  EXPECT_THAT(answer_to_end(), EndsWith("POST /c 5 abcde"));
}

TEST_F(ServerTest, a_client_may_wait_for_leave_to_send_its_body) {
  serve(echo());
  say("POST /c HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_TRUE(real.eventually([&] { return raw.heard == "HTTP/1.1 100 Continue\r\n\r\n"; }));
  say_more("ok");
  EXPECT_TRUE(real.eventually([&] { return raw.heard.ends_with("POST /c 2 ok"); }));
}

TEST_F(ServerTest, what_is_not_http_is_refused_and_closed) {
  serve(echo(), {.header_size_bytes_max = 2000, .body_size_bytes_max = 1000});
  const std::vector<std::pair<std::string, std::string>> rows{
      {"\x16\x03\x01\x02\r\n\r\n", "400"},
      {"GET /\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nno colon\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
      {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400"},
      {"GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"GET / HTTP/3.0\r\n\r\n", "505"},
      {"GET / HTTP/1.1\r\nX: " + std::string(3000, 'x') + "\r\n\r\n", "431"},
      {"GET /" + std::string(3000, 'x'), "431"},
      {"POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", "413"},
      {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", "413"},
      {"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", "400"},
  };
  for (const auto& [bytes, status] : rows) {
    say(bytes);
    EXPECT_THAT(answer_to_end(), StartsWith("HTTP/1.1 " + status)) << bytes.substr(0, 80);
    EXPECT_THAT(raw.heard, HasSubstr("Connection: close"));
    EXPECT_THAT(raw.heard, HasSubstr("{\"error\":")) << bytes.substr(0, 80);
  }
  say("GET /fine HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer_to_end(), EndsWith("GET /fine 0 "));
}

TEST_F(ServerTest, a_refusal_reaches_a_client_that_is_still_sending) {
  serve(echo(), {.body_size_bytes_max = 1000});
  say("POST / HTTP/1.1\r\nContent-Length: 5000000\r\n\r\n" + std::string(5'000'000, 'x'));
  EXPECT_THAT(answer_to_end(), StartsWith("HTTP/1.1 413"));
}

TEST_F(ServerTest, a_half_closed_client_still_gets_its_answer) {
  serve(hold());
  say("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  real.on_lane([&] { raw.stream->shutdown_write(); });
  ASSERT_TRUE(real.eventually([&] { return held.size() == 1; }));
  real.on_lane([&] { held[0].respond(text_response(200, "late")); });
  EXPECT_THAT(answer_to_end(), EndsWith("late"));
}

TEST_F(ServerTest, an_old_client_is_answered_and_closed) {
  serve(echo());
  say("GET / HTTP/1.0\r\n\r\n");
  EXPECT_THAT(answer_to_end(), EndsWith("Connection: close\r\n\r\nGET / 0 "));
  say("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_TRUE(real.eventually([&] { return raw.heard.ends_with("GET / 0 "); }));
  EXPECT_THAT(raw.heard, HasSubstr("Connection: keep-alive"));
}

TEST_F(ServerTest, head_has_the_length_and_no_body) {
  serve(echo());
  say("HEAD /h HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::string answer = answer_to_end();
  EXPECT_THAT(answer, HasSubstr("Content-Length: 10\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(ServerTest, a_dropped_request_is_an_error_of_ours) {
  serve([](Request, Responder) {});
  say("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer_to_end(), StartsWith("HTTP/1.1 500"));
}

TEST_F(ServerTest, a_field_cannot_break_out_of_its_line) {
  serve([](Request, Responder responder) {
    Response response = text_response(200, "");
    response.headers.set("X", "a\r\nEvil: 1");
    responder.respond(std::move(response));
  });
  say("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer_to_end(), HasSubstr("X: a  Evil: 1\r\n"));
}

TEST_F(ServerTest, an_idle_or_slow_client_is_sent_away) {
  serve(echo(), {.idle_timeout = Duration::millis(30), .request_timeout = Duration::millis(30)});
  say("");
  EXPECT_EQ(answer_to_end(), "");
  say("GET / HT");
  EXPECT_THAT(answer_to_end(), StartsWith("HTTP/1.1 408"));
  EXPECT_TRUE(real.eventually([&] { return server->connections() == 0; }));
}

TEST_F(ServerTest, connections_have_a_bound) {
  serve(echo(), {.connections_max = 1});
  say("");
  ASSERT_TRUE(real.eventually([&] { return server->connections() == 1; }));
  Raw second;
  real.on_lane([&] {
    second.dial = real.machine().network().dial(real.lane(), server->address(), {},
                                                [&](Result<std::unique_ptr<ports::Stream>> s) {
                                                  second.stream = std::move(s).value();
                                                  second.stream->attach(real.lane(), second);
                                                });
  });
  EXPECT_TRUE(real.eventually([&] { return second.eof || second.closed; }));
  real.on_lane([&] { second.stream.reset(); });
}

TEST_F(ServerTest, a_record_is_a_chunk) {
  serve([this](Request, Responder responder) {
    Response head;
    head.headers.set("Content-Type", "application/json");
    streams.push_back(responder.stream(std::move(head)));
  });
  say("GET / HTTP/1.1\r\n\r\nGET /next HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(real.eventually([&] { return streams.size() == 1; }));
  real.on_lane([&] {
    EXPECT_TRUE(streams[0]->write_record("5\nhello"));
    EXPECT_TRUE(streams[0]->write_record(""));
    EXPECT_TRUE(streams[0]->write_record("11\nhello again"));
    EXPECT_GT(streams[0]->buffered(), 0U);
  });
  ASSERT_TRUE(real.eventually([&] { return raw.heard.ends_with("again\r\n"); }));
  EXPECT_THAT(raw.heard, HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_THAT(raw.heard, EndsWith("\r\n\r\n7\r\n5\nhello\r\ne\r\n11\nhello again\r\n"));
  real.on_lane([&] {
    streams[0]->end();
    EXPECT_FALSE(streams[0]->write_record("late"));
  });
  // The connection goes on with the request that waited.
  ASSERT_TRUE(real.eventually([&] { return streams.size() == 2; }));
  EXPECT_TRUE(real.eventually([&] {
    return raw.heard.find("again\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n") != std::string::npos;
  }));
}

TEST_F(ServerTest, a_subscriber_that_goes_is_noticed) {
  int gone = 0;
  serve([&](Request, Responder responder) {
    streams.push_back(responder.stream({}));
    streams.back()->on_closed([&] { ++gone; });
  });
  say("GET / HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(real.eventually([&] { return streams.size() == 1; }));
  real.on_lane([&] { raw.stream.reset(); });
  ASSERT_TRUE(real.eventually([&] { return gone == 1; }));
  real.on_lane([&] {
    EXPECT_FALSE(streams[0]->is_open());
    EXPECT_FALSE(streams[0]->write_record("x"));
    EXPECT_EQ(server->connections(), 0U);
  });
  // One that half-closes before the answer has gone as well.
  say("GET / HTTP/1.1\r\n\r\n");
  real.on_lane([&] { raw.stream->shutdown_write(); });
  EXPECT_TRUE(real.eventually([&] { return gone == 2; }));
}

TEST_F(ServerTest, a_slow_subscriber_is_cut_at_the_bound) {
  int gone = 0;
  serve(
      [&](Request, Responder responder) {
        streams.push_back(responder.stream({}));
        streams.back()->on_closed([&] { ++gone; });
      },
      {.stream_unread_bytes_max = 4 << 20});
  say("GET / HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(real.eventually([&] { return streams.size() == 1; }));
  real.on_lane([&] { raw.stream->pause_reading(); });
  const std::string record(1 << 20, 'r');
  std::size_t largest = 0;
  ASSERT_TRUE(real.eventually([&] {
    const bool more = streams[0]->write_record(record);
    largest = std::max(largest, streams[0]->buffered());
    return !more;
  }));
  EXPECT_LE(largest, std::size_t{(4 << 20) + 32});
  EXPECT_TRUE(real.eventually([&] { return gone == 1 && server->connections() == 0; }));
}

TEST_F(ServerTest, a_drained_server_answers_what_it_has_and_closes) {
  serve(hold());
  say("GET / HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(real.eventually([&] { return held.size() == 1; }));
  real.on_lane([&] {
    server->drain();
    EXPECT_EQ(server->connections(), 1U);
    held[0].respond(text_response(200, "last"));
  });
  EXPECT_THAT(answer_to_end(), EndsWith("last"));
  EXPECT_TRUE(real.eventually([&] { return server->connections() == 0; }));
}

TEST_F(ServerTest, responders_may_outlive_the_server) {
  serve(hold());
  say("GET / HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(real.eventually([&] { return held.size() == 1; }));
  real.on_lane([&] {
    server.reset();
    EXPECT_FALSE(held[0].is_open());
    const auto stream = held[0].stream({});
    EXPECT_FALSE(stream->write_record("x"));
  });
}

TEST_F(ServerTest, routes_are_found_by_path_and_method) {
  Router router;
  const auto say_route = [](const std::string& name) {
    return [name](Request request, Responder responder) {
      std::string text = name;
      for (const auto& [key, value] : request.params) {
        text += " " + key + "=" + value;
      }
      responder.respond(text_response(200, text));
    };
  };
  router.add("GET", "/apps/{id}", say_route("one"));
  router.add("DELETE", "/apps/{id}", say_route("delete"));
  router.add("GET", "/apps/all", say_route("all"));
  router.add("*", "/apps/{id}/tasks/{rest...}", say_route("rest"));
  router.add("GET", "/", say_route("root"));
  serve([&](Request request, Responder responder) {
    router(std::move(request), std::move(responder));
  });
  const std::vector<std::array<std::string, 3>> rows{
      {"GET", "/apps/7", "one id=7"},
      {"DELETE", "/apps/a%20b", "delete id=a b"},
      {"GET", "/apps/all", "all"},
      {"GET", "/apps/all/", "all"},
      {"PUT", "/apps/7/tasks", "rest id=7 rest="},
      {"GET", "/apps/7/tasks/a/b", "rest id=7 rest=a/b"},
      {"GET", "/", "root"},
      {"POST", "/apps/7", "HTTP/1.1 405"},
      {"GET", "/nowhere", "HTTP/1.1 404"},
      {"GET", "/apps", "HTTP/1.1 404"},
  };
  for (const auto& [method, path, expected] : rows) {
    say(method + " " + path + " HTTP/1.1\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(answer_to_end(), HasSubstr(expected)) << path;
  }
  say("PATCH /apps/7 HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer_to_end(), HasSubstr("Allow: GET, DELETE\r\n"));
}

}  // namespace
}  // namespace synod::http
