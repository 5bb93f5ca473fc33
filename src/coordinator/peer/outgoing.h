// The connection that this node dials to one other, again and again (links.h).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "coordinator/peer/links.h"

namespace synod::coordinator::peer {

struct OutgoingOwner {
  std::function<Hello()> hello;
  std::function<std::string(const Hello&)> objection;
  std::function<void()> on_up;
  std::function<void(bool refused)> on_down;
};

class Links::Outgoing final : public ports::StreamHandler {
 public:
  Outgoing(ports::Lane& lane, ports::Network& network, const LinksOptions& options, NodeId peer,
           ports::HostPort endpoint, OutgoingOwner owner);
  ~Outgoing() override;

  bool send(const PeerMessage& message);
  bool up() const { return up_; }
  std::uint16_t format() const { return format_; }  // newest that both sides speak

  std::size_t buffered() const { return stream_ == nullptr ? 0 : stream_->buffered(); }

 private:
  void on_bytes(ByteView bytes) override;
  void on_eof() override;
  void on_closed(const Error& reason) override;

  void dial();
  void dial_at(const ports::Address& address);
  void connected(std::unique_ptr<ports::Stream> stream);
  void failed(const Error& error);
  void take(const Frame& frame);
  void drop(const std::string& why);
  void redial(Duration delay);
  void ping();

  ports::Lane& lane_;
  ports::Network& network_;
  const LinksOptions& options_;
  NodeId peer_;
  ports::HostPort endpoint_;
  OutgoingOwner owner_;
  std::optional<ports::Address> address_;  // as last resolved
  std::unique_ptr<ports::Dial> dial_;
  std::unique_ptr<ports::Stream> stream_;
  std::unique_ptr<ports::Stream> ended_;  // until the next turn
  FrameReader reader_;
  bool up_ = false;
  std::uint16_t format_ = 1;  // the newest that both speak
  Instant heard_;
  Duration delay_;
  std::string said_;  // the last complaint, so that it is not repeated
  ports::TimerId ping_timer_;
  ports::Scope scope_;
};

}  // namespace synod::coordinator::peer
