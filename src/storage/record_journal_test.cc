// Journals of opaque records: what was flushed or compacted is there after any crash.
#include "storage/record_journal.h"

#include <gtest/gtest.h>

#include "base/prng.h"
#include "sim/disk.h"

namespace synod::storage {
namespace {

constexpr const char* journal_directory = "agent/journal";

RecordJournalOptions small_options() {
  RecordJournalOptions options;
  options.group_size_bytes = 4000;
  return options;
}

OpenedJournal open_journal(sim::SimDisk& disk, std::uint64_t nonce) {
  auto opened = RecordJournal::open(disk, journal_directory, small_options(), nonce);
  EXPECT_TRUE(opened.ok()) << to_string(opened.error());
  return std::move(opened).value();
}

TEST(RecordJournal, GivesBackWhatWasFlushed) {
  sim::ManualDiskClock clock;
  sim::SimDisk disk(clock, 1);
  {
    OpenedJournal opened = open_journal(disk, 1);
    EXPECT_TRUE(opened.fresh);
    EXPECT_EQ(opened.journal->append("intent"), 1U);
    EXPECT_EQ(opened.journal->append(""), 2U);
    EXPECT_EQ(opened.journal->durable(), 0U);
    ASSERT_TRUE(opened.journal->flush().ok());
    EXPECT_EQ(opened.journal->durable(), 2U);
    opened.journal->append("never flushed");
  }
  disk.power_cut();
  OpenedJournal opened = open_journal(disk, 2);
  EXPECT_FALSE(opened.fresh);
  EXPECT_EQ(opened.records, (std::vector<Bytes>{"intent", ""}));
}

TEST(RecordJournal, CompactionReplacesWhatCameBefore) {
  sim::ManualDiskClock clock;
  sim::SimDisk disk(clock, 1);
  {
    OpenedJournal opened = open_journal(disk, 1);
    for (int i = 0; i < 100; ++i) {
      opened.journal->append(Bytes(500, 'x'));
      ASSERT_TRUE(opened.journal->flush().ok());
    }
    const std::uint64_t before = opened.journal->size_bytes();
    const std::uint64_t waiting = opened.journal->append("part of the summary");
    ASSERT_TRUE(opened.journal->compact({"one", "two"}).ok());
    EXPECT_EQ(opened.journal->durable(), waiting);
    EXPECT_LT(opened.journal->size_bytes(), before / 10);
    opened.journal->append("three");
    ASSERT_TRUE(opened.journal->flush().ok());
    EXPECT_GT(opened.journal->size_bytes(), opened.journal->compacted_size_bytes());
  }
  disk.power_cut();
  EXPECT_EQ(open_journal(disk, 2).records, (std::vector<Bytes>{"one", "two", "three"}));
  EXPECT_EQ(disk.list(journal_directory)->size(), 1U);
}

// The records that a journal may show: every state since the last one that was durable.
struct Expected {
  std::vector<std::vector<Bytes>> states{{}};
  std::size_t durable = 0;

  void push(std::vector<Bytes> state) { states.push_back(std::move(state)); }
  bool settle(const std::vector<Bytes>& found) {
    for (std::size_t i = states.size(); i-- > durable;) {
      if (states[i] == found) {
        states.resize(i + 1);
        durable = i;
        return true;
      }
    }
    return false;
  }
};

// One drawn action; false once the disk has failed.
bool act(RecordJournal& journal, Expected& expected, Prng& prng) {
  std::vector<Bytes> state = expected.states.back();
  Status status;
  if (prng.chance(1, 12)) {
    state = {Bytes(prng.below(6000), 's'), std::to_string(expected.states.size())};
    expected.push(state);
    status = journal.compact(state);
  } else if (prng.chance(1, 3)) {
    status = journal.flush();
  } else {
    state.push_back(Bytes(prng.below(3000), static_cast<char>('a' + prng.below(26))));
    journal.append(state.back());
    expected.push(state);
    return true;
  }
  if (status.ok()) {
    expected.durable = expected.states.size() - 1;
  }
  return status.ok();
}

TEST(RecordJournal, PowerGoesAtAnyOperation) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    sim::ManualDiskClock clock;
    sim::SimDisk disk(clock, seed);
    Prng prng(seed);
    Expected expected;
    for (int life = 0; life < 5; ++life) {
      OpenedJournal opened = open_journal(disk, prng.next());
      ASSERT_TRUE(expected.settle(opened.records)) << "seed " << seed << " life " << life;
      disk.lose_power_at_operation(disk.operations() + 1 + prng.below(40));
      for (int i = 0; i < 200 && disk.powered(); ++i) {
        if (!act(*opened.journal, expected, prng)) {
          break;
        }
      }
      opened.journal.reset();
      disk.power_cut();
    }
  }
}

