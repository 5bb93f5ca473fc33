// The Client's connections, used by one Call after the other.
//
// A Stream is tied to one handler for good, so the handler must outlive a Call: that is the Wire.
// While no Call uses it, anything it hears is the end of it.
//
// Threads  the Client's Lane.
#pragma once

#include <functional>
#include <list>
#include <memory>

#include "http/client.h"

#include "ports/lane.h"
#include "ports/scope.h"
#include "ports/stream.h"

namespace synod::http {

class WireUser {
 public:
  virtual ~WireUser() = default;
  virtual void on_wire_bytes(ByteView bytes) = 0;
  virtual void on_wire_end(const Error& reason) = 0;
};

class Wire final : public ports::StreamHandler {
 public:
  Wire(ports::Lane& lane, std::unique_ptr<ports::Stream> stream) : stream_(std::move(stream)) {
    stream_->attach(lane, *this);
  }

  ports::Stream& stream() { return *stream_; }
  // Who hears from now on; nullptr: nobody, then `idle_ended` is called at the first sound.
  void use(WireUser* user) { user_ = user; }
  void on_idle_end(std::function<void()> idle_ended) { idle_ended_ = std::move(idle_ended); }

  void on_bytes(ByteView bytes) override {
    if (user_ != nullptr) {
      user_->on_wire_bytes(bytes);
    } else {
      end_idle();
    }
  }
  void on_eof() override { end(Error{ErrorCode::closed, "the server ended the connection"}); }
  void on_closed(const Error& reason) override { end(reason); }

 private:
  void end(const Error& reason) {
    if (user_ != nullptr) {
      std::exchange(user_, nullptr)->on_wire_end(reason);
    } else {
      end_idle();
    }
  }

  void end_idle() {
    if (idle_ended_) {
      const auto ended = std::exchange(idle_ended_, nullptr);
      ended();  // destroys this
    }
  }

  WireUser* user_ = nullptr;
  std::function<void()> idle_ended_;
  std::unique_ptr<ports::Stream> stream_;
};

// The idle ones, oldest first. Shared by a Client and its Calls, whichever ends last.
class WirePool {
 public:
  WirePool(ports::Lane& lane, ports::Network& network, ClientOptions options)
      : lane_(lane), network_(network), options_(std::move(options)) {}
  ~WirePool();

  ports::Lane& lane() { return lane_; }
  ports::Network& network() { return network_; }
  const ClientOptions& options() const { return options_; }

  // An open connection that nobody uses, the latest first; nullptr if there is none.
  std::unique_ptr<Wire> borrow(const ports::HostPort& endpoint);
  void give_back(const ports::HostPort& endpoint, std::unique_ptr<Wire> wire);
  // The Client is gone: keeps nothing any more.
  void close();

 private:
  struct Idle {
    ports::HostPort endpoint;
    std::unique_ptr<Wire> wire;
    ports::TimerId timer;
  };

  void drop(std::list<Idle>::iterator at);

  ports::Lane& lane_;
  ports::Network& network_;
  const ClientOptions options_;
  std::list<Idle> idle_;  // a list: its nodes stay where they are
  bool closed_ = false;
  ports::Scope scope_;
};

}  // namespace synod::http
