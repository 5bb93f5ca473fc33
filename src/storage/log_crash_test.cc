// The log under power cuts, failed flushes and full disks: what was flushed is there afterwards,
// and nothing else than a prefix of what was appended.
#include <gtest/gtest.h>

#include "sim/disk.h"
#include "storage/log_model_test.h"

namespace synod::storage {
namespace {

class Bench {
 public:
  explicit Bench(std::uint64_t seed) : disk(clock, seed), model(seed + 1), nonces_(seed + 2) {}

  // Opens and compares with the model; false after a failure.
  bool reopen() {
    log.reset();
    auto opened = Log::open(disk, "d/log", small_log_options(), nonces_.next());
    if (!opened.ok()) {
      ADD_FAILURE() << "open: " << to_string(opened.error());
      return false;
    }
    if (opened->damage.has_value()) {
      ADD_FAILURE() << "damage after a mere crash: " << opened->damage->reason << " in "
                    << opened->damage->file << " at " << opened->damage->offset;
      return false;
    }
    log = std::move(opened->log);
    tail = opened->tail;
    // A doubt is said again after every later crash.
    doubted = doubted || tail == Tail::doubtful;
    if (doubt_of(log->state().notes).has_value() != doubted) {
      ADD_FAILURE() << (doubted ? "a doubt was forgotten" : "a doubt from nowhere");
      return false;
    }
    const auto count = model.match(shown(*log), log->first_slot(), durable);
    if (!count.has_value()) {
      ADD_FAILURE() << "the log shows what it never was since record " << durable << " of "
                    << model.records() << ": last=" << log->state().last << " first "
                    << log->first_slot() << " expected last " << model.now().checkpoint.last;
      return false;
    }
    model.rewind(*count);
    durable = *count;
    return true;
  }

  // One drawn action. False once the log answers io.
  bool act() {
    Prng& prng = model.prng();
    Status status;
    switch (prng.below(12)) {
      case 0:
      case 1:
      case 2: status = flush(); break;
      case 3: status = witness(); break;
      case 4:
      case 5: {
        const auto more = log->prepare_step();
        status = more.ok() ? Status{} : Status(more.error());
        break;
      }
      case 6: {
        const auto removed = log->remove_through(model.state().chosen, prng.below(4));
        status = removed.ok() ? Status{} : Status(removed.error());
        break;
      }
      default: {
        Record record = model.draw();
        model.apply(record);
        log->append(std::move(record));
        break;
      }
    }
    return status.ok() || status.error().code != ErrorCode::io;
  }

  Status flush() {
    const std::size_t appended = model.records();
    Status status = log->flush();
    if (status.ok()) {
      durable = appended;
      EXPECT_EQ(log->durable_lsn(), log->last_lsn());
    }
    return status;
  }

  Status witness() {
    const std::size_t appended = model.records();
    Status status = log->flush_witness();
    if (status.ok()) {
      durable = appended;
    }
    return status;
  }

  sim::ManualDiskClock clock;
  sim::SimDisk disk;
  LogModel model;
  std::unique_ptr<Log> log;
  std::size_t durable = 0;  // records that a flush covered
  Tail tail = Tail::clean;
  bool doubted = false;

