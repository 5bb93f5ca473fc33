// Logs that lost durable groups: what is salvaged is true, and the rebuilt log says the same.
#include <gtest/gtest.h>

#include "base/prng.h"
#include "sim/disk.h"
#include "storage/log_salvage.h"

namespace synod::storage {
namespace {

constexpr const char* salvage_directory = "d/log";

LogOptions salvage_options() {
  LogOptions options;
  options.first_segment_size_bytes = 16 << 10;
  options.segment_size_bytes = 64 << 10;
  options.fill_ahead = false;
  return options;
}

// What an acceptor writes: values with the promised ballot only, histories staged and adopted.
class History {
 public:
  explicit History(std::uint64_t seed) : prng(seed), disk(clock, seed) {
    auto opened = Log::open(disk, salvage_directory, salvage_options(), prng.next());
    EXPECT_TRUE(opened.ok());
    log = std::move(opened->log);
    log->append(Identity{ClusterId(5), NodeId(1), Incarnation(9), "founders"});
    adopt();
  }

  void write(int groups) {
    for (int i = 0; i < groups; ++i) {
      for (std::uint64_t n = 1 + prng.below(4); n > 0; --n) {
        prng.below(12) == 0 ? adopt() : value();
      }
      EXPECT_TRUE(log->flush().ok());
    }
    EXPECT_TRUE(log->flush_witness().ok());
    state = log->state();
    log.reset();
  }

  void value() {
    const Slot slot = log->state().last.next();
    const SlotValue value{slot, log->state().adopted, prng.next(), Bytes(prng.below(3000), 'v')};
    values[slot] = value;
    log->append(Value{value.ballot, slot, value.chain, value.bytes});
    if (prng.below(3) == 0) {
      log->append(Chosen{Slot(slot.value() - prng.below(2))});
    }
  }
  void adopt() {
    const LogState& s = log->state();
    const Ballot ballot{s.promised.round + 1, NodeId(2)};
    log->append(Promise{ballot});
    const Slot keep(s.last.value() - prng.below(s.last.value() - s.chosen.value() + 1));
    const Slot last(keep.value() + prng.below(4));
    for (Slot slot = keep.next(); slot <= last; slot = slot.next()) {
      values[slot] = SlotValue{slot, ballot, prng.next(), Bytes(prng.below(3000), 's')};
      log->append(Stage{ballot, slot, values[slot].chain, values[slot].bytes});
    }
    const std::uint64_t chain =
        last == keep ? log->state().chain_at(keep).value() : values[last].chain;
    log->append(Adopt{ballot, keep, last, chain, false, 0});
    values.erase(values.upper_bound(last), values.end());
  }

