#include "base/fifo.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>

#include "base/prng.h"

namespace synod {
namespace {

TEST(Fifo, does_what_a_deque_does) {
  Prng prng(7);
  Fifo<std::string> fifo;
  std::deque<std::string> model;
  for (int step = 0; step < 20'000; ++step) {
    // Bursts: it grows for a while, then it is emptied.
    const bool grows = (step / 500) % 2 == 0;
    if (prng.below(10) < (grows ? 7U : 3U)) {
      model.push_back(std::to_string(step));
      fifo.push_back(std::to_string(step));
    } else if (!model.empty()) {
      model.pop_front();
      fifo.pop_front();
    }
    ASSERT_EQ(fifo.size(), model.size());
    ASSERT_EQ(fifo.empty(), model.empty());
    if (!model.empty()) {
      ASSERT_EQ(fifo.front(), model.front());
      ASSERT_EQ(fifo.back(), model.back());
      ASSERT_EQ(fifo[model.size() / 2], model[model.size() / 2]);
    }
  }
  EXPECT_TRUE(std::equal(fifo.begin(), fifo.end(), model.begin(), model.end()));
}

TEST(Fifo, what_an_item_owned_goes_when_it_is_taken) {
  const auto token = std::make_shared<int>(1);
  Fifo<std::shared_ptr<int>> fifo;
  fifo.push_back(token);
  fifo.push_back(token);
  EXPECT_EQ(token.use_count(), 3);
  fifo.pop_front();
  EXPECT_EQ(token.use_count(), 2);
}

}  // namespace
}  // namespace synod
