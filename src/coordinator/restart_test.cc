// Whole coordinators that lose their power, their disk, or what is on it: what clients were told
// stays. What peers hold makes a damaged disk whole; what nobody holds is never served as if it had
// not been.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <vector>

#include "coordinator/node.h"
#include "sim/coordination/client.h"
#include "sim/machine.h"
#include "sim/world.h"

namespace synod::coordinator {
namespace {

namespace zk = sim::coordination;

// Creates /n<number>, one after the other, for ever; an answer that never came is not repeated.
class Writer final : public zk::ClientListener {
 public:
  Writer(sim::SimProcess& process, zk::History& history, zk::ClientOptions options)
      : client_(process, history, *this, std::move(options)) {}

  void on_ready() override { send(); }
  void on_reply(const zk::Operation& operation) override {
    if (operation.succeeded()) {
      acknowledged.insert(operation.tag);
    }
    send();
  }
  void pause() { paused_ = true; }
  void resume() {
    paused_ = false;
    send();
  }

  std::set<std::string> acknowledged;

 private:
  void send() {
    while (!paused_ && client_.ready() && client_.unanswered() < 4) {
      zkwire::CreateRequest request;
      request.path = fmt::format("/n{}", next_++);
      request.data = "data of " + request.path;
      request.acl = {zkwire::Acl{31, {"world", "anyone"}}};
      const std::string tag = request.path;
      client_.submit(zkwire::OpCode::create, request, tag);
    }
  }

  bool paused_ = false;
  int next_ = 0;
  zk::Client client_;
};

class RestartedEnsemble {
 public:
  RestartedEnsemble(std::uint64_t seed, int size) : world_(with_seed(seed)), size_(size) {
    for (int id = 1; id <= size; ++id) {
      sim::MachineOptions options;
      options.name = fmt::format("m{}", id);
      options.address = address(id);
      machines_.push_back(&world_.add_machine(options));
    }
    sim::MachineOptions options;
    options.name = "client";
    options.address = "10.0.1.1";
    client_machine_ = &world_.add_machine(options);
  }

  static std::string address(int id) { return fmt::format("10.0.0.{}", id); }

  void start(int id) {
    processes_[id] = &machine(id).start("coordinator", [this, id](sim::SimProcess& process) {
      NodeOptions options;
      options.config = config(id);
      options.log = small_log();
      options.boot_id = process.host().boot_id();
      options.config.snapshot_count = 25;
      options.log_slots_kept = 10;
      NodePorts ports{process.main_lane(),    process.add_lane("journal"),
                      {&process.main_lane()}, process.network(),
                      process.disk(),         process.gate()};
      return std::make_shared<Node>(std::move(ports), std::move(options));
    });
  }
  void start_all() {
    for (int id = 1; id <= size_; ++id) {
      start(id);
    }
  }
  void start_client() {
    client_machine_->start("writer", [this](sim::SimProcess& process) {
      zk::ClientOptions options;
      options.number = 1;
      for (int id = 1; id <= size_; ++id) {
        options.servers.push_back({address(id), 2181});
      }
      auto made = std::make_shared<Writer>(process, history_, options);
      writer_ = made.get();
      return made;
    });
  }

  sim::World& world() { return world_; }
  int size() const { return size_; }
  sim::SimMachine& machine(int id) { return *machines_.at(static_cast<std::size_t>(id - 1)); }
  Writer& writer() { return *writer_; }
  std::size_t written() const { return writer_ == nullptr ? 0 : writer_->acknowledged.size(); }
  void restart(int id) {
    if (machine(id).powered()) {
      machine(id).power_off();
    }
    machine(id).power_on();
    start(id);
  }

  bool write_more(std::size_t count) {
    const std::size_t target = written() + count;
    return world_.run_until(world_.now() + Duration::seconds(60),
                            [&] { return written() >= target; });
  }

  // nullptr while the process has ended or recovers.
  const Node* node(int id) {
    sim::SimProcess* process = processes_[id];
    return process->alive() ? process->program<Node>() : nullptr;
  }
  Slot applied(int id) {
    const Node* found = node(id);
    return found == nullptr ? Slot() : found->shared().view.applied;
  }
  // All members have applied the same, and have the same state.
  bool agree() {
    for (int id = 2; id <= size_; ++id) {
      if (node(id) == nullptr || node(1) == nullptr ||
          node(id)->shared().state.digest() != node(1)->shared().state.digest()) {
        return false;
      }
    }
    return applied(1).value() > 0;
  }
  // What was acknowledged and is not there.
  std::string missing(int id) {
    for (const std::string& path : writer_->acknowledged) {
      const znode::Node* found = node(id)->shared().state.tree().find(path);
      if (found == nullptr || found->data() != "data of " + path) {
        return path;
      }
    }
    return "";
  }
  bool settle() {
    writer_->pause();
    return world_.run_until(world_.now() + Duration::seconds(60), [this] {
      if (size_ == 1) {
        return node(1) != nullptr && node(1)->shared().view.serving;
      }
      return agree();
    });
  }

