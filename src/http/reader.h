// Beast's parsers behind plain interfaces.
//
// Source   RFC 9112.
// Threads  confined to one connection.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "http/message.h"

namespace synod::http {

struct ReadBounds {
  std::size_t header_size_bytes_max;
  std::size_t body_size_bytes_max;
};

// Reads one request.
class RequestReader {
 public:
  explicit RequestReader(const ReadBounds& bounds);
  ~RequestReader();

  // The status to refuse with: 400, 413, 431, 505.
  struct Refusal {
    int status;
    const char* why;
  };

  // Takes what it can from the front of the input: how many bytes.
  Result<std::size_t, Refusal> feed(ByteView input);
  bool is_done() const;
  // The header is whole, the body is not, and the client waits for leave to send it.
  bool awaits_continue() const;
  bool keep_alive() const;
  bool is_old_version() const;
  // Precondition: is_done(). Without `peer`.
  Request take();

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

// Reads one response; the body goes out in pieces.
class ResponseReader {
 public:
  using Piece = std::function<void(ByteView)>;

  // `to_head`: the response of a HEAD request, which has no body.
  enum class Expect { body, no_body };
  ResponseReader(Expect expect, Piece piece);
  ~ResponseReader();

  // malformed for what is not HTTP. Interim responses (1xx) are skipped.
  Result<std::size_t> feed(ByteView input);
  // The peer ended: the end of a body without length, or an error (closed).
  Status feed_end();
  bool has_head() const;
  // Precondition: has_head(), once.
  Response take_head();
  bool is_done() const;
  bool keep_alive() const;

 private:
  struct Parser;
  void begin();
  Expect expect_;
  Piece piece_;
  std::unique_ptr<Parser> parser_;
};

}  // namespace synod::http
