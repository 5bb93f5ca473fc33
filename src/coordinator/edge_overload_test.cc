// Clients that ask for more than a server gets done: they are slowed, and nobody else is.
#include <gtest/gtest.h>

#include <algorithm>

#include "coordinator/crowded_edge_test.h"

namespace synod::coordinator {
namespace {

using zkwire::OpCode;

zkwire::SetDataRequest set_root(std::size_t size_bytes = 1) {
  return {"/w", Bytes(size_bytes, 'x'), -1};
}

// As a socket does: nothing comes in while it is not read from.
std::size_t ask_while_read(CrowdedEdge& edge, Client& client, std::size_t count,
                           std::size_t size_bytes = 1) {
  std::size_t asked = 0;
  for (; asked < count && !client.paused; ++asked) {
    edge.ask(client, OpCode::set_data, set_root(size_bytes));
  }
  return asked;
}

void make_node(CrowdedEdge& edge, Client& client) {
  edge.ask(client, OpCode::create,
           zkwire::CreateRequest{"/w", Bytes("0"), zkwire::open_acl(), 0, -1});
  edge.settle();
  ASSERT_EQ(CrowdedEdge::frames(client), 1U);
}

TEST(EdgeOverload, OneConnectionHasAWindowAtTheEngineAndABoundBehindIt) {
  CrowdedEdge edge;
  Client& hog = edge.connect();
  make_node(edge, hog);
  edge.hold();
  EXPECT_EQ(ask_while_read(edge, hog, 10'000), EdgeOptions{}.requests_outstanding_max);
  edge.post();
  EXPECT_EQ(edge.submitted().size(), EdgeShareLimits{}.in_flight_max);
  // Each that is applied makes room for the next one, and all come through in the end.
  edge.apply(10);
  edge.settle();
  EXPECT_EQ(CrowdedEdge::frames(hog), 10U);
  EXPECT_EQ(edge.submitted().size(), EdgeShareLimits{}.in_flight_max);
  EXPECT_FALSE(hog.paused);
  while (!edge.submitted().empty()) {
    edge.apply();
    edge.settle();
  }
  EXPECT_EQ(CrowdedEdge::frames(hog), EdgeOptions{}.requests_outstanding_max - 10);
}

TEST(EdgeOverload, LargeWritesGoOneByOne) {
  CrowdedEdge edge;
  Client& hog = edge.connect();
  make_node(edge, hog);
  edge.hold();
  EXPECT_EQ(ask_while_read(edge, hog, 100, 1'000'000), 5U);  // 4 MiB of them are held
  edge.post();
  EXPECT_EQ(edge.submitted().size(), 1U);
  edge.apply();
  edge.settle();
  EXPECT_EQ(edge.submitted().size(), 1U);
}

TEST(EdgeOverload, ASingleWriteGoesNextHoweverManyWaitForTheirTurn) {
  EdgeOptions options;
  options.shares.total_in_flight_bytes_max = 2U << 20;
  CrowdedEdge edge(options);
  Client& small = edge.connect();
  make_node(edge, small);
  edge.hold();
  std::vector<Client*> hogs;
  for (int i = 0; i < 20; ++i) {
    hogs.push_back(&edge.connect());
    ask_while_read(edge, *hogs.back(), 4, 1'000'000);
  }
  edge.post();
  EXPECT_EQ(edge.submitted().size(), 3U);  // one passes the bound
  edge.ask(small, OpCode::set_data, set_root());
  edge.post();
  EXPECT_EQ(edge.submitted().size(), 3U);
  // As soon as anything may go, it is the small one.
  edge.apply(2);
  edge.settle();
  ASSERT_GE(edge.submitted().size(), 2U);
  EXPECT_LT(edge.submitted()[1].command.size(), 1000U);
  edge.apply(2);
  edge.settle();
  EXPECT_EQ(CrowdedEdge::frames(small), 1U);
}

TEST(EdgeOverload, WhoHoldsMostIsNotReadFromAndOthersAre) {
  EdgeOptions options;
  options.shares.held_bytes_max = 3'000'000;
  CrowdedEdge edge(options);
  Client& small = edge.connect();
  make_node(edge, small);
  edge.hold();
  Client& one = edge.connect();
  Client& two = edge.connect();
  // Within its own bound, but all together hold too much.
  std::size_t asked = 0;
  for (int i = 0; i < 4; ++i) {
    asked += ask_while_read(edge, one, 1, 900'000);
    asked += ask_while_read(edge, two, 1, 900'000);
  }
  EXPECT_EQ(asked, 5U);  // the fifth was sent, and is not looked at
  EXPECT_TRUE(one.paused);
  EXPECT_TRUE(two.paused);
  EXPECT_EQ(edge.edge().shares().crowds(), 1U);
  for (int i = 0; i < 100; ++i) {
    edge.ask(small, OpCode::set_data, set_root());
    edge.ask(small, OpCode::ping, zkwire::EmptyRequest{});
    ASSERT_FALSE(small.paused);
  }
  // Nothing is lost: once there is room they are read from again, and answered.
  edge.post();
  for (int turns = 0; turns < 1000 && !edge.submitted().empty(); ++turns) {
    edge.apply();
    edge.settle();
  }
  EXPECT_FALSE(one.paused);
  EXPECT_FALSE(two.paused);
  EXPECT_EQ(CrowdedEdge::frames(one) + CrowdedEdge::frames(two), 5U);
  EXPECT_EQ(CrowdedEdge::frames(small), 200U);
}

TEST(EdgeOverload, GlobalOutstandingLimitCountsRequests) {
  EdgeOptions options;
  options.shares.requests_max = 10;
  CrowdedEdge edge(options);
  Client& hog = edge.connect();
  make_node(edge, hog);
  edge.hold();
  EXPECT_EQ(ask_while_read(edge, hog, 100), 11U);
  Client& other = edge.connect();
  edge.ask(other, OpCode::set_data, set_root());
  EXPECT_FALSE(other.paused);
  edge.post();
  edge.apply();
  edge.settle();
  EXPECT_FALSE(hog.paused);
  EXPECT_EQ(CrowdedEdge::frames(other), 1U);
}

// Reads that wait behind a write are held, too.
TEST(EdgeOverload, LargeReadsBehindAWriteAreHeld) {
  CrowdedEdge edge;
  Client& hog = edge.connect();
  make_node(edge, hog);
  edge.hold();
  edge.ask(hog, OpCode::set_data, set_root());
  std::size_t asked = 0;
  for (; asked < 100 && !hog.paused; ++asked) {
    edge.ask(hog, OpCode::get_data,
             zkwire::PathWatchRequest{"/" + std::string(1'000'000, 'a'), false});
  }
  EXPECT_EQ(asked, 5U);
}

TEST(EdgeOverload, AReaderThatTakesNothingIsCut) {
  EdgeOptions options;
  options.connection_buffer_bytes_max = 10'000;
  CrowdedEdge edge(options);
  Client& reader = edge.connect();
  Client& slow = edge.connect();
  make_node(edge, reader);
  edge.ask(reader, OpCode::set_data, set_root(4000));
  edge.settle();
  (void)CrowdedEdge::frames(reader);
  for (Client* client : {&reader, &slow}) {
    client->reads = false;
    for (int i = 0; i < 10; ++i) {
      edge.ask(*client, OpCode::get_data, zkwire::PathWatchRequest{"/w", false});
    }
    EXPECT_TRUE(client->paused);
  }
  // One takes a little now and then.
  for (int i = 0; i < 10; ++i) {
    edge.advance(Duration::seconds(3));
    slow.unread.resize(slow.unread.size() - 100);
  }
  EXPECT_TRUE(reader.closed);
  EXPECT_FALSE(slow.closed);
  EXPECT_EQ(edge.edge().stats().clients_cut, 1U);
}

TEST(EdgeOverload, ReadersThatDoNotReadShareWhatThereIsForOutput) {
  EdgeOptions options;
  options.output_bytes_max = 20'000;
  CrowdedEdge edge(options);
  Client& writer = edge.connect();
  make_node(edge, writer);
  edge.ask(writer, OpCode::set_data, set_root(3000));
  edge.settle();
  std::vector<Client*> readers;
  for (int i = 0; i < 5; ++i) {
    readers.push_back(&edge.connect());
    readers.back()->reads = false;
    for (int k = 0; k <= i; ++k) {
      edge.ask(*readers.back(), OpCode::get_data, zkwire::PathWatchRequest{"/w", false});
    }
  }
  edge.advance(Duration::seconds(1));
  // 45 KB for five: the two with most go, 18 KB are left.
  EXPECT_TRUE(readers[4]->closed);
  EXPECT_TRUE(readers[3]->closed);
  EXPECT_FALSE(readers[2]->closed);
  EXPECT_FALSE(readers[0]->closed);
  EXPECT_EQ(edge.edge().stats().clients_cut, 2U);
}

}  // namespace
}  // namespace synod::coordinator
