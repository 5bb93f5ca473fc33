// An HTTP/1.1 client over ports::Network: one-shot requests, and responses as streams.
//
// Each Call is one request. Connections that a whole response left open are kept for a short while
// and used again for the same endpoint. Redirects are the caller's business.
//
// Errors   refused, unreachable, timed_out (no connection, or no whole answer in time), closed (the
//          peer went away before the end: whether it acted on the request is unknown), malformed,
//          too_large.
// Threads  Confined to its Lane; callbacks come on later turns.
// Memory   Destroying a Call abandons it, no callback follows; any callback may do so. Calls may
//          outlive the Client.
#pragma once

#include <functional>
#include <memory>

#include "base/instant.h"
#include "base/limits.h"
#include "base/result.h"
#include "http/message.h"
#include "ports/address.h"
#include "ports/network.h"

namespace synod::ports {
class Lane;
}

namespace synod::http {

class Call {
 public:
  virtual ~Call() = default;
  // Stops and starts delivery of body pieces (streams only).
  virtual void pause() = 0;
  virtual void resume() = 0;
};

// Who consumes a streamed response. on_head once, on_body any number of times, on_end exactly once
// (an error in place of on_head too).
struct StreamConsumer {
  std::function<void(const Response& head)> on_head;
  std::function<void(ByteView piece)> on_body;  // the bytes are valid during the call
  std::function<void(Status end)> on_end;
};

struct CallOptions {
  Duration timeout = Duration::seconds(10);  // one-shot: whole answer; stream: until its head
  // Streams: the longest silence after the head; zero is for ever.
  Duration silence_max = {};
  std::size_t body_size_bytes_max = limits::http_body_size_bytes_max;  // one-shot only
};

struct ClientOptions {
  ports::Tls tls = {};
  Duration idle_timeout = Duration::seconds(4);  // below what servers allow idle connections
  std::size_t idle_connections_max = 64;
};

class Client {
 public:
  using Done = std::function<void(Result<Response>)>;

  Client(ports::Lane& lane, ports::Network& network, ClientOptions options = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Host, content-length and user-agent fields are added where absent.
  [[nodiscard]] std::unique_ptr<Call> request(const ports::HostPort& to, Request request,
                                              const CallOptions& options, Done done);
  // A response whose body is delivered piece by piece. The connection is its own.
  [[nodiscard]] std::unique_ptr<Call> stream(const ports::HostPort& to, Request request,
                                             const CallOptions& options, StreamConsumer consumer);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// An absolute http(s) URL, taken apart. target has path and query ("/" if none).
struct Url {
  bool tls = false;
  ports::HostPort endpoint;
  std::string target;
};
// Accepts "http://h:p/x", "https://h/x" and, with the scheme absent as in Mesos' redirects,
// "//h:p/x".
Result<Url> parse_url(const std::string& text);

}  // namespace synod::http