 private:
  static sim::WorldOptions with_seed(std::uint64_t seed) {
    sim::WorldOptions options;
    options.seed = seed;
    return options;
  }
  static storage::LogOptions small_log() {
    storage::LogOptions options;
    options.first_segment_size_bytes = 32 << 10;
    options.segment_size_bytes = 64 << 10;
    return options;
  }
  ZooConfig config(int id) const {
    std::string text = fmt::format(
        "tickTime=500\ndataDir=/data\nclientPort=2181\nclientPortAddress={}\n", address(id));
    if (size_ > 1) {
      for (int peer = 1; peer <= size_; ++peer) {
        text += fmt::format("server.{}={}:2888:3888\n", peer, address(peer));
      }
    }
    auto parsed = parse_zoo_config(text);
    EXPECT_TRUE(parsed.ok());
    EXPECT_TRUE(complete_zoo_config(*parsed, std::to_string(id)).ok());
    return std::move(parsed).value();
  }

  sim::World world_;
  int size_;
  std::vector<sim::SimMachine*> machines_;
  sim::SimMachine* client_machine_ = nullptr;
  std::map<int, sim::SimProcess*> processes_;
  zk::History history_;
  Writer* writer_ = nullptr;
};

TEST(Restart, OneCoordinatorKeepsWhatItSaidWhereverThePowerGoes) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    RestartedEnsemble e(seed, 1);
    e.start_all();
    e.start_client();
    ASSERT_TRUE(e.write_more(5)) << "seed " << seed;
    for (int life = 0; life < 4; ++life) {
      e.machine(1).power_off_at_operation(1 + e.world().prng().below(150));
      e.world().run_until(e.world().now() + Duration::seconds(20),
                          [&] { return !e.machine(1).powered(); });
      e.restart(1);
      ASSERT_TRUE(e.write_more(30)) << "seed " << seed << " life " << life;
    }
    ASSERT_TRUE(e.settle()) << "seed " << seed;
    EXPECT_EQ(e.missing(1), "") << "seed " << seed;
  }
}

TEST(Restart, AMemberThatLagsBehindTheLogTakesASnapshot) {
  RestartedEnsemble e(7, 3);
  e.start_all();
  e.start_client();
  ASSERT_TRUE(e.write_more(10));
  e.machine(3).power_off();
  ASSERT_TRUE(e.write_more(600));
  ASSERT_FALSE(e.machine(1).disk().exists("/data/log/segment-0000000000000001").value_or(true))
      << "the log was to be shortened";
  e.restart(3);
  ASSERT_TRUE(e.write_more(50));
  ASSERT_TRUE(e.settle());
  EXPECT_EQ(e.missing(3), "");
  // What it took is durable: it comes back from its own disk.
  e.restart(3);
  ASSERT_TRUE(e.settle());
  EXPECT_EQ(e.missing(3), "");
}

TEST(Restart, AWipedMemberVotesAgainWhenItHasCaughtUp) {
  RestartedEnsemble e(9, 3);
  e.start_all();
  e.start_client();
  ASSERT_TRUE(e.write_more(200));
  e.machine(3).power_off();
  e.machine(3).disk().wipe();
  e.restart(3);
  ASSERT_TRUE(e.write_more(100));
  ASSERT_TRUE(e.world().run_until(e.world().now() + Duration::seconds(30),
                                  [&] { return e.applied(3) >= e.applied(1); }));
  e.world().run_for(Duration::seconds(5));
  // Now it counts: with one of the others gone there is still a quorum.
  e.machine(1).power_off();
  ASSERT_TRUE(e.write_more(100));
  e.restart(1);
  ASSERT_TRUE(e.settle());
  EXPECT_EQ(e.missing(3), "");
}

// The founders are not known yet when a node recovers an empty disk; its snapshots name them all
// the same, as those of a node do that has restarted since.
TEST(Restart, SnapshotsAreTheSameFileOnWhoHasRestartedAndWhoHasNot) {
  RestartedEnsemble e(11, 3);
  e.start_all();
  e.start_client();
  ASSERT_TRUE(e.write_more(50));
  e.restart(1);
  ASSERT_TRUE(e.write_more(300));
  ASSERT_TRUE(e.settle());
  e.world().run_for(Duration::seconds(5));
  const auto of_first = e.machine(1).disk().peek("/data/snapshots/snapshot-");
  ASSERT_FALSE(of_first.empty());
  EXPECT_EQ(of_first, e.machine(2).disk().peek("/data/snapshots/snapshot-"));
  EXPECT_EQ(of_first, e.machine(3).disk().peek("/data/snapshots/snapshot-"));
}

