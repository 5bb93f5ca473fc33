// Whole coordinators under the simulated machine: they found a cluster, elect, survive the fall of
// their leader, and bring back the wiped and the lagging. What clients see of it all is judged in
// sim/coordination.
#include "coordinator/node.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "sim/machine.h"
#include "sim/network.h"
#include "sim/world.h"

namespace synod::coordinator {
namespace {

class Ensemble {
 public:
  Ensemble(std::size_t size, std::uint64_t seed, std::uint64_t snapshot_count = 100'000)
      : world_(sim::WorldOptions{.seed = seed}), size_(size), snapshot_count_(snapshot_count) {
    for (std::size_t i = 1; i <= size_; ++i) {
      sim::MachineOptions machine;
      machine.name = "m" + std::to_string(i);
      machine.address = "10.0.0." + std::to_string(i);
      machines_.push_back(&world_.add_machine(machine));
      processes_.push_back(nullptr);
      start(i);
    }
  }

  sim::World& world() { return world_; }
  std::size_t size() const { return size_; }

  void start(std::size_t i) {
    processes_[i - 1] =
        &machines_[i - 1]->start("coordinator", [this, i](sim::SimProcess& process) {
          NodeOptions options;
          options.config = config(i);
          auto node = std::make_shared<Node>(NodePorts{process.main_lane(),
                                                       process.add_lane("journal"),
                                                       {&process.main_lane()},
                                                       process.network(),
                                                       process.disk(),
                                                       process.gate()},
                                             options);
          process.on_signal(
              [&process](int) { process.program<Node>()->stop([&process] { process.exit(0); }); });
          return sim::Program(std::move(node));
        });
  }
  void kill(std::size_t i) {
    processes_[i - 1]->kill();
    processes_[i - 1] = nullptr;
  }
  sim::SimProcess& process(std::size_t i) { return *processes_[i - 1]; }
  void forget(std::size_t i) { processes_[i - 1] = nullptr; }
  sim::SimMachine& machine(std::size_t i) { return *machines_[i - 1]; }

  const Node* node(std::size_t i) const {
    const sim::SimProcess* process = processes_[i - 1];
    return process == nullptr || !process->alive() ? nullptr : process->program<Node>();
  }
  const ClusterView* view(std::size_t i) const {
    const Node* n = node(i);
    return n == nullptr ? nullptr : &n->shared().view;
  }
  // The one that serves as leader and whom all who live follow; 0 if there is none.
  std::size_t leader() const {
    std::size_t leader = 0;
    for (std::size_t i = 1; i <= size_; ++i) {
      if (view(i) != nullptr && view(i)->role == paxos::Role::leader && view(i)->serving) {
        leader = i;
      }
    }
    for (std::size_t i = 1; i <= size_ && leader != 0; ++i) {
      const ClusterView* v = view(i);
      leader = v != nullptr && (!v->serving || v->leader.value() != leader) ? 0 : leader;
    }
    return leader;
  }
  bool equal() const {
    for (std::size_t i = 2; i <= size_; ++i) {
      if (node(i)->shared().state.digest() != node(1)->shared().state.digest() ||
          node(i)->engine()->applied() != node(1)->engine()->applied()) {
        return false;
      }
    }
    return true;
  }
  testing::AssertionResult soon(Duration span, const std::function<bool()>& condition) {
    if (world_.run_until(world_.now() + span, condition)) {
      return testing::AssertionSuccess();
    }
    world_.print_logs(std::cout);
    return testing::AssertionFailure() << "not within " << span.millis() << " ms";
  }

 private:
  ZooConfig config(std::size_t self) const {
    std::string text = "tickTime=500\ndataDir=/data\nclientPort=2181\nsnapCount=" +
                       std::to_string(snapshot_count_) + "\n";
    for (std::size_t i = 1; i <= size_ && size_ > 1; ++i) {
      text += "server." + std::to_string(i) + "=10.0.0." + std::to_string(i) + ":2888:3888\n";
    }
    ZooConfig config = parse_zoo_config(text).value();
    EXPECT_TRUE(complete_zoo_config(config, std::to_string(self)).ok());
    return config;
  }

  sim::World world_;
  std::size_t size_;
  std::uint64_t snapshot_count_;
  std::vector<sim::SimMachine*> machines_;
  std::vector<sim::SimProcess*> processes_;
};

TEST(Coordinators, one_alone_serves) {
  Ensemble ensemble(1, 1);
  EXPECT_TRUE(ensemble.soon(Duration::seconds(5), [&] { return ensemble.leader() == 1; }));
}

TEST(Coordinators, three_found_a_cluster_and_elect) {
  Ensemble ensemble(3, 2);
  EXPECT_TRUE(ensemble.soon(Duration::seconds(10), [&] { return ensemble.leader() != 0; }));
  EXPECT_TRUE(ensemble.soon(Duration::seconds(2), [&] { return ensemble.equal(); }));
}

TEST(Coordinators, failover_after_a_kill_takes_tens_of_milliseconds) {
  std::vector<std::int64_t> gaps_ms;
  for (std::uint64_t seed = 1; seed <= 7; ++seed) {
    Ensemble ensemble(3, seed);
    ASSERT_TRUE(ensemble.soon(Duration::seconds(10), [&] { return ensemble.leader() != 0; }));
    ensemble.world().run_for(Duration::seconds(1));
    const Instant killed = ensemble.world().now();
    ensemble.kill(ensemble.leader());
    ASSERT_TRUE(ensemble.soon(Duration::seconds(5), [&] { return ensemble.leader() != 0; }));
    gaps_ms.push_back((ensemble.world().now() - killed).millis());
  }
  std::sort(gaps_ms.begin(), gaps_ms.end());
  RecordProperty("median_ms", static_cast<int>(gaps_ms[gaps_ms.size() / 2]));
  EXPECT_LT(gaps_ms[gaps_ms.size() / 2], 100);
}

TEST(Coordinators, the_killed_leader_comes_back_and_follows) {
  Ensemble ensemble(3, 4);
  ASSERT_TRUE(ensemble.soon(Duration::seconds(10), [&] { return ensemble.leader() != 0; }));
  for (int round = 0; round < 5; ++round) {
    const std::size_t fallen = ensemble.leader();
    ensemble.kill(fallen);
    ASSERT_TRUE(ensemble.soon(Duration::seconds(5), [&] { return ensemble.leader() != 0; }));
    ensemble.start(fallen);
    ASSERT_TRUE(ensemble.soon(Duration::seconds(5), [&] {
      return ensemble.view(fallen) != nullptr && ensemble.leader() != 0;
    }));
  }
  EXPECT_TRUE(ensemble.soon(Duration::seconds(2), [&] { return ensemble.equal(); }));
}

// Whoever leads hands over before it goes: nobody waits for silence, and nobody finds a closed door
// without another one open.
TEST(Coordinators, a_leader_told_to_stop_hands_over_and_exits) {
  Ensemble ensemble(3, 8);
  ASSERT_TRUE(ensemble.soon(Duration::seconds(10), [&] { return ensemble.leader() != 0; }));
  for (int round = 0; round < 3; ++round) {
    const std::size_t old = ensemble.leader();
    sim::SimProcess& process = ensemble.process(old);
    ASSERT_TRUE(process.take_signal(15));
    ASSERT_TRUE(ensemble.soon(Duration::millis(150), [&] { return !process.alive(); }));
    EXPECT_EQ(process.status()->code, 0);
    ensemble.forget(old);
    EXPECT_TRUE(ensemble.soon(Duration::millis(50), [&] { return ensemble.leader() != 0; }));
    ensemble.start(old);
    ASSERT_TRUE(ensemble.soon(Duration::seconds(5), [&] {
      return ensemble.view(old) != nullptr && ensemble.view(old)->serving && ensemble.equal();
    }));
  }
}

TEST(Coordinators, those_told_to_stop_together_all_exit) {
  Ensemble ensemble(3, 9);
  ASSERT_TRUE(ensemble.soon(Duration::seconds(10), [&] { return ensemble.leader() != 0; }));
  for (std::size_t i = 1; i <= ensemble.size(); ++i) {
    ASSERT_TRUE(ensemble.process(i).take_signal(15));
  }
  EXPECT_TRUE(ensemble.soon(Duration::millis(2500), [&] {
    for (std::size_t i = 1; i <= ensemble.size(); ++i) {
      if (ensemble.process(i).alive()) {
        return false;
      }
    }
    return true;
  }));
}

// Its disk is empty: it learns, is readmitted by the log, and counts again.
TEST(Coordinators, a_wiped_voter_is_readmitted) {
  Ensemble ensemble(3, 5);
  ASSERT_TRUE(ensemble.soon(Duration::seconds(10), [&] { return ensemble.leader() != 0; }));
  const std::size_t wiped = ensemble.leader() == 1 ? 2 : 1;
  ensemble.kill(wiped);
  ASSERT_TRUE(ensemble.machine(wiped).disk().remove_tree("/data").ok());
  ensemble.start(wiped);
  const NodeId id(static_cast<std::uint32_t>(wiped));
  EXPECT_TRUE(ensemble.soon(Duration::seconds(5), [&] {
    const Node* node = ensemble.node(wiped);
    if (node == nullptr || node->engine() == nullptr || node->engine()->core() == nullptr) {
      return false;
    }
    const paxos::Core& core = *node->engine()->core();
    return core.membership().votes(id, core.identity().incarnation);
  }));
  const std::size_t other = 6 - wiped - ensemble.leader();
  ensemble.kill(other);
  EXPECT_TRUE(ensemble.soon(Duration::seconds(5), [&] { return ensemble.leader() != 0; }));
}

}  // namespace
}  // namespace synod::coordinator
