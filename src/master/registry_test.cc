#include "master/registry.h"

#include <gtest/gtest.h>

#include <map>

#include "base/log.h"
#include "election/names.h"
#include "master/scheduler_calls.h"
#include "mesos/v1.h"
#include "ports/entropy.h"

namespace synod::master {
namespace {

class NoLog : public Log {
 public:
  bool enabled(LogLevel) const override { return false; }
  void write(LogLevel, std::string_view, std::string_view) override {}
};

class NoEntropy : public ports::Entropy {
 public:
  std::uint64_t next() override { return 4; }
};

// Runs what was posted, and timers in their order, when told to.
class StepLane : public ports::Lane {
 public:
  bool try_post(ports::Task task) override {
    after(Duration(), std::move(task));
    return true;
  }
  ports::TimerId after(Duration delay, ports::Task task) override {
    const ports::TimerId id(++made_);
    tasks_[{now_ + delay, id}] = std::move(task);
    return id;
  }
  void cancel(ports::TimerId timer) override {
    std::erase_if(tasks_, [timer](const auto& entry) { return entry.first.second == timer; });
  }
  Instant now() const override { return now_; }
  WallTime wall() const override { return {now_.millis()}; }
  Log& log() override { return log_; }
  ports::Entropy& entropy() override { return entropy_; }

  void run_for(Duration span) {
    const Instant end = now_ + span;
    while (!tasks_.empty() && tasks_.begin()->first.first <= end) {
      auto next = tasks_.extract(tasks_.begin());
      now_ = std::max(now_, next.key().first);
      next.mapped()();
    }
    now_ = end;
  }

 private:
  std::map<std::pair<Instant, ports::TimerId>, ports::Task> tasks_;
  Instant now_ = Instant::from_millis(1000);
  std::uint64_t made_ = 0;
  NoLog log_;
  NoEntropy entropy_;
};

// A coordination service in memory, shared by the stores of several masters.
struct Service {
  std::map<std::string, StoredNode> nodes;
  std::size_t writes = 0;

  Status write(const std::vector<StoreChange>& changes) {
    auto copy = nodes;
    for (const StoreChange& change : changes) {
      auto found = copy.find(change.path);
      if (change.kind == StoreChange::Kind::create) {
        if (found != copy.end()) {
          return Error{ErrorCode::busy, "node exists"};
        }
        copy[change.path] = {change.data, 0};
        continue;
      }
      if (found == copy.end()) {
        return Error{ErrorCode::not_found, change.path};
      }
      if (change.version != StoreChange::any_version && change.version != found->second.version) {
        return Error{ErrorCode::busy, "bad version"};
      }
      if (change.kind == StoreChange::Kind::set) {
        found->second = {change.data, found->second.version + 1};
      } else if (change.kind == StoreChange::Kind::remove) {
        copy.erase(found);
      }
    }
    nodes = std::move(copy);
    ++writes;
    return {};
  }
};

class TestStore : public Store {
 public:
  TestStore(ports::Lane& lane, Service& service) : lane_(lane), service_(service) {}

  // The next write is made, or not made, and its answer is lost.
  enum class Lose { nothing, answer, write };
  Lose lose = Lose::nothing;
  std::vector<std::string> log;

  void read(const std::string& path, std::function<void(Result<StoredNode>)> done) override {
    log.push_back("read " + path);
    lane_.after(Duration::millis(1), [this, path, done] {
      auto found = service_.nodes.find(path);
      if (found == service_.nodes.end()) {
        done(Error{ErrorCode::not_found, path});
      } else {
        done(found->second);
      }
    });
  }
  void children(const std::string& path,
                std::function<void(Result<std::vector<std::string>>)> done) override {
    lane_.after(Duration::millis(1), [this, path, done] {
      std::vector<std::string> names;
      for (const auto& node : service_.nodes) {
        if (node.first.compare(0, path.size() + 1, path + "/") == 0) {
          names.push_back(node.first.substr(path.size() + 1));
        }
      }
      done(names);
    });
  }
  void write(std::vector<StoreChange> changes, std::function<void(Status)> done) override {
    log.push_back("write " + changes.back().path);
    lane_.after(Duration::millis(1), [this, changes, done] {
      const Lose now = std::exchange(lose, Lose::nothing);
      Status made = now == Lose::write ? Status{} : service_.write(changes);
      done(now == Lose::nothing ? made : Status(Error{ErrorCode::closed, "connection lost"}));
    });
  }
  void sync(std::function<void(Status)> done) override {
    lane_.after(Duration::millis(1), [done] { done({}); });
  }

 private:
  ports::Lane& lane_;
  Service& service_;
};

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
