// What a coordinator left is replayed, to any point, and what is founded from it opens as a sound
// log of another cluster.
#include "coordinator/offline.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "coordinator/node.h"
#include "sim/machine.h"
#include "sim/world.h"
#include "storage/log_salvage.h"
#include "zkwire/records.h"

namespace synod::coordinator {
namespace {

constexpr const char* offline_place = "/data";

DataPlace place_in(const std::string& directory) {
  return {directory + "/log", directory + "/snapshots"};
}

// A log as a leader writes it: epochs opened, one create a slot.
class WrittenLog {
 public:
  WrittenLog(ports::Disk& disk, const std::string& directory) {
    auto opened = storage::Log::open(disk, directory + "/log", {}, 1);
    EXPECT_TRUE(opened.ok() && opened->log != nullptr);
    log_ = std::move(opened->log);
    storage::Identity identity;
    identity.cluster = ClusterId(77);
    identity.node = NodeId(3);
    identity.incarnation = Incarnation(5);
    paxos::Member member;
    member.node = NodeId(3);
    member.incarnation = Incarnation(5);
    identity.founders = paxos::encode(paxos::Membership({member}));
    log_->append(identity);
    log_->append(storage::Promise{{1, NodeId(3)}});
    storage::Adopt adopt;
    adopt.ballot = {1, NodeId(3)};
    log_->append(adopt);
  }

  void open() { append(paxos::EntryKind::open, paxos::encode(paxos::Ballot{1, NodeId(3)})); }
  void create(const std::string& path, std::int64_t at_ms) {
    znode::Command command;
    znode::CreateSession session;
    session.minter = ++sessions_;
    session.timeout_ms = 4000;
    session.password = Bytes(16, 'p');
    command.session = SessionId(static_cast<std::int64_t>(sessions_));
    command.request = session;
    znode::Command create;
    create.session = command.session;
    create.generation = Generation(1);
    create.sequence = Sequence(1);
    zkwire::CreateRequest request;
    request.path = path;
    request.acl = zkwire::open_acl();
    create.request = znode::ClientWrite{zkwire::OpCode::create, request};
    append(paxos::EntryKind::batch,
           znode::encode_batch(znode::BatchHeader{WallTime{at_ms}, znode::rules_version_max, {}},
                               {znode::encode_command(command), znode::encode_command(create)}));
  }
  void finish() {
    log_->append(storage::Chosen{Slot(slot_.value() - 1)});
    EXPECT_TRUE(log_->flush().ok());
    EXPECT_TRUE(log_->flush_witness().ok());
  }

 private:
  void append(paxos::EntryKind kind, Bytes bytes) {
    const paxos::Entry entry = paxos::make_entry(kind, std::move(bytes));
    slot_ = slot_.next();
    chain_ = paxos::chain_after(chain_, slot_, entry);
    Bytes value(1, static_cast<char>(kind));
    value.append(*entry.value);
    log_->append(storage::Value{{1, NodeId(3)}, slot_, chain_.value(), value});
  }

  std::unique_ptr<storage::Log> log_;
  Slot slot_;
  paxos::Chain chain_;
  std::uint32_t sessions_ = 0;
};

class Offline : public testing::Test {
 protected:
  Offline() : world_(sim::WorldOptions{.seed = 3}) {
    sim::MachineOptions machine;
    machine.name = "m";
    machine.address = "10.0.0.1";
    disk_ = &world_.add_machine(machine).disk();
    WrittenLog log(*disk_, offline_place);
    log.open();
    log.create("/a", 1000);
    log.create("/b", 2000);
    log.open();
    log.create("/c", 3000);
    log.finish();
  }

  static bool has(const Replayed& replayed, const std::string& path) {
    return replayed.state.tree().find(path) != nullptr;
  }

  sim::World world_;
  sim::SimDisk* disk_ = nullptr;
};

TEST_F(Offline, everything_is_replayed) {
  const auto all = replay(*disk_, place_in(offline_place), {});
  ASSERT_TRUE(all.ok());
  EXPECT_TRUE(has(*all, "/a") && has(*all, "/b") && has(*all, "/c"));
  EXPECT_EQ(all->slot, Slot(5));
  EXPECT_EQ(all->chosen, Slot(4));
  EXPECT_EQ(all->node, NodeId(3));
  EXPECT_EQ(all->time, WallTime{3000});
  EXPECT_EQ(all->state.last_zxid().value(), (std::int64_t{2} << 32) + 2);
}

TEST_F(Offline, a_replay_ends_at_a_zxid_a_time_or_a_slot) {
  ReplayLimit limit;
  limit.zxid = Zxid((std::int64_t{1} << 32) + 3);  // in the midst of a batch: a session, no node
  auto some = replay(*disk_, place_in(offline_place), limit);
  ASSERT_TRUE(some.ok());
  EXPECT_TRUE(has(*some, "/a") && !has(*some, "/b"));
  EXPECT_EQ(some->state.last_zxid(), *limit.zxid);
  limit = {};
  limit.time = WallTime{2500};
  some = replay(*disk_, place_in(offline_place), limit);
  ASSERT_TRUE(some.ok());
  EXPECT_TRUE(has(*some, "/b") && !has(*some, "/c"));
  limit = {};
  limit.slot = Slot(2);
  some = replay(*disk_, place_in(offline_place), limit);
  ASSERT_TRUE(some.ok());
  EXPECT_TRUE(has(*some, "/a") && !has(*some, "/b"));
}

TEST_F(Offline, what_is_founded_anew_is_another_cluster_with_the_same_tree) {
  auto all = replay(*disk_, place_in(offline_place), {});
  ASSERT_TRUE(all.ok());
  const Zxid before = all->state.last_zxid();
  begin_anew(all->state, WallTime{9000});
  EXPECT_TRUE(all->state.sessions().empty());
  EXPECT_EQ(all->state.check(), "");
  EXPECT_GE(all->state.last_zxid().value() >> 32, (before.value() >> 32) + 256);
  Refounding founding;
  founding.cluster = ClusterId(88);
  founding.node = NodeId(3);
  paxos::Member member;
  member.node = NodeId(3);
  member.incarnation = Incarnation(9);
  founding.membership = paxos::Membership({member});
  ASSERT_TRUE(write_founded(*disk_, place_in("/new"), *all, founding, 2).ok());
  EXPECT_FALSE(write_founded(*disk_, place_in("/new"), *all, founding, 3).ok());
  const auto again = replay(*disk_, place_in("/new"), {});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->cluster, ClusterId(88));
  EXPECT_EQ(again->membership, founding.membership);
  EXPECT_EQ(again->state.digest(), all->state.digest());
  EXPECT_EQ(again->slot, again->last);
}

}  // namespace
}  // namespace synod::coordinator
