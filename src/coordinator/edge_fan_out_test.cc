// Many watches at an Edge, fired at once or set at once: nobody else waits for all of them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "coordinator/crowded_edge_test.h"

namespace synod::coordinator {
namespace {

using zkwire::OpCode;

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