 private:
  Prng nonces_;
};

TEST(LogCrash, PowerGoesAtEveryOperation) {
  std::uint64_t seed = 1;
  std::uint64_t cuts = 0;
  for (std::uint64_t operation = 1; operation <= 250; ++operation) {
    Bench bench(seed++);
    ASSERT_TRUE(bench.reopen());
    bench.disk.lose_power_at_operation(bench.disk.operations() + operation);
    for (int i = 0; i < 400 && bench.act() && bench.disk.powered(); ++i) {
    }
    if (bench.disk.powered()) {
      break;
    }
    ++cuts;
    bench.disk.power_cut();
    ASSERT_TRUE(bench.reopen()) << "seed " << seed - 1 << " operation " << operation;
  }
  EXPECT_GT(cuts, 100U);
}

TEST(LogCrash, PowerGoesAgainAndAgainRecoveryIncluded) {
  for (std::uint64_t seed = 1000; seed < 1040; ++seed) {
    Bench bench(seed);
    ASSERT_TRUE(bench.reopen());
    for (int life = 0; life < 8; ++life) {
      bench.disk.lose_power_at_operation(bench.disk.operations() + 1 +
                                         bench.model.prng().below(60));
      for (int i = 0; i < 200 && bench.act() && bench.disk.powered(); ++i) {
      }
      bench.disk.power_cut();
      // A recovery that is cut short changes nothing of what the next one finds.
      bench.disk.lose_power_at_operation(bench.disk.operations() + 1 + bench.model.prng().below(4));
      static_cast<void>(Log::open(bench.disk, "d/log", small_log_options(), seed * 77));
      bench.disk.power_cut();
      ASSERT_TRUE(bench.reopen()) << "seed " << seed << " life " << life;
      // What was dropped is gone for good: an orderly end leaves no doubt.
      for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(bench.act());
      }
      ASSERT_TRUE(bench.flush().ok());
      ASSERT_TRUE(bench.reopen());
      ASSERT_EQ(bench.tail, Tail::clean) << "seed " << seed << " life " << life;
    }
  }
}

TEST(LogCrash, WhatRecoveryShowsIsDurable) {
  for (std::uint64_t seed = 2000; seed < 2060; ++seed) {
    Bench bench(seed);
    ASSERT_TRUE(bench.reopen());
    for (int life = 0; life < 6; ++life) {
      for (int i = 0; i < 40 && bench.act(); ++i) {
      }
      // The process dies; what it wrote lies in the page cache and is found by the next one.
      ASSERT_TRUE(bench.reopen()) << "seed " << seed;
      // Then the power goes. reopen() demands at least what the one before has shown.
      bench.disk.power_cut();
      ASSERT_TRUE(bench.reopen()) << "seed " << seed;
    }
  }
}

TEST(LogCrash, AFailedFlushFencesForGood) {
  int fenced = 0;
  for (std::uint64_t seed = 3000; seed < 3060; ++seed) {
    Bench bench(seed);
    ASSERT_TRUE(bench.reopen());
    bench.disk.faults().flush_fails_once_in = 12;
    bool alive = true;
    for (int i = 0; i < 200 && alive && !bench.log->fenced(); ++i) {
      bench.act();
    }
    if (bench.log->fenced()) {
      ++fenced;
      bench.disk.faults().flush_fails_once_in = 0;
      const Status again = bench.log->flush();
      ASSERT_FALSE(again.ok());
      EXPECT_EQ(again.error().code, ErrorCode::io);
    }
    bench.disk.faults().flush_fails_once_in = 0;
    // The process restarts on the same page cache, which lies; then the power goes.
    ASSERT_TRUE(bench.reopen()) << "seed " << seed;
    bench.disk.power_cut();
    ASSERT_TRUE(bench.reopen()) << "seed " << seed;
  }
  EXPECT_GT(fenced, 20);
}

TEST(LogCrash, AFullDiskLosesNothingAndGoesOnWhenThereIsSpace) {
  int full = 0;
  for (std::uint64_t seed = 4000; seed < 4040; ++seed) {
    Bench bench(seed);
    ASSERT_TRUE(bench.reopen());
    for (int round = 0; round < 6; ++round) {
      bench.disk.set_capacity((40 + 20 * bench.model.prng().below(10)) << 10);
      for (int i = 0; i < 60; ++i) {
        ASSERT_TRUE(bench.act());
      }
      const Status flushed = bench.flush();
      full += flushed.ok() ? 0 : 1;
      bench.disk.set_capacity(1 << 30);
      const Status now = bench.flush();
      ASSERT_TRUE(now.ok()) << to_string(now.error());
      if (bench.model.prng().chance(1, 2)) {
        bench.disk.power_cut();
        ASSERT_TRUE(bench.reopen()) << "seed " << seed;
      }
    }
  }
  EXPECT_GT(full, 20);
}

}  // namespace
}  // namespace synod::storage
