// An Edge with many clients under test: what they submit is applied at once, or when told.
#pragma once

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "coordinator/edge.h"
#include "coordinator/edge_world_test.h"
#include "zkwire/frame.h"

namespace synod::coordinator {

class CrowdedEdge {
 public:
  explicit CrowdedEdge(EdgeOptions options = {}) : shared_(gate_, 1) {
    shared_.view.serving = true;
    options.connections_per_address_max = 0;
    edge_ = std::make_unique<Edge>(
        lane_, shared_,
        ports::Sender<EdgeMessage>(lane_, [this](EdgeMessage m) { hear(std::move(m)); }), options);
  }
  ~CrowdedEdge() {
    edge_.reset();
    lane_.drain();
  }

  Client& connect() {
    Client& client = clients_.emplace_back();
    edge_->accept(std::make_unique<FakeStream>(client, ports::Peer{{"10.0.0.1", 4711}, ""}));
    zkwire::ConnectRequest request;
    request.timeout_ms = 10'000;
    request.password = Bytes(16, '\0');
    give(client, zkwire::encode(request));
    settle();
    EXPECT_EQ(frames(client), 1U);
    return client;
  }
  void ask(Client& client, zkwire::OpCode op, const zkwire::Request& request) {
    give(client, zkwire::encode_request({++client.xid, static_cast<std::int32_t>(op)}, request));
  }
  void settle() {
    for (bool moved = true; moved;) {
      lane_.drain();
      edge_->wake();
      moved = !shared_.inboxes[0].items.empty();
    }
    lane_.drain();
  }
  // What was submitted is applied, or the first so many; nobody is told yet.
  void apply(std::size_t most = SIZE_MAX) {
    for (; most > 0 && !submitted_.empty(); --most) {
      const Submit submit = std::move(submitted_.front());
      submitted_.pop_front();
      apply(submit);
    }
  }
  void turn() { edge_->wake(); }
  void post() { lane_.drain(); }
  void hold() { applies_ = false; }
  void advance(Duration span) { lane_.advance(span); }
  Edge& edge() { return *edge_; }
  Shared& shared() { return shared_; }
  // At the engine, not applied.
  const std::deque<Submit>& submitted() const { return submitted_; }

  // Frames that came since they were last counted.
  static std::size_t frames(Client& client) {
    zkwire::FrameReader reader(1 << 20);
    reader.feed(std::exchange(client.unread, {}));
    std::size_t count = 0;
    while (reader.next().has_value()) {
      ++count;
    }
    return count;
  }

 private:
  static void give(Client& client, const Bytes& body) {
    client.handler->on_bytes(zkwire::frame(body));
  }
  // Sessions are made even while writes are held.
  void hear(EdgeMessage message) {
    if (auto* submit = std::get_if<Submit>(&message)) {
      if (applies_ || submit->sequence == Sequence()) {
        apply(*submit);
      } else {
        submitted_.push_back(std::move(*submit));
      }
    }
  }
  void apply(const Submit& submit) {
    const ports::WriteHold hold(gate_);
    const znode::Command command = znode::decode_command(submit.command).value();
    znode::Effects effects =
        shared_.state.apply({WallTime{77}, znode::rules_version_max, shared_.switches}, command);
    std::vector<InboxItem>& inbox = shared_.inboxes[0].items;
    for (znode::Trigger& trigger : effects.triggers) {
      inbox.push_back(Fired{std::move(trigger), effects.outcome.zxid});
    }
    inbox.push_back(Applied{command.session, command.generation, command.sequence, submit.nonce,
                            std::move(effects.outcome)});
  }

  OpenGate gate_;
  ManualLane lane_;
  Shared shared_;
  std::deque<Client> clients_;
  std::deque<Submit> submitted_;
  bool applies_ = true;
  std::unique_ptr<Edge> edge_;
};

}  // namespace synod::coordinator