TEST(Restart, ThePowerOfAllGoesAtOnce) {
  for (std::uint64_t seed = 100; seed < 106; ++seed) {
    RestartedEnsemble e(seed, 3);
    e.start_all();
    e.start_client();
    ASSERT_TRUE(e.write_more(40));
    for (int life = 0; life < 3; ++life) {
      e.world().run_for(Duration::millis(static_cast<std::int64_t>(e.world().prng().below(900))));
      for (int id = 1; id <= 3; ++id) {
        e.machine(id).power_off();
      }
      for (int id = 1; id <= 3; ++id) {
        e.restart(id);
      }
      ASSERT_TRUE(e.write_more(40)) << "seed " << seed << " life " << life;
    }
    ASSERT_TRUE(e.settle()) << "seed " << seed;
    for (int id = 1; id <= 3; ++id) {
      EXPECT_EQ(e.missing(id), "") << "seed " << seed;
    }
  }
}

// Two choose what the third does not hear of; the disk of one forgets it, and the other one is
// away.
TEST(Restart, AMachineWhoseDiskForgetsAsksAllBeforeItVotes) {
  RestartedEnsemble e(31, 3);
  e.start_all();
  e.start_client();
  ASSERT_TRUE(e.write_more(40));
  const int leader = static_cast<int>(e.node(1)->shared().view.leader.value());
  const int liar = leader % 3 + 1;
  const int third = liar % 3 + 1;
  for (const int other : {leader, liar}) {
    e.world().network().cut_both(fmt::format("m{}", other), fmt::format("m{}", third));
  }
  e.machine(liar).disk().faults().drops_write_once_in = 1;
  ASSERT_TRUE(e.write_more(20));
  e.machine(leader).power_off();
  e.machine(liar).power_off();
  e.machine(liar).disk().faults().drops_write_once_in = 0;
  for (const int other : {leader, liar}) {
    e.world().network().heal(fmt::format("m{}", other), fmt::format("m{}", third));
    e.world().network().heal(fmt::format("m{}", third), fmt::format("m{}", other));
  }
  e.restart(liar);
  const std::size_t written = e.written();
  e.world().run_for(Duration::seconds(20));
  EXPECT_EQ(e.written(), written) << "a quorum without the only one that knows";
  e.restart(leader);
  ASSERT_TRUE(e.write_more(40));
  ASSERT_TRUE(e.settle());
  for (int id = 1; id <= 3; ++id) {
    EXPECT_EQ(e.missing(id), "");
  }
  e.world().run_for(Duration::seconds(5));
  // And it counts again.
  e.machine(leader).power_off();
  e.writer().resume();
  ASSERT_TRUE(e.write_more(20));
}

TEST(Restart, LeadershipLeavesASlowDisk) {
  RestartedEnsemble e(21, 3);
  e.start_all();
  e.start_client();
  ASSERT_TRUE(e.write_more(40));
  const auto leader = [&e] {
    const Node* n = e.node(1);
    return n == nullptr ? 0 : static_cast<int>(n->shared().view.leader.value());
  };
  const int slow = leader();
  ASSERT_NE(slow, 0);
  e.machine(slow).disk().faults().slowness = 300;  // a flush takes up to a quarter of a second
  const Instant began = e.world().now();
  ASSERT_TRUE(e.world().run_until(e.world().now() + Duration::seconds(10),
                                  [&] { return leader() != 0 && leader() != slow; }));
  EXPECT_LT((e.world().now() - began).millis(), 4000);
  const int now = leader();
  // It stays away, and the writes go at the others' pace.
  ASSERT_TRUE(e.write_more(500));
  EXPECT_EQ(leader(), now);
  e.machine(slow).disk().faults().slowness = 1;
  ASSERT_TRUE(e.settle());
  EXPECT_EQ(e.missing(slow), "");
}

constexpr const char* log_path = "/data/log";
constexpr const char* snapshots_path = "/data/snapshots";

class RottenEnsemble : public RestartedEnsemble {
 public:
  explicit RottenEnsemble(std::uint64_t seed, int size = 3) : RestartedEnsemble(seed, size) {}

