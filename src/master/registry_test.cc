#include "master/registry.h"

#include <gtest/gtest.h>

#include "election/names.h"
#include "master/scheduler_calls.h"
#include "master/store_for_tests.h"
#include "mesos/v1.h"

namespace synod::master {
namespace {

class RegistryTest : public ::testing::Test {
 protected:
  struct Master {
    TestStore store;
    std::vector<std::uint64_t> done;
    std::string fatal;
    bool taken = false;
    std::optional<ReignRecord> before;
    std::optional<Registry> registry;

    Master(StepLane& lane, Service& service, const std::string& id,
           PlantedBug planted = PlantedBug::none)
        : store(lane, service) {
      RegistryOptions options;
      options.path = "/mesos.synod";
      options.master_id = id;
      options.address = id + ":5050";
      options.planted = planted;
      Registry::Handlers handlers;
      handlers.taken = [this](std::optional<ReignRecord> reign) {
        taken = true;
        before = reign;
      };
      handlers.done = [this](core::OperationKey key) { done.push_back(key.value()); };
      handlers.fatal = [this](const std::string& why) { fatal = why; };
      registry.emplace(lane, store, options, handlers);
    }
    void admit(std::uint64_t key, const std::string& agent) {
      registry->change({core::OperationKey(key), {}, core::AdmitAgent{{{agent}, "h", "", 1, ""}}});
    }
  };

  // As the election does it: the old candidate is gone, the epoch is raised, the winner is told.
  static core::Leadership raise(Service& service, const std::string& candidate) {
    election::EpochRecord epoch;
    epoch.lineage = uuid_from_words(1, 2);
    auto& node = service.nodes["/mesos.synod/epoch"];
    const auto before = election::decode_epoch_record(node.data);
    epoch.epoch = before.ok() ? before->epoch.next() : MasterEpoch(1);
    epoch.candidate_path = "/mesos/" + candidate;
    node = {election::encode(epoch), node.version + 1};
    service.nodes[epoch.candidate_path] = {};
    return {epoch.lineage, epoch.epoch};
  }
  void elect(Master& master, const std::string& candidate) {
    const core::Leadership leadership = raise(service_, candidate);
    master.registry->take_over(leadership, "/mesos/" + candidate, {5});
    lane_.run_for(Duration::seconds(1));
  }

  StepLane lane_;
  Service service_;
};

TEST_F(RegistryTest, what_one_master_wrote_the_next_one_reads) {
  Master a(lane_, service_, "a");
  elect(a, "1");
  ASSERT_TRUE(a.taken);
  EXPECT_FALSE(a.before);
  a.admit(1, "s1");
  lane_.run_for(Duration::seconds(1));
  EXPECT_EQ(a.done, std::vector<std::uint64_t>{1});
  Master b(lane_, service_, "b");
  elect(b, "2");
  ASSERT_TRUE(b.taken);
  ASSERT_TRUE(b.before);
  EXPECT_EQ(b.before->address, "a:5050");
  EXPECT_EQ(b.before->epoch, MasterEpoch(1));
  EXPECT_EQ(b.registry->records().snapshot().admitted.size(), 1U);
}

TEST_F(RegistryTest, a_deposed_master_changes_nothing) {
  Master a(lane_, service_, "a");
  elect(a, "1");
  Master b(lane_, service_, "b");
  elect(b, "2");
  const auto before = service_.nodes.size();
  a.admit(1, "s1");
  lane_.run_for(Duration::seconds(1));
  EXPECT_EQ(a.done, std::vector<std::uint64_t>{});
  EXPECT_NE(a.fatal, "");
  EXPECT_EQ(service_.nodes.size(), before);
}

TEST_F(RegistryTest, planted_skip_master_epoch_check_lets_a_deposed_master_write) {
  Master a(lane_, service_, "a", PlantedBug::skip_master_epoch_check);
  elect(a, "1");
  Master b(lane_, service_, "b");
  elect(b, "2");
  a.admit(1, "s1");
  lane_.run_for(Duration::seconds(1));
  EXPECT_EQ(a.done, std::vector<std::uint64_t>{1});
}

TEST_F(RegistryTest, a_master_whose_candidate_is_gone_writes_nothing) {
  Master a(lane_, service_, "a");
  elect(a, "1");
  service_.nodes.erase("/mesos/1");
  a.admit(1, "s1");
  lane_.run_for(Duration::seconds(1));
  EXPECT_TRUE(a.done.empty());
  EXPECT_NE(a.fatal, "");
}

TEST_F(RegistryTest, an_epoch_raised_by_another_is_not_taken_for_ours) {
  Master a(lane_, service_, "a");
  const core::Leadership leadership = raise(service_, "1");
  raise(service_, "2");
  a.registry->take_over(leadership, "/mesos/1", {5});
  lane_.run_for(Duration::seconds(1));
  EXPECT_FALSE(a.taken);
  EXPECT_EQ(a.fatal, "another master has been elected");
}

// The old master admits an agent after the new one has read: the agent would be forgotten.
TEST_F(RegistryTest, planted_read_registry_before_epoch_misses_what_the_old_master_writes) {
  Master a(lane_, service_, "a");
  elect(a, "1");
  Master b(lane_, service_, "b", PlantedBug::read_registry_before_epoch);
  b.registry->read_early();
  lane_.run_for(Duration::seconds(1));
  a.admit(1, "s1");
  lane_.run_for(Duration::seconds(1));
  ASSERT_EQ(a.done, std::vector<std::uint64_t>{1});
  elect(b, "2");
  ASSERT_TRUE(b.taken);
  EXPECT_TRUE(b.registry->records().snapshot().admitted.empty());
}

TEST_F(RegistryTest, a_lost_answer_is_settled_by_the_number_that_was_written) {
  for (const auto lose : {TestStore::Lose::answer, TestStore::Lose::write}) {
    Service service;
    Master a(lane_, service, "a");
    a.registry->take_over(raise(service, "1"), "/mesos/1", {5});
    lane_.run_for(Duration::seconds(1));
    a.store.lose = lose;
    const auto writes = service.writes;
    a.admit(1, "s1");
    lane_.run_for(Duration::seconds(1));
    EXPECT_EQ(a.done, std::vector<std::uint64_t>{1});
    EXPECT_EQ(service.writes, writes + 1) << "made once, whatever was lost";
  }
}

TEST_F(RegistryTest, what_waits_goes_together) {
  Master a(lane_, service_, "a");
  elect(a, "1");
  const auto writes = service_.writes;
  for (std::uint64_t key = 1; key <= 100; ++key) {
    a.admit(key, "s" + std::to_string(key));
  }
  lane_.run_for(Duration::seconds(1));
  EXPECT_EQ(a.done.size(), 100U);
  EXPECT_TRUE(std::is_sorted(a.done.begin(), a.done.end()));
  EXPECT_EQ(service_.writes, writes + 2);
}

TEST_F(RegistryTest, a_registry_that_is_gone_hears_no_answer) {
  Master a(lane_, service_, "a");
  elect(a, "1");
  a.store.lose = TestStore::Lose::write;
  a.admit(1, "s1");
  lane_.run_for(Duration::millis(1));
  a.registry.reset();  // destroyed with a write under way: nothing may call back
  lane_.run_for(Duration::seconds(1));
  EXPECT_TRUE(a.done.empty());
}

}  // namespace
}  // namespace synod::master