  Prng prng;
  sim::ManualDiskClock clock;
  sim::SimDisk disk;
  std::unique_ptr<Log> log;
  std::map<Slot, SlotValue> values;
  LogState state;
};

// Spoils up to three groups. Returns how many writes were made.
void spoil(History& history) {
  const auto names = history.disk.list(salvage_directory).value_or({});
  for (std::uint64_t n = 1 + history.prng.below(3); n > 0; --n) {
    const std::string path =
        std::string(salvage_directory) + "/" + names[history.prng.below(names.size())];
    auto file = history.disk.open(path, ports::OpenMode::write).value();
    const std::uint64_t blocks = file->size().value() / block_size_bytes;
    const std::uint64_t at = history.prng.below(blocks) * block_size_bytes;
    if (history.prng.below(2) == 0) {
      ASSERT_TRUE(history.disk.flip_bit(path, at + history.prng.below(200), 3));
    } else {
      ASSERT_TRUE(file->write_at(at, Bytes(block_size_bytes, '\0')).ok());
      ASSERT_TRUE(file->flush().ok());
    }
  }
}

void check_rebuilt(History& history, const RebuildPlan& plan, Slot last, std::uint64_t seed) {
  auto opened = Log::open(history.disk, salvage_directory, salvage_options(), seed + 900);
  ASSERT_TRUE(opened.ok());
  ASSERT_FALSE(opened->damage.has_value()) << "seed " << seed << ": " << opened->damage->reason;
  EXPECT_EQ(opened->tail, Tail::clean);
  const LogState& now = opened->log->state();
  EXPECT_EQ(doubt_of(now.notes).has_value(), !plan.certain);
  EXPECT_EQ(now.promised, plan.state.promised) << "seed " << seed;
  EXPECT_EQ(now.adopted, plan.state.adopted) << "seed " << seed;
  EXPECT_EQ(now.identity, plan.state.identity) << "seed " << seed;
  EXPECT_EQ(now.last, last) << "seed " << seed;
  if (last.value() > 0) {
    const auto read = opened->log->read(Slot(1), last, SIZE_MAX);
    ASSERT_TRUE(read.ok()) << to_string(read.error());
    ASSERT_EQ(read->size(), last.value());
    for (const SlotValue& value : *read) {
      EXPECT_EQ(value.bytes, history.values.at(value.slot).bytes);
      EXPECT_EQ(value.chain, history.values.at(value.slot).chain);
    }
  }
  // It goes on.
  opened->log->append(Value{now.adopted, last.next(), 1, "more"});
  EXPECT_TRUE(opened->log->flush().ok());
}

TEST(LogSalvage, WhatIsSaidForCertainIsTrueAndTheRebuiltLogSaysIt) {
  int certain = 0;
  int doubtful = 0;
  int unreadable = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    History history(seed);
    history.write(25);
    spoil(history);
    auto opened = Log::open(history.disk, salvage_directory, salvage_options(), seed + 500);
    ASSERT_TRUE(opened.ok());
    if (!opened->damage.has_value()) {
      continue;  // only the witness was hit, or what is no group
    }
    auto salvage = LogSalvage::read(history.disk, salvage_directory);
    ASSERT_TRUE(salvage.ok()) << to_string(salvage.error());
    ASSERT_FALSE(salvage->gaps().empty()) << "seed " << seed << ": " << opened->damage->reason;
    const LogState& said = salvage->state();
    if (said.identity.has_value()) {
      EXPECT_EQ(said.identity, history.state.identity);
    }
    EXPECT_LE(said.promised, history.state.promised) << "seed " << seed;
    EXPECT_LE(said.chosen, history.state.chosen) << "seed " << seed;
    RebuildPlan plan{said, salvage->certain(), Slot(), 0};
    if (salvage->certain()) {
      ++certain;
      EXPECT_EQ(said.promised, history.state.promised) << "seed " << seed;
      EXPECT_EQ(said.adopted, history.state.adopted) << "seed " << seed;
      EXPECT_EQ(said.last, history.state.last) << "seed " << seed;
      EXPECT_EQ(said.last_chain, history.state.last_chain) << "seed " << seed;
    } else {
      ++doubtful;
    }
    // Its own values where they fit, a peer's where not.
    Slot next(1);
    const Slot last = salvage->certain() ? said.last : std::min(said.last, history.state.last);
    const auto give = [&]() -> Result<std::optional<SlotValue>> {
      if (next > last) {
        return std::optional<SlotValue>{};
      }
      SYNOD_TRY_ASSIGN(auto value, salvage->value(next));
      const SlotValue& truth = history.values.at(next);
      if (!value.has_value() || value->chain != truth.chain) {
        ++unreadable;
        value = truth;
      } else {
        EXPECT_EQ(value->bytes, truth.bytes);
      }
      next = next.next();
      return value;
    };
    const Status rebuilt = rebuild_log(history.disk, salvage_directory, seed + 700, plan, give);
    ASSERT_TRUE(rebuilt.ok()) << to_string(rebuilt.error());
    check_rebuilt(history, plan, last, seed);
    EXPECT_TRUE(*history.disk.exists("d/log.damaged-1"));
  }
  EXPECT_GT(certain, 100);
  EXPECT_GT(doubtful, 10);
  EXPECT_GT(unreadable, 200);
}

TEST(LogSalvage, PowerGoesAtAnyOperationOfARebuild) {
  for (std::uint64_t operation = 1; operation < 60; ++operation) {
    History history(operation);
    history.write(25);
    const std::string path = std::string(salvage_directory) + "/segment-0000000000000001";
    ASSERT_TRUE(history.disk.flip_bit(path, block_size_bytes + 20, 3));
    bool done = false;
    for (int attempt = 0; attempt < 2 && !done; ++attempt) {
      auto opened = Log::open(history.disk, salvage_directory, salvage_options(), 77);
      ASSERT_TRUE(opened.ok());
      if (!opened->damage.has_value()) {
        done = true;  // the new segment stands alone
        break;
      }
      auto salvage = LogSalvage::read(history.disk, salvage_directory);
      ASSERT_TRUE(salvage.ok());
      ASSERT_TRUE(salvage->certain());
      EXPECT_EQ(salvage->state().last, history.state.last);
      EXPECT_EQ(salvage->state().adopted, history.state.adopted);
      Slot next(1);
      const auto give = [&]() -> Result<std::optional<SlotValue>> {
        if (next > history.state.last) {
          return std::optional<SlotValue>{};
        }
        const SlotValue value = history.values.at(next);
        next = next.next();
        return std::optional<SlotValue>{value};
      };
      if (attempt == 0) {
        history.disk.lose_power_at_operation(operation);
      }
      const RebuildPlan plan{salvage->state(), true, Slot(), 0};
      const Status rebuilt = rebuild_log(history.disk, salvage_directory, 7 + attempt, plan, give);
      done = rebuilt.ok();
      if (!done) {
        history.disk.power_cut();
      }
    }
    ASSERT_TRUE(done) << "operation " << operation;
    check_rebuilt(history, RebuildPlan{history.state, true, Slot(), 0}, history.state.last,
                  operation);
  }
}

}  // namespace
}  // namespace synod::storage
