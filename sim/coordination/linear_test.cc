// Hand-made histories, good and bad, for the second opinion.
#include "sim/coordination/linear.h"

#include <gtest/gtest.h>

#include "base/prng.h"

namespace synod::sim::coordination {
namespace {

constexpr std::size_t never = RegisterOp::never;

RegisterOp write(const std::string& value, std::size_t invoked, std::size_t completed) {
  return {true, value, invoked, completed};
}
RegisterOp read(const std::string& value, std::size_t invoked, std::size_t completed) {
  return {false, value, invoked, completed};
}

TEST(Linear, a_read_shows_the_last_write) {
  EXPECT_EQ(check_register({write("a", 1, 2), read("a", 3, 4)}, "0"), Linear::yes);
  EXPECT_EQ(check_register({write("a", 1, 2), read("0", 3, 4)}, "0"), Linear::no);
}

TEST(Linear, concurrent_operations_may_go_either_way) {
  EXPECT_EQ(check_register({write("a", 1, 4), read("0", 2, 3)}, "0"), Linear::yes);
  EXPECT_EQ(check_register({write("a", 1, 4), read("a", 2, 3)}, "0"), Linear::yes);
}

TEST(Linear, two_readers_do_not_see_two_orders) {
  const RegisterOp a = write("a", 1, 10);
  const RegisterOp b = write("b", 2, 11);
  EXPECT_EQ(check_register({a, b, read("a", 12, 13), read("b", 14, 15)}, "0"), Linear::no);
  EXPECT_EQ(check_register({a, b, read("b", 12, 13), read("b", 14, 15)}, "0"), Linear::yes);
  EXPECT_EQ(check_register({a, b, read("a", 12, 13), read("a", 14, 15)}, "0"), Linear::yes);
}

TEST(Linear, nobody_goes_back_behind_what_another_has_seen) {
  EXPECT_EQ(check_register({write("a", 1, 10), read("a", 2, 3), read("0", 4, 5)}, "0"), Linear::no);
}

TEST(Linear, a_write_without_an_answer_takes_effect_late_or_never) {
  const RegisterOp lost = write("a", 1, never);
  EXPECT_EQ(check_register({lost, read("0", 2, 3), read("a", 4, 5)}, "0"), Linear::yes);
  EXPECT_EQ(check_register({lost, read("0", 2, 3)}, "0"), Linear::yes);
  EXPECT_EQ(check_register({lost, read("a", 2, 3), read("0", 4, 5)}, "0"), Linear::no);
}

TEST(Linear, a_value_that_nobody_wrote_is_no_value) {
  EXPECT_EQ(check_register({write("a", 1, 2), read("b", 3, 4)}, "0"), Linear::no);
}

TEST(Linear, a_write_is_not_seen_before_it_was_asked_for) {
  EXPECT_EQ(check_register({read("a", 1, 2), write("a", 3, 4)}, "0"), Linear::no);
}

TEST(Linear, what_cannot_be_searched_is_left_undecided) {
  std::vector<RegisterOp> many;
  for (std::size_t i = 0; i < 20; ++i) {
    many.push_back(write(std::string(1, static_cast<char>('a' + i)), i, 1000 + i));
  }
  many.push_back(read("nothing", 2000, 2001));
  EXPECT_EQ(check_register(many, "0", 1000), Linear::undecided);
}

// Histories made around an order that there was are good; one more read of an overwritten value,
// after all of it, is not.
TEST(Linear, histories_of_a_real_register_are_good_and_stale_ones_are_not) {
  Prng prng(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<RegisterOp> history;
    std::string value = "0";
    for (std::size_t moment = 1; moment < 60; ++moment) {
      RegisterOp operation;
      operation.write = prng.chance(1, 2);
      operation.invoked = moment * 100 - static_cast<std::size_t>(prng.below(300)) % (moment * 100);
      operation.completed = moment * 100 + 1 + static_cast<std::size_t>(prng.below(300));
      if (operation.write) {
        value = std::to_string(moment);
      }
      operation.value = value;
      history.push_back(operation);
    }
    EXPECT_EQ(check_register(history, "0"), Linear::yes) << round;
    history.push_back(read(value, 100'000, 100'001));
    EXPECT_EQ(check_register(history, "0"), Linear::yes) << round;
    history.push_back(write("last", 100'002, 100'003));
    history.push_back(read(value, 100'004, 100'005));
    EXPECT_EQ(check_register(history, "0"), Linear::no) << round;
  }
}

}  // namespace
}  // namespace synod::sim::coordination
