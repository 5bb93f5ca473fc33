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
      if (format_of(*message) > links_.options_.format) {
        links_.lane_.log().warning("peer", "node {} sent what format {} does not know",
                                   from_.value(), links_.options_.format);
        end();
        return;
      }
      if (!links_.relays_.take(from_, *message)) {
        links_.events_.on_message(from_, std::move(*message));
      }
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
    links_.relays_.on_heard(from_);
  }

  Links& links_;
  std::unique_ptr<ports::Stream> stream_;
  FrameReader reader_;
  NodeId from_;
  bool ended_ = false;
};

Links::Links(ports::Lane& lane, ports::Network& network, LinksOptions options, LinksEvents events)
    : lane_(lane),
      network_(network),
      options_(std::move(options)),
      events_(std::move(events)),
      relays_(lane, options_.self, relays_owner()) {
  listen();
  connect(options_.others);
}

void Links::dial(NodeId node, const ports::HostPort& endpoint) {
  OutgoingOwner owner;
  owner.hello = [this, to = node] { return hello_to(to); };
  owner.objection = [this](const Hello& hello) { return events_.objection(hello); };
  owner.on_up = [this, to = node] { on_direct_up(to); };
  owner.on_down = [this, to = node](bool refused) { on_direct_down(to, refused); };
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
  std::set<NodeId> wanted;
  for (const auto& [node, endpoint] : others_) {
    wanted.insert(node);
    if (outgoing_.count(node) == 0) {
      dial(node, endpoint);
    }
  }
  relays_.want(std::move(wanted));
}

Links::~Links() = default;

RelaysOwner Links::relays_owner() {
  RelaysOwner owner;
  owner.reaches = [this](NodeId node) {
    return direct(node) && options_.format >= format_of_relays &&
           outgoing_.at(node)->format() >= format_of_relays;
  };
  owner.hears = [this](NodeId node) { return hears(node); };
  owner.send = [this](NodeId node, const PeerMessage& message) {
    return direct(node) && outgoing_.at(node)->send(message);
  };
  owner.end_incoming = [this](NodeId node) { replace_incoming(nullptr, node); };
  owner.on_up = [this](NodeId node) { events_.on_up(node); };
  owner.on_down = [this](NodeId node) { events_.on_down(node, false); };
  owner.on_silent = [this](NodeId node) { events_.on_silent(node); };
  owner.on_message = [this](NodeId node, PeerMessage message) {
    events_.on_message(node, std::move(message));
  };
  return owner;
}

// What went around may still be under way: for the owner one connection ends before another begins.
void Links::on_direct_up(NodeId node) {
  if (relays_.up(node)) {
    events_.on_down(node, false);
  }
  relays_.on_direct_up(node);
  events_.on_up(node);
}

// A dial that fails says nothing as long as there is a way around.
void Links::on_direct_down(NodeId node, bool refused) {
  relays_.on_direct_down(node);
  if (!relays_.up(node)) {
    events_.on_down(node, refused);
  }
}

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
  return events_.objection(hello);
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
    if (from != NodeId() && !hears(from)) {
      relays_.on_deaf(from);
      if (!relays_.heard(from)) {
        events_.on_silent(from);
      }
    }
  }));
}

bool Links::direct(NodeId peer) const {
  auto it = outgoing_.find(peer);
  return it != outgoing_.end() && it->second->up();
}

bool Links::hears(NodeId peer) const {
  return std::any_of(incoming_.begin(), incoming_.end(),
                     [&](const auto& one) { return one->from() == peer && !one->ended(); });
}

bool Links::up(NodeId peer) const { return direct(peer) || relays_.up(peer); }

bool Links::send(NodeId to, const PeerMessage& message) {
  if (direct(to)) {
    return outgoing_.at(to)->send(message);
  }
  return relays_.up(to) && relays_.send(to, message);
}

bool Links::knows_changes(NodeId peer) const {
  return direct(peer) ? outgoing_.at(peer)->format() >= format_of_changes : relays_.up(peer);
}

std::size_t Links::buffered(NodeId peer) const {
  const bool around = !direct(peer) && relays_.up(peer);
  auto it = outgoing_.find(around ? relays_.through(peer) : peer);
  return it == outgoing_.end() ? 0 : it->second->buffered();
}

}  // namespace synod::coordinator::peer
