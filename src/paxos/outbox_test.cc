#include "paxos/outbox.h"

#include <gtest/gtest.h>

#include <vector>

namespace synod::paxos {
namespace {

constexpr Ballot ballot{3, NodeId(2)};

class OutboxTest : public ::testing::Test {
 protected:
  void promise(NodeId to, const Ballot& of, std::uint64_t last) {
    Promise m;
    m.ballot = of;
    m.position.last = Slot(last);
    outbox_.send_durable(to, m, effects_);
  }
  // Where the log stands by the promises that have left.
  std::vector<std::pair<NodeId, Slot>> promised() const {
    std::vector<std::pair<NodeId, Slot>> out;
    for (const Effect& effect : effects_) {
      if (const auto* send = std::get_if<Send>(&effect)) {
        out.emplace_back(send->to, std::get<Promise>(send->message).position.last);
      }
    }
    return out;
  }

  Outbox outbox_{NodeId(1), PlantedBug::none};
  Effects effects_;
};

// A leader asks with each heartbeat; a disk that stalls for ten seconds must not answer each.
TEST_F(OutboxTest, after_a_long_flush_a_ballot_is_promised_once) {
  outbox_.persist(ballot, PromiseRecord{ballot}, effects_);
  for (std::uint64_t last = 1; last <= 500; ++last) {
    promise(NodeId(2), ballot, last);
  }
  promise(NodeId(3), ballot, 7);
  EXPECT_TRUE(promised().empty());
  outbox_.durable(Lsn(1), effects_);
  EXPECT_EQ(promised(),
            (std::vector<std::pair<NodeId, Slot>>{{NodeId(2), Slot(500)}, {NodeId(3), Slot(7)}}));
}

TEST_F(OutboxTest, a_promise_waits_for_no_record_that_came_behind_it) {
  outbox_.persist(ballot, PromiseRecord{ballot}, effects_);
  promise(NodeId(2), ballot, 1);
  outbox_.persist(ballot, PromiseRecord{ballot}, effects_);
  promise(NodeId(2), ballot, 2);
  outbox_.durable(Lsn(1), effects_);
  EXPECT_EQ(promised().size(), 1U);
  outbox_.durable(Lsn(2), effects_);
  EXPECT_EQ(promised().size(), 2U);
}

TEST_F(OutboxTest, another_ballot_is_another_promise) {
  outbox_.persist(ballot, PromiseRecord{ballot}, effects_);
  promise(NodeId(2), ballot, 1);
  promise(NodeId(2), Ballot{4, NodeId(2)}, 1);
  outbox_.durable(Lsn(1), effects_);
  EXPECT_EQ(promised().size(), 2U);
}

}  // namespace
}  // namespace synod::paxos
