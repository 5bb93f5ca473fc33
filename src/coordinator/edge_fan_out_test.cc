// Many watches at an Edge, fired at once or set at once: nobody else waits for all of them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <deque>

#include "coordinator/edge.h"
#include "coordinator/edge_world_test.h"
#include "zkwire/frame.h"

namespace synod::coordinator {
namespace {

using zkwire::OpCode;

class CrowdedEdge {
 public:
  CrowdedEdge() : shared_(gate_, 1) {
    shared_.view.serving = true;
    EdgeOptions options;
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
  void ask(Client& client, OpCode op, const zkwire::Request& request) {
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
  // What was submitted is applied; nobody is told yet.
  void apply() {
    while (!submitted_.empty()) {
      const Submit submit = std::move(submitted_.front());
      submitted_.pop_front();
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
  }
  void turn() { edge_->wake(); }
  void post() { lane_.drain(); }
  void hold() { applies_ = false; }

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
  void hear(EdgeMessage message) {
    if (auto* submit = std::get_if<Submit>(&message)) {
      submitted_.push_back(std::move(*submit));
      if (applies_) {
        apply();
      }
    }
  }

  OpenGate gate_;
  ManualLane lane_;
  Shared shared_;
  std::deque<Client> clients_;
  std::deque<Submit> submitted_;
  bool applies_ = true;
  std::unique_ptr<Edge> edge_;
};

TEST(EdgeFanOut, NobodyWaitsUntilAllHaveBeenTold) {
  constexpr std::size_t crowd = 300;
  CrowdedEdge edge;
  Client& writer = edge.connect();
  Client& reader = edge.connect();
  edge.ask(writer, OpCode::create,
           zkwire::CreateRequest{"/w", Bytes("0"), zkwire::open_acl(), 0, -1});
  edge.settle();
  EXPECT_EQ(CrowdedEdge::frames(writer), 1U);
  std::vector<Client*> watching;
  for (std::size_t i = 0; i < crowd; ++i) {
    watching.push_back(&edge.connect());
    edge.ask(*watching.back(), OpCode::get_data, zkwire::PathWatchRequest{"/w", true});
  }
  edge.settle();
  for (Client* client : watching) {
    EXPECT_EQ(CrowdedEdge::frames(*client), 1U);
  }
  const auto told = [&] {
    std::size_t count = 0;
    for (const Client* client : watching) {
      count += client->unread.empty() ? 0 : 1;
    }
    return count;
  };

  edge.hold();
  edge.ask(writer, OpCode::set_data, zkwire::SetDataRequest{"/w", Bytes("1"), -1});
  edge.post();
  edge.apply();
  edge.turn();
  EXPECT_EQ(CrowdedEdge::frames(writer), 1U);
  const std::size_t at_once = told();
  EXPECT_GT(at_once, 0U);
  EXPECT_LT(at_once, crowd / 2);
  edge.ask(reader, OpCode::get_data, zkwire::PathWatchRequest{"/w", false});
  EXPECT_EQ(CrowdedEdge::frames(reader), 1U);
  EXPECT_LT(told(), crowd);
  // Whoever watches and asks gets the event first, however far the telling is.
  edge.ask(*watching.back(), OpCode::exists, zkwire::PathWatchRequest{"/w", false});
  EXPECT_EQ(CrowdedEdge::frames(*watching.back()), 2U);

  edge.settle();
  watching.pop_back();
  for (Client* client : watching) {
    EXPECT_EQ(CrowdedEdge::frames(*client), 1U);
  }
}

TEST(EdgeFanOut, NobodyWaitsUntilAllWatchesAreRestored) {
  CrowdedEdge edge;
  Client& returned = edge.connect();
  Client& reader = edge.connect();
  edge.ask(reader, OpCode::create,
           zkwire::CreateRequest{"/w", Bytes("0"), zkwire::open_acl(), 0, -1});
  edge.settle();
  EXPECT_EQ(CrowdedEdge::frames(reader), 1U);
  zkwire::SetWatchesRequest request;
  request.relative_zxid = 1 << 20;
  for (int i = 0; i < 1000; ++i) {
    request.exist_watches.push_back(fmt::format("/n{}", i));
  }
  request.child_watches = {"/w", "/gone"};
  edge.ask(returned, OpCode::set_watches, request);
  edge.ask(returned, OpCode::get_data, zkwire::PathWatchRequest{"/w", false});
  edge.turn();
  EXPECT_EQ(CrowdedEdge::frames(returned), 0U);  // neither is answered, nor out of order
  edge.ask(reader, OpCode::get_data, zkwire::PathWatchRequest{"/w", false});
  EXPECT_EQ(CrowdedEdge::frames(reader), 1U);
  edge.settle();
  EXPECT_EQ(CrowdedEdge::frames(returned), 3U);  // "/gone" was deleted; both replies
  edge.ask(reader, OpCode::create,
           zkwire::CreateRequest{"/n999", Bytes(), zkwire::open_acl(), 0, -1});
  edge.settle();
  EXPECT_EQ(CrowdedEdge::frames(returned), 1U);
}

}  // namespace
}  // namespace synod::coordinator
