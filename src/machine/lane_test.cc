#include "machine/lane.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>

#include "machine/log.h"
#include "test/real/real.h"

namespace synod::machine {
namespace {

TEST(Lane, runs_tasks_of_one_sender_in_order) {
  test::Real real;
  std::vector<int> seen;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(real.lane().try_post([&seen, i] { seen.push_back(i); }));
  }
  ASSERT_TRUE(real.eventually([&] { return seen.size() == 1000; }));
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST(Lane, a_full_queue_is_a_typed_answer) {
  test::Real real;
  std::atomic<bool> hold{true};
  std::atomic<bool> held{false};
  ASSERT_TRUE(real.lane().try_post([&] {
    held = true;
    held.notify_all();
    hold.wait(true);
  }));
  held.wait(false);
  std::size_t taken = 0;
  while (real.lane().try_post([] {})) {
    ++taken;
  }
  EXPECT_EQ(taken, limits::lane_tasks_max);
  hold = false;
  hold.notify_all();
  EXPECT_TRUE(real.eventually([&] { return real.lane().try_post([] {}); }));
}

TEST(Lane, timers_fire_in_order_of_time_and_not_before) {
  test::Real real;
  std::vector<int> order;
  Instant begun;
  Instant fired;
  real.on_lane([&] {
    begun = real.lane().now();
    real.lane().after(Duration::millis(20), [&] {
      order.push_back(3);
      fired = real.lane().now();
    });
    real.lane().after(Duration::millis(1), [&] { order.push_back(2); });
    real.lane().after(Duration::nanos(-5), [&] { order.push_back(1); });
    EXPECT_TRUE(order.empty());  // none before the call returns
  });
  ASSERT_TRUE(real.eventually([&] { return order.size() == 3; }));
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  EXPECT_GE((fired - begun).millis(), 20);
}

TEST(Lane, a_cancelled_timer_never_fires_and_its_task_is_gone_at_once) {
  test::Real real;
  auto token = std::make_shared<int>(0);
  bool later = false;
  real.on_lane([&] {
    const auto timer = real.lane().after(Duration::millis(1), [token] { ++*token; });
    real.lane().cancel(timer);
    EXPECT_EQ(token.use_count(), 1);
    real.lane().cancel(timer);
    real.lane().after(Duration::millis(5), [&] { later = true; });
  });
  ASSERT_TRUE(real.eventually([&] { return later; }));
  EXPECT_EQ(*token, 0);
}

TEST(Lane, a_timer_may_cancel_its_neighbour_of_the_same_instant) {
  test::Real real;
  int fired = 0;
  ports::TimerId first;
  ports::TimerId second;
  real.on_lane([&] {
    first = real.lane().after(Duration(), [&] {
      ++fired;
      real.lane().cancel(second);
    });
    second = real.lane().after(Duration(), [&] {
      ++fired;
      real.lane().cancel(first);
    });
  });
  bool later = false;
  real.on_lane([&] { real.lane().after(Duration::millis(3), [&] { later = true; }); });
  ASSERT_TRUE(real.eventually([&] { return later; }));
  EXPECT_EQ(fired, 1);
}

TEST(Lane, tasks_that_never_ran_are_destroyed_with_it) {
  auto token = std::make_shared<int>(0);
  {
    const auto log = open_log(LogLevel::error);
    ThreadLane lane("idle", *log);
    ASSERT_TRUE(lane.try_post([token] { ++*token; }));
    lane.after(Duration::seconds(1), [token] { ++*token; });
    EXPECT_EQ(token.use_count(), 3);
    lane.end();
    EXPECT_EQ(token.use_count(), 1);
    EXPECT_FALSE(lane.try_post([token] { ++*token; }));
  }
  EXPECT_EQ(*token, 0);
}

TEST(Lane, a_stop_before_the_run_counts) {
  Machine machine({.log_path = "", .log_level = LogLevel::error});
  machine.stop();
  EXPECT_EQ(machine.run(), 0);
  ASSERT_TRUE(machine.main_lane().try_post([&] { machine.stop(); }));
  EXPECT_EQ(machine.run(), 0);
}

TEST(Lane, a_signal_ends_the_run_or_calls_its_handler) {
  Machine machine({.log_path = "", .log_level = LogLevel::error});
  int hangups = 0;
  machine.on_signal(SIGHUP, [&] {
    ++hangups;
    ::kill(::getpid(), SIGTERM);
  });
  ::kill(::getpid(), SIGHUP);
  EXPECT_EQ(machine.run(), SIGTERM);
  EXPECT_EQ(hangups, 1);
}

TEST(Log, lines_have_one_form_and_cannot_be_forged) {
  test::TemporaryDirectory directory;
  const std::string path = directory.path() + "/log";
  {
    auto log = open_log_file(path, LogLevel::info);
    ASSERT_TRUE(log.ok());
    (*log)->info("engine", "elected ballot={}", 3);
    (*log)->debug("engine", "not shown");
    (*log)->warning("edge", "from a peer: {}", "x\nfake");
  }
  Machine machine({.log_path = "", .log_level = LogLevel::error});
  const auto text = ports::read_file(machine.disk(), path, 10'000);
  ASSERT_TRUE(text.ok());
  EXPECT_THAT(*text, testing::MatchesRegex(
                         "[0-9]+-[0-9][0-9]-[0-9][0-9]T[0-9:]+\\.[0-9]+Z info engine elected "
                         "ballot=3\n[^ ]+ warning edge from a peer: x fake\n"));
}

TEST(Entropy, words_differ) {
  test::Real real;
  real.on_lane([&] {
    std::set<std::uint64_t> words;
    for (int i = 0; i < 100; ++i) {
      words.insert(real.lane().entropy().next());
    }
    EXPECT_EQ(words.size(), 100U);
  });
}

}  // namespace
}  // namespace synod::machine
