#include "coordinator/peer/links.h"

#include <algorithm>
#include <utility>

#include "coordinator/peer/outgoing.h"

namespace synod::coordinator::peer {

// A connection that somebody else dialled: they speak, we answer hellos and pings.
class Links::Incoming final : public ports::StreamHandler {
 public:
  Incoming(Links& links, std::unique_ptr<ports::Stream> stream)
      : links_(links), stream_(std::move(stream)) {
    stream_->attach(links_.lane_, *this);
  }

  NodeId from() const { return from_; }
  bool ended() const { return ended_; }
  void end() {
    if (!ended_) {
      ended_ = true;
      stream_->close();
    }
  }

  void on_bytes(ByteView bytes) override {
    reader_.feed(bytes);
    while (!ended_) {
      Result<ByteView> payload = reader_.next();
      if (payload.ok() && payload->empty()) {
        return;
      }
      Result<Frame> frame =
          payload.ok() ? decode_payload(*payload) : Result<Frame>(payload.error());
      if (!frame.ok()) {
        links_.lane_.log().warning("peer", "connection from {} closed: {}",
                                   to_string(stream_->peer().address), frame.error().message);
        end();
      } else {
        take(std::move(frame).value());
      }
    }
  }
  void on_eof() override { end(); }
  void on_closed(const Error&) override {
    ended_ = true;
    links_.forget(this);
  }

 private:
  void take(Frame frame) {
    if (const auto* hello = std::get_if<Hello>(&frame)) {
      greet(*hello);
    } else if (from_ == NodeId()) {
      end();  // who speaks before the hello is nobody of ours
    } else if (std::holds_alternative<Ping>(frame)) {
      stream_->write(encode_frame(Pong{}));
    } else if (auto* message = std::get_if<PeerMessage>(&frame)) {
      links_.events_.on_message(from_, std::move(*message));
    }
  }

  void greet(const Hello& hello) {
    Hello answer = links_.hello_to(hello.from);
    answer.refusal = from_ == NodeId() ? links_.refusal(hello) : "a second hello";
    const bool refused = !answer.refusal.empty();
    stream_->write(encode_frame(answer));
    if (refused) {
      links_.lane_.log().warning("peer", "node {} at {} refused: {}", hello.from.value(),
                                 to_string(stream_->peer().address), answer.refusal);
      end();
      return;
    }
    from_ = hello.from;
    links_.replace_incoming(this, from_);
  }

  Links& links_;
  std::unique_ptr<ports::Stream> stream_;
  FrameReader reader_;
  NodeId from_;
  bool ended_ = false;
};

Links::Links(ports::Lane& lane, ports::Network& network, LinksOptions options, LinksEvents events)
    : lane_(lane), network_(network), options_(std::move(options)), events_(std::move(events)) {
  listen();
  connect(options_.others);
}

void Links::dial(NodeId node, const ports::HostPort& endpoint) {
  OutgoingOwner owner;
  owner.hello = [this, to = node] { return hello_to(to); };
  owner.on_up = [this, to = node] { events_.on_up(to); };
  owner.on_down = [this, to = node](bool refused) { events_.on_down(to, refused); };
  outgoing_.emplace(node, std::make_unique<Outgoing>(lane_, network_, options_, node, endpoint,
                                                     std::move(owner)));
}

void Links::connect(const std::map<NodeId, ports::HostPort>& others) {
  for (auto it = outgoing_.begin(); it != outgoing_.end();) {
    const auto wanted = others.find(it->first);
    if (wanted != others.end() && wanted->second == others_[it->first]) {
      ++it;
      continue;
    }
    it = outgoing_.erase(it);
  }
  others_ = others;
  for (const auto& [node, endpoint] : others_) {
    if (outgoing_.count(node) == 0) {
      dial(node, endpoint);
    }
  }
}

Links::~Links() = default;

void Links::listen() {
  network_.resolve(lane_, options_.listen, scope_.wrap([this](auto&& addresses) {
    if (!addresses.ok()) {
      events_.on_failed(with_context("own peer address", addresses.error()));
      return;
    }
    auto listener =
        network_.listen(lane_, addresses->front(), ports::ListenOptions{},
                        [this](std::unique_ptr<ports::Stream> s) { accept(std::move(s)); });
    if (!listener.ok()) {
      events_.on_failed(with_context("peer port", listener.error()));
      return;
    }
    listener_ = std::move(listener).value();
  }));
}

void Links::accept(std::unique_ptr<ports::Stream> stream) {
  if (incoming_.size() >= options_.incoming_max) {
    return;  // dropped, and so closed
  }
  incoming_.push_back(std::make_unique<Incoming>(*this, std::move(stream)));
}

Hello Links::hello_to(NodeId to) const {
  const auto [cluster, incarnation] = events_.identity();
  Hello hello;
  hello.format = options_.format;
  hello.from = options_.self;
  hello.to = to;
  hello.cluster = cluster;
  hello.incarnation = incarnation;
  hello.rules = options_.rules;
  return hello;
}

std::string Links::refusal(const Hello& hello) const {
  const ClusterId ours = events_.identity().first;
  if (others_.count(hello.from) == 0 && !options_.strangers) {
    return "this ensemble has no such server";
  }
  if (hello.to != options_.self) {
    return "this is another server than the one that was dialled";
  }
  if (hello.format < 1) {
    return "no common format";
  }
  if (ours != ClusterId() && hello.cluster != ClusterId() && ours != hello.cluster) {
    return "another ensemble: the cluster ids differ";
  }
  return "";
}

// A peer that dialled anew has given up its older connection.
void Links::replace_incoming(Incoming* incoming, NodeId from) {
  for (const std::unique_ptr<Incoming>& other : incoming_) {
    if (other.get() != incoming && other->from() == from) {
      other->end();
    }
  }
}

// Its stream is calling just now: destroyed on the next turn.
void Links::forget(Incoming* incoming) {
  lane_.after(Duration(), scope_.wrap([this, incoming] {
    const NodeId from = incoming->from();
    std::erase_if(incoming_, [&](const auto& one) { return one.get() == incoming; });
    if (from != NodeId() && std::none_of(incoming_.begin(), incoming_.end(),
                                         [&](const auto& one) { return one->from() == from; })) {
      events_.on_silent(from);
    }
  }));
}

bool Links::send(NodeId to, const PeerMessage& message) {
  auto it = outgoing_.find(to);
  return it != outgoing_.end() && it->second->send(message);
}

bool Links::knows_changes(NodeId peer) const {
  auto it = outgoing_.find(peer);
  return it != outgoing_.end() && it->second->up() && it->second->format() >= format_of_changes;
}

bool Links::up(NodeId peer) const {
  auto it = outgoing_.find(peer);
  return it != outgoing_.end() && it->second->up();
}

std::size_t Links::buffered(NodeId peer) const {
  auto it = outgoing_.find(peer);
  return it == outgoing_.end() ? 0 : it->second->buffered();
}

}  // namespace synod::coordinator::peer
