#include "sim/resources/meddler.h"

#include <gtest/gtest.h>

#include <memory>

#include "sim/coordination/toy_server.h"
#include "sim/network.h"

namespace synod::sim::resources {
namespace {

// The first removal is answered, the last one is lost with the connection: what was put back in
// between must go all the same, or it leads for ever.
TEST(Meddler, what_was_put_back_is_removed_though_an_earlier_removal_was_answered) {
  coordination::Store store;
  World world(WorldOptions{});
  world.network().options().latency_min = Duration::millis(5);
  world.network().options().latency_max = Duration::millis(5);
  SimMachine& server =
      world.add_machine({.name = "n1", .address = "10.0.0.1", .disk = {}, .clock_offset = {}});
  SimMachine& client =
      world.add_machine({.name = "f1", .address = "10.0.4.1", .disk = {}, .clock_offset = {}});
  const auto start = [&]() -> SimProcess& {
    return server.start("toy", [&](SimProcess& process) {
      return std::make_shared<coordination::Toy>(process, store);
    });
  };
  SimProcess& first = start();
  coordination::ClientOptions options;
  options.servers = {{"10.0.0.1", 2181}};
  options.session_timeout_ms = 60'000;
  SimProcess& process = client.start(
      "meddler", [&](SimProcess& self) { return std::make_shared<Meddler>(self, options); });
  world.run_for(Duration::seconds(1));
  const std::string path = "/candidate";
  const auto there = [&] { return store.state.tree().find(path) != nullptr; };
  auto& meddler = *process.program<Meddler>();
  meddler.put(path, "m1");
  world.run_for(Duration::millis(100));
  ASSERT_TRUE(there());

  meddler.remove(path);
  world.run_for(Duration::millis(2));
  meddler.put(path, "m1");
  world.run_for(Duration::millis(7));
  meddler.remove(path);
  // The answers of the first two come back, the third call is still on its way.
  world.run_for(Duration::millis(4));
  first.kill();
  ASSERT_TRUE(there());
  world.run_for(Duration::millis(50));
  start();
  world.run_for(Duration::seconds(10));
  EXPECT_FALSE(there());
}

}  // namespace
}  // namespace synod::sim::resources
