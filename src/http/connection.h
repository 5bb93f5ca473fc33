// One connection of the Server: bytes in, requests out, answers back in order.
//
// States   waiting -> reading -> handling -> (answered) -> waiting ... -> closed
//          handling covers an open event stream as well; its request is exchange().
// Threads  the Server's Lane.
// Memory   Input waits undecoded while a request is handled, at most input_size_bytes_max; above
//          that reading pauses.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "http/server.h"
#include "ports/lane.h"
#include "ports/scope.h"
#include "ports/stream.h"

namespace synod::http {

class RequestReader;

// "Sun, 06 Nov 1994 08:49:37 GMT".
std::string http_date(WallTime time);

// The same, written anew only when the second changes.
class HttpDate {
 public:
  const std::string& at(WallTime time) {
    if (const std::int64_t second = time.millis / 1000; second != second_) {
      second_ = second;
      text_ = http_date(time);
    }
    return text_;
  }

 private:
  std::int64_t second_ = -1;
  std::string text_;
};

class Connection final : public std::enable_shared_from_this<Connection>,
                         public ports::StreamHandler {
 public:
  struct Owner {
    ports::Lane& lane;
    const ServerOptions& options;
    const Handler& handler;
    HttpDate& date;
    // The connection has ended: forget it.
    std::function<void(std::uint64_t id)> ended;
  };

  Connection(std::uint64_t id, const Owner& owner, std::unique_ptr<ports::Stream> stream);
  ~Connection() override;

  void start();
  // No further request after the one at hand.
  void drain();
  // The Server goes: closes without calling it back.
  void abandon();

  // What Responder and ResponseStream ask for; all do nothing for another exchange.
  bool serves(std::uint64_t exchange) const;
  void respond(std::uint64_t exchange, Response response);
  bool begin_stream(std::uint64_t exchange, Response head);
  bool write_record(std::uint64_t exchange, ByteView record);
  void end_stream(std::uint64_t exchange);
  void cut(std::uint64_t exchange);
  std::size_t buffered(std::uint64_t exchange) const;
  void on_gone(std::uint64_t exchange, std::function<void()> callback);

  void on_bytes(ByteView bytes) override;
  void on_eof() override;
  void on_drained() override;
  void on_closed(const Error& reason) override;

 private:
  static constexpr std::size_t input_size_bytes_max = 64 << 10;
  static constexpr std::size_t output_size_bytes_max = 1 << 20;

  enum class State { waiting, reading, handling, closed };

  void advance();
  void take_input(std::size_t size);
  void handle();
  void refuse(int status, const char* why);
  void answered();
  void finish();
  void vanish();
  void set_deadline(Duration timeout);
  void watch_deadline();
  void on_timer();
  std::string head_of(const Response& response, const std::string& framing) const;

  const std::uint64_t id_;
  Owner owner_;
  std::unique_ptr<ports::Stream> stream_;
  std::unique_ptr<RequestReader> reader_;
  Bytes input_;
  std::size_t taken_ = 0;  // of input_
  State state_ = State::waiting;
  std::uint64_t exchange_ = 0;
  bool advancing_ = false;
  bool streaming_ = false;
  bool chunked_ = false;
  bool head_only_ = false;
  bool keep_alive_ = true;
  bool old_version_ = false;  // HTTP/1.0
  bool eof_ = false;
  bool paused_ = false;
  bool continued_ = false;
  std::function<void()> gone_;
  Instant deadline_;
  ports::TimerId timer_;
  ports::Scope scope_;
};

}  // namespace synod::http