  bool begin(std::size_t writes) {
    start_all();
    start_client();
    return write_more(writes) && rest();
  }
  // The witness of the last group is written when it is quiet.
  bool rest() {
    writer().pause();
    world().run_for(Duration::millis(500));
    return true;
  }
  bool go_on(std::size_t writes) {
    writer().resume();
    return write_more(writes);
  }
  // Data that stands in all logs, of the writes before the last `behind` ones.
  std::string data(std::size_t behind) {
    for (std::size_t number = written(); number-- > behind;) {
      std::string text = fmt::format("data of /n{}", number - behind);
      bool everywhere = true;
      for (int id = 1; id <= size(); ++id) {
        everywhere = everywhere && find(id, text) > 0;
      }
      if (everywhere) {
        return text;
      }
    }
    return "there is none";
  }
  void power_off_all(int size = 3) {
    for (int id = 1; id <= size; ++id) {
      machine(id).power_off();
    }
  }
  void restart_all() {
    for (int id = 1; id <= size(); ++id) {
      restart(id);
    }
  }
  std::vector<std::string> files(int id, const std::string& directory, const std::string& prefix) {
    std::vector<std::string> found;
    for (const std::string& name : machine(id).disk().list(directory).value_or({})) {
      if (name.starts_with(prefix)) {
        found.push_back(directory + "/" + name);
      }
    }
    return found;
  }
  // Wherever this text stands in the log of the node. Returns in how many places.
  int spoil(int id, const std::string& text) { return find(id, text, true); }
  int find(int id, const std::string& text, bool flip = false) {
    int places = 0;
    sim::SimDisk& disk = machine(id).disk();
    for (const std::string& path : files(id, log_path, "segment-")) {
      const Bytes bytes = ports::read_file(disk, path, 1 << 24).value_or("");
      for (std::size_t at = bytes.find(text); at != Bytes::npos; at = bytes.find(text, at + 1)) {
        places += !flip || disk.flip_bit(path, at + 2, 4) ? 1 : 0;
      }
    }
    return places;
  }
  void spoil_snapshots(int id) {
    for (const std::string& path : files(id, snapshots_path, "snapshot-")) {
      ASSERT_TRUE(machine(id).disk().flip_bit(path, 150, 2));
    }
  }
  bool set_aside(int id) { return !files(id, "/data", "log.damaged-").empty(); }
  std::string reason(int id) {
    return node(id) == nullptr ? "ended" : node(id)->shared().view.reason;
  }
  std::string all_missing(int size = 3) {
    std::string text;
    for (int id = 1; id <= size; ++id) {
      text += missing(id);
    }
    return text;
  }
};

TEST(Repair, ACorruptEntryIsFetchedFromPeersWhileTheOthersServe) {
  RottenEnsemble e(1);
  ASSERT_TRUE(e.begin(20));
  const std::string data = e.data(3);
  e.machine(2).power_off();
  ASSERT_GT(e.spoil(2, data), 0);
  ASSERT_TRUE(e.go_on(20));
  e.restart(2);
  ASSERT_TRUE(e.write_more(20));
  ASSERT_TRUE(e.settle());
  EXPECT_EQ(e.all_missing(), "");
  EXPECT_TRUE(e.set_aside(2));
  e.world().run_for(Duration::seconds(5));  // the log has readmitted it
  // It is a full voter: with another one gone there is a quorum.
  e.machine(1).power_off();
  ASSERT_TRUE(e.go_on(20));
}

TEST(Repair, OneIntactCopyIsEnough) {
  RottenEnsemble e(2);
  ASSERT_TRUE(e.begin(20));
  const std::string data = e.data(3);
  e.power_off_all();
  ASSERT_GT(e.spoil(1, data), 0);
  ASSERT_GT(e.spoil(3, data), 0);
  e.restart_all();
  ASSERT_TRUE(e.go_on(20));
  ASSERT_TRUE(e.settle());
  EXPECT_EQ(e.all_missing(), "");
  EXPECT_TRUE(e.set_aside(1) && e.set_aside(3) && !e.set_aside(2));
}

TEST(Repair, EachHasLostSomethingElse) {
  RottenEnsemble e(3);
  ASSERT_TRUE(e.begin(22));
  const std::string data[] = {e.data(2), e.data(8), e.data(14)};
  e.power_off_all();
  for (int id = 1; id <= 3; ++id) {
    ASSERT_GT(e.spoil(id, data[id - 1]), 0);
  }
  e.restart_all();
  ASSERT_TRUE(e.go_on(20));
  ASSERT_TRUE(e.settle());
  EXPECT_EQ(e.all_missing(), "");
}

