#include "coordinator/journal_records.h"

#include <gtest/gtest.h>

#include "paxos/membership.h"

namespace synod::coordinator {
namespace {

const paxos::Ballot third_ballot{3, NodeId(2)};

storage::LogState after(const std::vector<paxos::Record>& records) {
  storage::LogState state;
  for (const paxos::Record& record : records) {
    for (const storage::Record& stored : to_storage(record, NodeId(7))) {
      EXPECT_FALSE(state.objection(stored).has_value())
          << stored << ": " << state.objection(stored).value_or("");
      state.apply(stored);
    }
  }
  return state;
}

paxos::Entry batch(const char* bytes) { return paxos::make_entry(paxos::EntryKind::batch, bytes); }

TEST(JournalRecords, WhatTheCoreDecidedComesBack) {
  const std::vector<paxos::Member> founders{{NodeId(1), Incarnation(11), 1, 0, false},
                                            {NodeId(7), Incarnation(17), 2, 1, true}};
  const storage::LogState state = after({
      paxos::IdentityRecord{ClusterId(5), Incarnation(17), founders, false},
      paxos::PromiseRecord{third_ballot},
      paxos::AdoptRecord{third_ballot, Slot(0), Slot(0), paxos::Chain(0), false, paxos::Chain(0)},
      paxos::AppendRecord{third_ballot, Slot(1), paxos::Chain(0), paxos::Chain(91), Slot(0),
                          batch("a")},
      paxos::AppendRecord{third_ballot, Slot(2), paxos::Chain(91), paxos::Chain(92), Slot(1),
                          batch("b")},
      paxos::StageRecord{
          {4, NodeId(1)}, Slot(1), Slot(2), paxos::Chain(91), paxos::Chain(94), batch("c")},
      paxos::AdoptRecord{
          {4, NodeId(1)}, Slot(1), Slot(2), paxos::Chain(94), false, paxos::Chain(0)},
  });
  EXPECT_EQ(state.last_chain, 94U);
  EXPECT_EQ(state.chosen, Slot(1));
  EXPECT_EQ(state.identity->node, NodeId(7));
  const auto node = to_paxos(state);
  ASSERT_TRUE(node.ok());
  EXPECT_EQ(node->identity.cluster, ClusterId(5));
  EXPECT_EQ(node->identity.incarnation, Incarnation(17));
  EXPECT_EQ(node->identity.founders, founders);
  EXPECT_EQ(node->promised, (paxos::Ballot{4, NodeId(1)}));
  EXPECT_EQ(node->adopted, (paxos::Ballot{4, NodeId(1)}));
}

TEST(JournalRecords, HowLongLeasesAreComesBack) {
  EXPECT_EQ(to_paxos(after({})).value().lease, Duration());
  const std::vector<paxos::Record> lengths{paxos::LeaseRecord{Duration::millis(300)},
                                           paxos::LeaseRecord{Duration::millis(200)}};
  EXPECT_EQ(to_paxos(after(lengths)).value().lease, Duration::millis(200));
}

TEST(JournalRecords, AnInstalledSnapshotBeginsTheHistory) {
  paxos::AdoptRecord adopt{third_ballot,    Slot(40), Slot(40),
                           paxos::Chain(9), true,     paxos::Chain(9)};
  const storage::LogState state = after({adopt});
  EXPECT_EQ(state.base, Slot(40));
  EXPECT_EQ(state.last, Slot(40));
}

TEST(JournalRecords, EntriesKeepTheirKind) {
  for (const auto kind : {paxos::EntryKind::batch, paxos::EntryKind::open,
                          paxos::EntryKind::readmit, paxos::EntryKind::membership}) {
    const auto back =
        to_paxos(storage::SlotValue{Slot(4), {}, 8, encode_entry(paxos::make_entry(kind, "x"))});
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(back->slot, Slot(4));
    EXPECT_EQ(back->chain, paxos::Chain(8));
    EXPECT_EQ(back->entry.kind, kind);
    EXPECT_EQ(*back->entry.value, "x");
  }
  EXPECT_FALSE(decode_entry("").ok());
  EXPECT_FALSE(decode_entry("\x09value").ok());
}

TEST(JournalRecords, FoundersThatAreNoMembersAreMalformed) {
  storage::LogState state;
  state.apply(storage::Identity{ClusterId(1), NodeId(1), Incarnation(1), "?"});
  EXPECT_EQ(to_paxos(state).error().code, ErrorCode::malformed);
}

}  // namespace
}  // namespace synod::coordinator
