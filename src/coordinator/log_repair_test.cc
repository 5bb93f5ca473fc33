// A damaged log and the answers of one peer: which own slots a repair believes.
#include "coordinator/log_repair.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "coordinator/journal_records.h"
#include "sim/disk.h"

namespace synod::coordinator {
namespace {

constexpr const char* repaired_directory = "d/log";
constexpr storage::Ballot dropped_ballot{1, NodeId(1)};
constexpr storage::Ballot adopted_ballot{2, NodeId(2)};

storage::LogOptions small_segments() {
  storage::LogOptions options;
  options.first_segment_size_bytes = 64 << 10;
  options.segment_size_bytes = 64 << 10;
  options.fill_ahead = false;
  return options;
}

// Slots 1, 2, ... of one history, with the chain hashes that they have.
std::vector<storage::SlotValue> history(const std::vector<std::string>& texts) {
  std::vector<storage::SlotValue> slots;
  paxos::Chain chain(0);
  for (const std::string& text : texts) {
    const Slot slot(slots.size() + 1);
    const paxos::Entry entry = paxos::make_entry(paxos::EntryKind::batch, text);
    chain = paxos::chain_after(chain, slot, entry);
    slots.push_back(storage::SlotValue{slot, dropped_ballot, chain.value(), encode_entry(entry)});
  }
  return slots;
}

class RepairedLog {
 public:
  RepairedLog() : disk_(clock_, 1) {
    auto opened = storage::Log::open(disk_, repaired_directory, small_segments(), 77);
    EXPECT_TRUE(opened.ok());
    log_ = std::move(opened->log);
    log_->append(storage::Identity{ClusterId(5), NodeId(1), Incarnation(9), "founders"});
    log_->append(storage::Promise{dropped_ballot});
    log_->append(storage::Adopt{dropped_ballot, Slot(0), Slot(0), 0, false, 0});
    flush();
  }

  void flush() { ASSERT_TRUE(log_->flush().ok()); }
  void value(storage::Ballot ballot, const storage::SlotValue& v) {
    log_->append(storage::Value{ballot, v.slot, v.chain, v.bytes});
    flush();
  }
  // In one group.
  void adopt(storage::Ballot ballot, const std::vector<storage::SlotValue>& slots, Slot keep,
             Slot last) {
    log_->append(storage::Promise{ballot});
    for (Slot slot = keep.next(); slot <= last; slot = slot.next()) {
      const storage::SlotValue& v = slots[slot.value() - 1];
      log_->append(storage::Stage{ballot, slot, v.chain, v.bytes});
    }
    log_->append(storage::Adopt{ballot, keep, last, slots[last.value() - 1].chain, false, 0});
    flush();
  }
  void close() {
    ASSERT_TRUE(log_->flush_witness().ok());
    log_.reset();
  }
  void spoil(const std::string& text) {
    const std::string path = std::string(repaired_directory) + "/segment-0000000000000001";
    const Bytes bytes = ports::read_file(disk_, path, 1 << 24).value_or("");
    const std::size_t at = bytes.find(text);
    ASSERT_NE(at, Bytes::npos);
    ASSERT_TRUE(disk_.flip_bit(path, at, 2));
  }
  std::unique_ptr<LogRepair> begin() {
    auto snapshots = storage::SnapshotStore::open(disk_, "d/snapshots", {});
    EXPECT_TRUE(snapshots.ok());
    snapshots_ = std::move(*snapshots);
    auto repair = LogRepair::begin(disk_, repaired_directory, *snapshots_);
    EXPECT_TRUE(repair.ok());
    return std::move(repair).value();
  }
  std::unique_ptr<storage::Log> reopen() {
    auto opened = storage::Log::open(disk_, repaired_directory, small_segments(), 78);
    EXPECT_TRUE(opened.ok());
    EXPECT_FALSE(opened->damage.has_value());
    return std::move(opened->log);
  }

 private:
  sim::ManualDiskClock clock_;
  sim::SimDisk disk_;
  std::unique_ptr<storage::Log> log_;
  std::unique_ptr<storage::SnapshotStore> snapshots_;
};

// What a peer that has all of `slots`, chosen, answers.
RepairSlots answer(const RepairNeeds& needs, const std::vector<storage::SlotValue>& slots) {
  RepairSlots given;
  given.chosen = slots.back().slot;
  given.log_first = Slot(1);
  given.before_chain = needs.first == Slot(1) ? 0 : slots[needs.first.value() - 2].chain;
  for (Slot slot = needs.first; slot <= needs.through; slot = slot.next()) {
    given.slots.push_back(slots[slot.value() - 1]);
  }
  return given;
}

// Slots 3 to 6 were dropped by an adoption, and the group that said so is the one that is bad: they
// follow from each other, but the others chose something else. Slots 9 to 12, behind the bad group,
// were voted for and may be what makes a quorum.
TEST(LogRepair, AnAdoptionLostInTheGapDropsWhatItDroppedAndNothingBehindIt) {
  std::vector<std::string> old_texts;
  std::vector<std::string> texts;
  for (int slot = 1; slot <= 12; ++slot) {
    texts.push_back(fmt::format("chosen {};", slot));
    old_texts.push_back(slot <= 2 ? texts.back() : fmt::format("dropped {};", slot));
  }
  const std::vector<storage::SlotValue> old_slots = history(old_texts);
  const std::vector<storage::SlotValue> slots = history(texts);

  RepairedLog log;
  for (std::size_t slot = 1; slot <= 6; ++slot) {
    log.value(dropped_ballot, old_slots[slot - 1]);
  }
  log.adopt(adopted_ballot, slots, Slot(2), Slot(8));
  for (std::size_t slot = 9; slot <= 12; ++slot) {
    log.value(adopted_ballot, slots[slot - 1]);
  }
  log.close();
  log.spoil("chosen 5;");

  const std::unique_ptr<LogRepair> repair = log.begin();
  EXPECT_EQ(repair->last(), Slot(12));
  ASSERT_TRUE(repair->needs().has_value());
  EXPECT_EQ(repair->needs()->first, Slot(7));
  for (int round = 0; round < 10 && repair->needs().has_value(); ++round) {
    const auto took = repair->take(answer(*repair->needs(), slots));
    ASSERT_TRUE(took.ok());
    EXPECT_EQ(repair->last(), Slot(12)) << "in round " << round;
  }
  ASSERT_FALSE(repair->needs().has_value());
  ASSERT_TRUE(repair->finish(79).ok());

  const std::unique_ptr<storage::Log> made = log.reopen();
  ASSERT_EQ(made->state().last, Slot(12));
  EXPECT_EQ(made->state().promised, adopted_ballot);
  const auto read = made->read(Slot(1), Slot(12), SIZE_MAX);
  ASSERT_TRUE(read.ok());
  for (const storage::SlotValue& v : *read) {
    EXPECT_EQ(v.bytes, slots[v.slot.value() - 1].bytes);
  }
}

}  // namespace
}  // namespace synod::coordinator
