// Who leaves the queue when: one line for each batch, sessions by letter and their writes by
// number.
#include "coordinator/fair_queue.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "znode/command.h"

namespace synod::coordinator {
namespace {

Bytes write_of(char session, std::uint64_t number, std::size_t size_bytes = 0) {
  const znode::Command command{
      SessionId(session),
      Generation(1),
      Sequence(number),
      {},
      znode::ClientWrite{zkwire::OpCode::set_data,
                         zkwire::SetDataRequest{"/", Bytes(size_bytes, 'x'), -1}}};
  return znode::encode_command(command);
}

std::string names_of(const std::vector<Bytes>& commands) {
  std::string text;
  for (const Bytes& bytes : commands) {
    const znode::Command command = znode::decode_command(bytes).value();
    text += fmt::format("{}{}{}", text.empty() ? "" : " ",
                        static_cast<char>(command.session.value()), command.sequence.value());
  }
  return text;
}

constexpr std::size_t batch_bytes = 1 << 20;

TEST(FairQueue, WhatFitsInOneBatchKeepsItsOrder) {
  FairQueue queue;
  const std::vector<std::pair<char, std::uint64_t>> all = {
      {'a', 1}, {'b', 1}, {'a', 2}, {'c', 1}, {'a', 3}};
  for (const auto& [session, number] : all) {
    queue.push(write_of(session, number));
  }
  EXPECT_EQ(names_of(queue.take(100, batch_bytes)), "a1 b1 a2 c1 a3");
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.size_bytes(), 0U);
}

TEST(FairQueue, ALateSingleWriteDoesNotWaitForAThousandEarlierOnes) {
  FairQueue queue;
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    queue.push(write_of('a', i));
  }
  EXPECT_EQ(names_of(queue.take(2, batch_bytes)), "a1 a2");
  queue.push(write_of('b', 1));
  EXPECT_EQ(names_of(queue.take(2, batch_bytes)), "a3 b1");
  EXPECT_EQ(queue.size(), 997U);
}

TEST(FairQueue, SmallWritesPassLargeOnesOfManyOthers) {
  FairQueue queue;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    for (const char session : {'a', 'b', 'c', 'd'}) {
      queue.push(write_of(session, i, 1'000'000));
    }
  }
  EXPECT_EQ(names_of(queue.take(100, batch_bytes)), "a1");
  // Three small ones together are less than anybody's share.
  queue.push(write_of('s', 1));
  queue.push(write_of('s', 2));
  queue.push(write_of('s', 3));
  EXPECT_EQ(names_of(queue.take(100, batch_bytes)), "s1 s2 s3 b1");
  EXPECT_EQ(names_of(queue.take(100, batch_bytes)), "c1");
  EXPECT_EQ(names_of(queue.take(100, batch_bytes)), "d1");
  EXPECT_EQ(names_of(queue.take(100, batch_bytes)), "a2");
}

// New sessions, each with one small write, come all the time.
TEST(FairQueue, ALargeWriteIsServedAfterEverybodyHasHadAsMuch) {
  FairQueue queue;
  queue.push(write_of('L', 1, 1'000'000));
  queue.push(write_of('L', 2, 1'000'000));
  EXPECT_EQ(names_of(queue.take(100, batch_bytes)), "L1");
  std::size_t waited = 0;
  for (std::int64_t session = 1000;; ++session) {
    queue.push(znode::encode_command(
        {SessionId(session), Generation(1), Sequence(1), {}, znode::CloseSession{}}));
    const std::vector<Bytes> taken = queue.take(1, batch_bytes);
    if (taken.front().size() > 1'000'000) {
      break;
    }
    ++waited;
    ASSERT_LT(waited, 20'000U);
  }
  EXPECT_GT(waited, 1000U);
}

TEST(FairQueue, OneLargeWriteAtATimeGainsNothing) {
  FairQueue queue;
  std::map<char, std::uint64_t> sent;
  const auto send = [&](char session) {
    queue.push(write_of(session, ++sent[session], session == 's' ? 0 : 1'000'000));
  };
  send('a');
  send('b');
  std::string order;
  for (int i = 0; i < 8; ++i) {
    const std::string taken = names_of(queue.take(1, batch_bytes));
    order += taken + " ";
    if (taken.front() != 's') {
      send(taken.front());
      send('s');
    }
  }
  EXPECT_EQ(order, "a1 s1 b1 s2 a2 s3 b2 s4 ");
}

TEST(FairQueue, WhatIsSentAgainIsNotTakenTwice) {
  FairQueue queue;
  for (std::uint64_t i = 1; i <= 10; ++i) {
    queue.push(write_of('a', i));
  }
  EXPECT_EQ(names_of(queue.take(1, batch_bytes)), "a1");
  for (std::uint64_t i = 1; i <= 10; ++i) {
    queue.push(write_of('a', i));
  }
  // The first had left: it may have been lost.
  EXPECT_EQ(names_of(queue.take(100, batch_bytes)), "a2 a3 a4 a5 a6 a7 a8 a9 a10 a1");
}

// Whatever is pushed comes out once, in order within its session, and the sizes agree.
TEST(FairQueue, NothingIsLostAndSessionsKeepTheirOrder) {
  Prng prng(7);
  for (int round = 0; round < 40; ++round) {
    FairQueue queue;
    std::map<SessionId, std::uint64_t> pushed;
    std::map<SessionId, std::uint64_t> taken;
    std::size_t waiting = 0;
    for (int i = 0; i < 300; ++i) {
      if (prng.below(3) != 0) {
        const char session = static_cast<char>('a' + prng.below(6));
        const std::size_t size = prng.below(10) == 0 ? prng.below(300'000) : prng.below(100);
        queue.push(write_of(session, ++pushed[SessionId(session)], size));
        ++waiting;
      } else if (!queue.empty()) {
        std::size_t bytes = 0;
        const std::size_t before = queue.size_bytes();
        const std::vector<Bytes> batch = queue.take(1 + prng.below(20), 200'000);
        ASSERT_FALSE(batch.empty());
        for (const Bytes& one : batch) {
          const znode::Command command = znode::decode_command(one).value();
          ASSERT_EQ(command.sequence.value(), ++taken[command.session]);
          bytes += one.size();
        }
        waiting -= batch.size();
        ASSERT_EQ(before - queue.size_bytes(), bytes);
        ASSERT_TRUE(bytes <= 200'000 || batch.size() == 1);
      }
      ASSERT_EQ(queue.size(), waiting);
    }
  }
}

}  // namespace
}  // namespace synod::coordinator
