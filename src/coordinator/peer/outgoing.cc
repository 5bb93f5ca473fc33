#include "coordinator/peer/outgoing.h"

#include <algorithm>
#include <utility>

namespace synod::coordinator::peer {

Links::Outgoing::Outgoing(ports::Lane& lane, ports::Network& network, const LinksOptions& options,
                          NodeId peer, ports::HostPort endpoint, OutgoingOwner owner)
    : lane_(lane),
      network_(network),
      options_(options),
      peer_(peer),
      endpoint_(std::move(endpoint)),
      owner_(std::move(owner)),
      delay_(options.redial_delay_min) {
  redial(Duration());
  ping();
}

Links::Outgoing::~Outgoing() { lane_.cancel(ping_timer_); }

bool Links::Outgoing::send(const PeerMessage& message) {
  if (!up_) {
    return false;
  }
  if (format_of(message) > format_) {
    return true;  // nothing that it would miss
  }
  stream_->write(encode_frame(message));
  if (stream_->buffered() > options_.unsent_bytes_max) {
    drop("it takes nothing");
    return false;
  }
  return true;
}

void Links::Outgoing::redial(Duration delay) {
  lane_.after(delay, scope_.wrap([this] { dial(); }));
}

void Links::Outgoing::dial() {
  if (stream_ != nullptr || dial_ != nullptr) {
    return;
  }
  if (address_.has_value()) {
    dial_at(*address_);
    return;
  }
  network_.resolve(lane_, endpoint_, scope_.wrap([this](auto&& addresses) {
    if (addresses.ok()) {
      address_ = addresses->front();
      dial_at(*address_);
    } else {
      failed(addresses.error());
    }
  }));
}

void Links::Outgoing::dial_at(const ports::Address& address) {
  ports::DialOptions dial_options;
  dial_options.timeout = options_.dial_timeout;
  dial_ = network_.dial(lane_, address, dial_options, [this](auto&& stream) {
    // The Dial must outlive its own callback.
    std::shared_ptr<ports::Dial> done = std::move(dial_);
    lane_.after(Duration(), [done] {});
    if (stream.ok()) {
      connected(std::move(stream).value());
    } else {
      failed(stream.error());
    }
  });
}

void Links::Outgoing::connected(std::unique_ptr<ports::Stream> stream) {
  reader_ = FrameReader();
  stream_ = std::move(stream);
  stream_->attach(lane_, *this);
  stream_->write(encode_frame(owner_.hello()));
  heard_ = lane_.now();
}

void Links::Outgoing::failed(const Error& error) {
  const bool refused = error.code == ErrorCode::refused;
  if (!refused) {
    address_.reset();  // it may have moved
  }
  if (said_ != error.message) {
    said_ = error.message;
    lane_.log().info("peer", "node {} at {}: {}", peer_.value(), ports::to_string(endpoint_),
                     error.message);
  }
  redial(delay_);
  delay_ = std::min(delay_ * 2, options_.redial_delay_max);
  owner_.on_down(refused);
}

void Links::Outgoing::on_bytes(ByteView bytes) {
  heard_ = lane_.now();
  reader_.feed(bytes);
  while (stream_ != nullptr) {
    Result<ByteView> payload = reader_.next();
    if (payload.ok() && payload->empty()) {
      return;
    }
    Result<Frame> frame = payload.ok() ? decode_payload(*payload) : Result<Frame>(payload.error());
    if (!frame.ok()) {
      drop(frame.error().message);
      return;
    }
    take(*frame);
  }
}

void Links::Outgoing::take(const Frame& frame) {
  const auto* hello = std::get_if<Hello>(&frame);
  if (hello == nullptr) {
    return;  // a pong: on_bytes has noted the time
  }
  if (!hello->refusal.empty() || hello->from != peer_) {
    drop(hello->refusal.empty() ? "another server answers there" : hello->refusal);
    return;
  }
  if (const std::string objection = owner_.objection(*hello); !objection.empty()) {
    drop(objection);
    return;
  }
  if (!up_) {
    up_ = true;
    format_ = std::min(hello->format, options_.format);
    delay_ = options_.redial_delay_min;
    said_.clear();
    if (format_ >= format_of_changes) {
      stream_->write(encode_frame(PeerMessage(Introduction{options_.introduction})));
    }
    lane_.log().info("peer", "connected to node {}", peer_.value());
    owner_.on_up();
  }
}

void Links::Outgoing::on_eof() {
  if (stream_ != nullptr) {
    stream_->close();
  }
}

void Links::Outgoing::on_closed(const Error& reason) {
  const bool was_up = up_;
  up_ = false;
  ended_ = std::move(stream_);  // it is calling just now
  lane_.after(Duration(), scope_.wrap([this] { ended_.reset(); }));
  if (was_up) {
    lane_.log().info("peer", "connection to node {} ended: {}", peer_.value(), reason.message);
    redial(Duration());
    owner_.on_down(false);
  } else {
    redial(delay_);
    delay_ = std::min(delay_ * 2, options_.redial_delay_max);
  }
}

// At once: what was queued is lost. May be called from inside the stream's own callback, or from a
// send: so the stream dies, and the owner hears of it, on the next turn.
void Links::Outgoing::drop(const std::string& why) {
  if (said_ != why) {
    said_ = why;
    lane_.log().warning("peer", "connection to node {} dropped: {}", peer_.value(), why);
  }
  const bool was_up = std::exchange(up_, false);
  std::shared_ptr<ports::Stream> ended = std::move(stream_);
  lane_.after(Duration(), scope_.wrap([this, ended, was_up]() mutable {
    ended.reset();
    redial(delay_);
    delay_ = std::min(delay_ * 2, options_.redial_delay_max);
    if (was_up) {
      owner_.on_down(false);
    }
  }));
}

void Links::Outgoing::ping() {
  ping_timer_ = lane_.after(options_.ping_interval, scope_.wrap([this] {
    if (stream_ != nullptr && lane_.now() - heard_ > options_.silence_max) {
      drop("silent for too long");
    } else if (up_) {
      stream_->write(encode_frame(Ping{}));
    }
    ping();
  }));
}

}  // namespace synod::coordinator::peer
