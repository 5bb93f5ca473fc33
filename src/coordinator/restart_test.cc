// Whole coordinators that lose their power, their disk, or their way: what clients were told stays.
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
      if (found == nullptr || found->data != "data of " + path) {
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

}  // namespace
}  // namespace synod::coordinator
