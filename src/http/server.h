// An HTTP/1.1 server over ports::Network, real or simulated.
//
// Connections are kept alive; pipelined requests are handled one after the other, so answers leave
// in the order of the requests. Request bodies may be chunked. An answer is one Response, or a
// stream of records that stays open (Mesos' event streams).
//
// Source      RFC 9112.
// Bounds      Headers above limits::http_header_size_bytes_max: 431; bodies above
//             limits::http_body_size_bytes_max: 413; what is not HTTP: 400; each then closes the
//             connection. A subscriber that leaves stream_unread_bytes_max unread is cut.
//             Connections above connections_max are closed at once.
// Threads     Confined to its Lane, the Responders and ResponseStreams that it hands out as well.
//             A handler must not destroy the Server.
// Memory      Responders and ResponseStreams may outlive connection and Server; they then do
//             nothing.
#pragma once

#include <functional>
#include <memory>
#include <optional>

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

class Connection;

// The open answer of an event stream: every record is one chunk, handed to the kernel in one
// buffer, never joined with its neighbours (some clients take a chunk for a record).
class ResponseStream {
 public:
  ResponseStream(const ResponseStream&) = delete;
  ResponseStream& operator=(const ResponseStream&) = delete;
  // Ends the stream properly (the last chunk) if it is still open.
  ~ResponseStream();

  // False once the stream has ended: by the peer, by end(), or because this very record would pass
  // the high-water mark, in which case the connection is cut. An empty record writes nothing.
  bool write_record(ByteView record);
  // The last chunk; the connection may then serve the next request.
  void end();
  // Drops the connection without the last chunk: the client sees a broken stream.
  void cut();
  bool is_open() const;
  // Bytes that the peer has not taken.
  std::size_t buffered() const;
  // Called once, on a later turn, when the peer goes away or is cut by write_record; not after
  // end() or cut(), and not if is_open() is false already. A peer that half-closes has gone.
  void on_closed(std::function<void()> callback);

 private:
  friend class Responder;
  explicit ResponseStream(std::weak_ptr<Connection> connection, std::uint64_t exchange);
  std::weak_ptr<Connection> connection_;  // the connection may go first
  std::uint64_t exchange_;
};

// The duty to answer one request, moved to whoever will do it. Dropped unused it answers 500.
class Responder {
 public:
  Responder() = default;
  Responder(Responder&&) noexcept = default;
  Responder& operator=(Responder&&) noexcept;
  ~Responder();

  // Exactly one of the two, once. content-length, date and connection fields are the Server's.
  void respond(Response response);
  // Sends the head (its body must be empty) and keeps the answer open.
  std::unique_ptr<ResponseStream> stream(Response head);
  // False when the client has gone already.
  bool is_open() const;
  // Called once, on a later turn, if the client goes away before the answer. A client that only
  // half-closes still waits for it.
  void on_closed(std::function<void()> callback);

 private:
  friend class Connection;
  Responder(std::weak_ptr<Connection> connection, std::uint64_t exchange)
      : connection_(std::move(connection)), exchange_(exchange) {}
  std::weak_ptr<Connection> connection_;  // the connection may go first
  std::uint64_t exchange_ = 0;            // 0: answered, or moved from
};

using Handler = std::function<void(Request, Responder)>;

struct ServerOptions {
  ports::Tls tls = {};
  std::size_t header_size_bytes_max = limits::http_header_size_bytes_max;
  std::size_t body_size_bytes_max = limits::http_body_size_bytes_max;
  std::size_t stream_unread_bytes_max = limits::stream_unread_bytes_max;
  std::size_t connections_max = 16'384;
  Duration idle_timeout = Duration::seconds(75);     // between requests
  Duration request_timeout = Duration::seconds(30);  // from first byte to whole request
};

class Server {
 public:
  Server(ports::Lane& lane, ports::Network& network, ServerOptions options, Handler handler);
  ~Server();  // closes every connection
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // May be called for several addresses.
  Status listen(const ports::Address& at);
  // Of the first listen().
  ports::Address address() const;
  // Serves a connection that somebody else accepted; not yet attached.
  void adopt(std::unique_ptr<ports::Stream> stream);
  std::size_t connections() const;
  // Stops listening; open exchanges go on, idle connections close.
  void drain();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace synod::http
