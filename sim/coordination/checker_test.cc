// The client, the workload and the checkers against a server of one process that can be told to
// misbehave: every checker must be quiet about the honest one and find its own kind of lie.
#include "sim/coordination/checker.h"

#include <gtest/gtest.h>

#include <memory>

#include "sim/coordination/scenario.h"
#include "sim/coordination/toy_server.h"
#include "sim/coordination/workload.h"
#include "sim/network.h"

namespace synod::sim::coordination {
namespace {

Findings run(std::uint64_t seed, Lie lie, std::size_t* operations = nullptr) {
  Store store;
  WorldOptions world_options;
  world_options.seed = seed;
  World world(world_options);
  store.lie = lie;
  if (lie == Lie::late_event || lie == Lie::drop_event) {
    store.countdown = 8;
  }
  SimMachine& server =
      world.add_machine({.name = "server", .address = "10.0.0.1", .disk = {}, .clock_offset = {}});
  SimMachine& clients =
      world.add_machine({.name = "clients", .address = "10.0.0.2", .disk = {}, .clock_offset = {}});
  auto start_server = [&] {
    server.start("toy", [&](SimProcess& process) { return std::make_shared<Toy>(process, store); });
  };
  start_server();
  History history;
  ClientOptions client;
  client.servers = {{"10.0.0.1", 2181}};
  client.number = 100;
  SimProcess& ground = clients.start("groundwork", [&](SimProcess& process) {
    return std::make_shared<Groundwork>(process, history, client, 3);
  });
  EXPECT_TRUE(world.run_until(world.now() + Duration::seconds(10), [&] {
    return ground.program<Groundwork>() != nullptr && ground.program<Groundwork>()->done();
  }));
  std::vector<SimProcess*> working;
  for (int number = 0; number < 3; ++number) {
    WorkloadOptions options;
    options.client = client;
    options.client.number = number;
    options.clients = 3;
    working.push_back(&clients.start("client", [&history, options](SimProcess& process) {
      return std::make_shared<Workload>(process, history, options);
    }));
  }
  for (int i = 0; i < 6; ++i) {
    world.run_for(Duration::millis(300));
    if (i % 2 == 0) {
      world.network().break_any_stream();
    } else {
      server.processes().back()->kill();
      world.run_for(Duration::millis(5));
      start_server();
    }
  }
  EXPECT_TRUE(world.run_until(world.now() + Duration::seconds(60), [&] {
    for (SimProcess* process : working) {
      if (!process->program<Workload>()->done()) {
        return false;
      }
    }
    return true;
  }));
  client.number = 101;
  SimProcess& audit = clients.start("audit", [&](SimProcess& process) {
    return std::make_shared<Audit>(process, history, client);
  });
  EXPECT_TRUE(world.run_until(world.now() + Duration::seconds(10), [&] {
    return audit.program<Audit>() != nullptr && audit.program<Audit>()->done();
  }));
  history.audited = true;
  if (operations != nullptr) {
    *operations = history.operations.size();
  }
  return check_history(history);
}

TEST(Checkers, are_quiet_about_an_honest_server) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    std::size_t operations = 0;
    const Findings findings = run(seed, Lie::none, &operations);
    EXPECT_GT(operations, 400u);
    for (const std::string& finding : findings.all()) {
      ADD_FAILURE() << "seed " << seed << ": " << finding;
    }
  }
}

void expect_found(Lie lie) {
  int found = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    found += run(seed, lie).none() ? 0 : 1;
  }
  EXPECT_GE(found, 3);
}

TEST(Checkers, find_a_lost_write) { expect_found(Lie::lose_write); }
TEST(Checkers, find_a_write_applied_twice) { expect_found(Lie::apply_twice); }
TEST(Checkers, find_a_read_that_goes_back) { expect_found(Lie::stale_read); }
TEST(Checkers, find_an_event_after_the_change_was_seen) { expect_found(Lie::late_event); }
TEST(Checkers, find_an_event_that_never_came) { expect_found(Lie::drop_event); }

// The whole scenario, every fault of it, over servers that share one honest state.
TEST(Scenario, finds_nothing_wrong_with_servers_that_share_their_state) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    Store store;
    ScenarioOptions options;
    options.seed = seed;
    const Verdict verdict = run_scenario(options, [&](SimProcess& process, const ServerPlan&) {
      return std::make_shared<Toy>(process, store);
    });
    for (const std::string& finding : verdict.findings) {
      ADD_FAILURE() << "seed " << seed << " (" << verdict.parameters << "): " << finding;
    }
  }
}

TEST(Scenario, same_seed_same_digest) {
  std::uint64_t digests[2];
  for (std::uint64_t& digest : digests) {
    Store store;
    ScenarioOptions options;
    options.seed = 5;
    digest = run_scenario(options, [&](SimProcess& process, const ServerPlan&) {
               return std::make_shared<Toy>(process, store);
             }).digest;
  }
  EXPECT_EQ(digests[0], digests[1]);
}

}  // namespace
}  // namespace synod::sim::coordination
