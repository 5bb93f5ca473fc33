#include "machine/gate.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

namespace synod::machine {
namespace {

TEST(Gate, readers_never_see_half_a_write) {
  constexpr std::size_t readers = 3;
  const auto gate = make_shared_gate(readers);
  std::array<long, 8> shared{};  // plain memory on purpose: the gate alone orders it
  std::atomic<bool> stop{false};
  std::atomic<long> torn{0};
  std::atomic<long> reads{0};
  std::vector<std::thread> threads;
  for (std::size_t place = 0; place < readers; ++place) {
    threads.emplace_back([&, place] {
      while (!stop) {
        const ports::ReadHold hold(*gate, place);
        for (const long value : shared) {
          torn += value != shared[0];
        }
        ++reads;
      }
    });
  }
  for (long round = 1; round <= 2000; ++round) {
    const ports::WriteHold hold(*gate);
    for (long& value : shared) {
      value = round;
    }
  }
  while (reads < 1000) {
    std::this_thread::yield();
  }
  stop = true;
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(shared[7], 2000);
}

TEST(Gate, the_trivial_one_lets_everybody_in) {
  const auto gate = make_trivial_gate();
  const ports::WriteHold write(*gate);
  const ports::ReadHold read(*gate, 7);
}

}  // namespace
}  // namespace synod::machine