TEST(Repair, WhatNobodyHoldsIsSaidAndNothingIsServedAroundIt) {
  RottenEnsemble e(4);
  ASSERT_TRUE(e.begin(20));
  const std::string data = e.data(3);
  e.power_off_all();
  for (int id = 1; id <= 3; ++id) {
    ASSERT_GT(e.spoil(id, data), 0);
  }
  e.restart_all();
  EXPECT_FALSE(e.go_on(1));
  for (int id = 1; id <= 3; ++id) {
    ASSERT_NE(e.node(id), nullptr);
    EXPECT_FALSE(e.node(id)->shared().view.serving);
    EXPECT_NE(e.reason(id).find("repairs its log from peers: slot"), std::string::npos)
        << e.reason(id);
    EXPECT_FALSE(e.set_aside(id));
  }
}

TEST(Repair, OneAloneSaysWhatItCannotRead) {
  RottenEnsemble e(5, 1);
  ASSERT_TRUE(e.begin(20));
  const std::string data = e.data(3);
  e.machine(1).power_off();
  ASSERT_GT(e.spoil(1, data), 0);
  e.restart(1);
  e.world().run_for(Duration::seconds(2));
  EXPECT_NE(e.reason(1).find("cannot be read, and there is no peer to ask"), std::string::npos)
      << e.reason(1);
}

TEST(Repair, ADamagedSnapshotComesFromAPeer) {
  RottenEnsemble e(6);
  ASSERT_TRUE(e.begin(400));
  ASSERT_FALSE(e.machine(2).disk().exists("/data/log/segment-0000000000000001").value_or(true))
      << "the log was to be shortened";
  e.machine(2).power_off();
  e.spoil_snapshots(2);
  e.restart(2);
  ASSERT_TRUE(e.go_on(30));
  ASSERT_TRUE(e.settle()) << e.reason(2);
  EXPECT_EQ(e.all_missing(), "");
}

TEST(Repair, DamageThatTheSnapshotCoversNeedsNobody) {
  RottenEnsemble e(7, 1);
  ASSERT_TRUE(e.begin(120));
  e.machine(1).power_off();
  const auto segments = e.files(1, log_path, "segment-");
  ASSERT_GT(segments.size(), 1U);
  ASSERT_TRUE(e.machine(1).disk().flip_bit(segments.front(), 4096 + 30, 1));
  e.restart(1);
  ASSERT_TRUE(e.go_on(30));
  ASSERT_TRUE(e.settle());
  EXPECT_EQ(e.missing(1), "");
  EXPECT_TRUE(e.set_aside(1));
}

// Anything may go bad on one member between its lives: its peers make up for it.
TEST(Repair, AnyDamageOfOneMemberIsMadeGood) {
  int repaired = 0;
  for (std::uint64_t seed = 20; seed < 40; ++seed) {
    RottenEnsemble e(seed);
    ASSERT_TRUE(e.begin(30 + seed * 5));
    Prng prng(seed);
    for (int life = 0; life < 3; ++life) {
      const int id = 1 + static_cast<int>(prng.below(3));
      e.machine(id).power_off();
      std::vector<std::string> paths = e.files(id, log_path, "segment-");
      const auto snapshots = e.files(id, snapshots_path, "");
      paths.insert(paths.end(), snapshots.begin(), snapshots.end());
      sim::SimDisk& disk = e.machine(id).disk();
      for (std::uint64_t flips = 1 + prng.below(4); flips > 0; --flips) {
        const std::string path = paths[prng.below(paths.size())];
        const std::uint64_t size = ports::read_file(disk, path, 1 << 24).value_or("").size();
        if (size > 0) {
          disk.flip_bit(path, prng.below(size), static_cast<unsigned>(prng.below(8)));
        }
      }
      ASSERT_TRUE(e.go_on(10)) << "seed " << seed << " life " << life << " without " << id << ": "
                               << e.reason(1) << "; " << e.reason(2) << "; " << e.reason(3);
      e.restart(id);
      ASSERT_TRUE(e.write_more(20)) << "seed " << seed;
      e.writer().pause();
      const auto caught_up = [&] { return e.applied(id) == e.applied(1 + id % 3); };
      ASSERT_TRUE(e.world().run_until(e.world().now() + Duration::seconds(60), caught_up))
          << "seed " << seed << " node " << id << ": " << e.reason(id);
      e.world().run_for(Duration::seconds(1));
      repaired += e.set_aside(id) ? 1 : 0;
    }
    ASSERT_TRUE(e.settle()) << "seed " << seed;
    EXPECT_EQ(e.all_missing(), "") << "seed " << seed;
  }
  EXPECT_GT(repaired, 5);
}

}  // namespace
}  // namespace synod::coordinator