TEST(RecordJournal, AFailedFlushFencesForGood) {
  sim::ManualDiskClock clock;
  sim::SimDisk disk(clock, 3);
  OpenedJournal opened = open_journal(disk, 1);
  opened.journal->append("kept");
  ASSERT_TRUE(opened.journal->flush().ok());
  disk.faults().flush_fails_once_in = 1;
  opened.journal->append("unknown");
  EXPECT_EQ(opened.journal->flush().error().code, ErrorCode::io);
  disk.faults().flush_fails_once_in = 0;
  EXPECT_TRUE(opened.journal->fenced());
  EXPECT_EQ(opened.journal->flush().error().code, ErrorCode::io);
  EXPECT_EQ(opened.journal->compact({}).error().code, ErrorCode::io);
}

TEST(RecordJournal, AFullDiskLosesNothing) {
  sim::ManualDiskClock clock;
  sim::SimDisk disk(clock, 3);
  OpenedJournal opened = open_journal(disk, 1);
  disk.set_capacity(16 << 10);
  opened.journal->append(Bytes(40000, 'x'));
  EXPECT_EQ(opened.journal->flush().error().code, ErrorCode::full);
  EXPECT_EQ(opened.journal->compact({Bytes(40000, 'y')}).error().code, ErrorCode::full);
  disk.set_capacity(1 << 20);
  ASSERT_TRUE(opened.journal->flush().ok());
  opened.journal.reset();
  disk.power_cut();
  EXPECT_EQ(open_journal(disk, 2).records, std::vector<Bytes>{Bytes(40000, 'x')});
}

TEST(RecordJournal, FlippedBitsAreNeverRecords) {
  const std::vector<Bytes> all{"first", "second", "third", "fourth"};
  int corrupt = 0;
  for (std::uint64_t offset = 0; offset < 5 * 4096; ++offset) {
    if (offset % 4096 > 200) {
      continue;
    }
    sim::ManualDiskClock clock;
    sim::SimDisk disk(clock, 3);
    OpenedJournal fresh = open_journal(disk, 1);
    for (const Bytes& record : all) {
      fresh.journal->append(record);
      ASSERT_TRUE(fresh.journal->flush().ok());
    }
    fresh.journal.reset();
    ASSERT_TRUE(disk.flip_bit("agent/journal/journal-0000000000000001", offset,
                              static_cast<unsigned>(offset % 8)));
    auto opened = RecordJournal::open(disk, journal_directory, small_options(), 2);
    if (!opened.ok()) {
      EXPECT_EQ(opened.error().code, ErrorCode::corrupt);
      ++corrupt;
      continue;
    }
    // Only the last group has nothing behind it that vouches for it.
    ASSERT_GE(opened->records.size(), 3U) << "offset " << offset;
    for (std::size_t i = 0; i < opened->records.size(); ++i) {
      EXPECT_EQ(opened->records[i], all[i]);
    }
    EXPECT_TRUE(opened->records.size() == 4 || opened->tail == Tail::doubtful);
  }
  EXPECT_GT(corrupt, 300);
}

}  // namespace
}  // namespace synod::storage
