// What slots hold, kept; and the whole disk of a server as release 0.1.0 wrote it: what was written
// once must be read for ever. testdata/format1/*.hex: test/script/kept.h.
#include <gtest/gtest.h>

#include "coordinator/journal_records.h"
#include "coordinator/offline.h"
#include "coordinator/restarted_ensemble_test.h"
#include "paxos/membership.h"
#include "test/script/kept.h"

namespace synod::coordinator {
namespace {

std::string kept_in(const std::string& folder, const std::string& name) {
  return std::string(SYNOD_SOURCE_DIR) + "/testdata/" + folder + "/" + name + ".hex";
}

paxos::Membership kept_members(bool addresses) {
  std::vector<paxos::Member> members;
  for (std::uint32_t id = 1; id <= 3; ++id) {
    paxos::Member member{NodeId(id), Incarnation(0x100 + id), id, id % 2, id == 3, ""};
    member.address = addresses ? fmt::format("h{}:1:2;h{}:3", id, id) : "";
    members.push_back(member);
  }
  return paxos::Membership(members);
}

// One of each kind, but batches: those are the state's (src/znode/testdata/format1/).
std::vector<paxos::Entry> kept_entries() {
  using paxos::EntryKind;
  return {paxos::make_entry(EntryKind::batch, "a batch"),
          paxos::make_entry(EntryKind::open, paxos::encode(paxos::Ballot{7, NodeId(2)})),
          paxos::make_entry(EntryKind::readmit,
                            paxos::encode(paxos::Readmit{NodeId(2), Incarnation(0x202)})),
          paxos::make_entry(EntryKind::readmit, paxos::encode(paxos::Readmit{})),
          paxos::make_entry(EntryKind::membership,
                            paxos::encode_change(kept_members(true), "a batch"))};
}

TEST(LogFormat, WhatSlotsHold) {
  ByteWriter written;
  for (const paxos::Entry& entry : kept_entries()) {
    written.sized(encode_entry(entry));
  }
  script::expect_kept(kept_in("format1", "entries"), written.take());

  const Bytes kept = script::read_kept(kept_in("format1", "entries"));
  ByteReader in(kept);
  for (const paxos::Entry& entry : kept_entries()) {
    const Result<paxos::Entry> read = decode_entry(in.sized());
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->kind, entry.kind);
    EXPECT_EQ(*read->value, *entry.value);
  }
  EXPECT_TRUE(in.done());
  // Release 0.1.0 takes this kind for one without effect: nobody may write it.
  EXPECT_FALSE(decode_entry(Bytes("\x03value")).ok());
}

// Founders in the log, and the members in a snapshot.
TEST(LogFormat, Members) {
  for (const bool addresses : {false, true}) {
    const std::string name = addresses ? "members_with_addresses" : "members";
    script::expect_kept(kept_in("format1", name), paxos::encode(kept_members(addresses)));
    paxos::Membership read;
    ASSERT_TRUE(paxos::decode(script::read_kept(kept_in("format1", name)), read));
    EXPECT_EQ(read.members(), kept_members(addresses).members());
  }
}

// One server alone, told to end after it had written 20 nodes and two snapshots on the way.
TEST(LogFormat, TheDiskOfAServerOfTheFirstRelease) {
  RestartedEnsemble e(31, 1);
  sim::SimDisk& disk = e.machine(1).disk();
  for (const char* name : {"log/segment-0000000000000001", "snapshots/snapshot-000000000000000c",
                           "snapshots/snapshot-0000000000000018", "snapshots/manifest"}) {
    const std::string path = std::string("/data/") + name;
    const Bytes bytes = script::read_kept(kept_in("release_0_1_0", name));
    ASSERT_TRUE(disk.make_directories(path.substr(0, path.rfind('/'))).ok());
    ASSERT_TRUE(ports::write_file_atomically(disk, path, bytes).ok());
  }
  const auto replayed = replay(disk, DataPlace{"/data/log", "/data/snapshots"}, {});
  ASSERT_TRUE(replayed.ok()) << replayed.error().message;
  EXPECT_EQ(replayed->missing, Slot());
  EXPECT_EQ(replayed->snapshot, Slot(0x18));
  e.start_all();
  e.start_client();
  ASSERT_TRUE(e.write_more(20));
  const znode::Tree& tree = e.node(1)->shared().state.tree();
  for (int i = 0; i < 20; ++i) {
    const znode::Node* found = tree.find(fmt::format("/kept/n{}", i));
    ASSERT_NE(found, nullptr) << i;
    EXPECT_EQ(found->data(), fmt::format("data {}", i));
  }
  EXPECT_TRUE(e.failures.empty());
}

}  // namespace
}  // namespace synod::coordinator
