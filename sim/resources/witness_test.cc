// What the judge demands of a task's end, and what nobody can know.
#include "sim/resources/witness.h"

#include <gtest/gtest.h>

#include <memory>

#include "sim/machine.h"

namespace synod::sim::resources {
namespace {

// A command of 10 ms without error, then a power cut so long after, and what was told.
std::vector<std::string> judge_cut(Duration after_end, const std::string& told,
                                   std::int64_t slowness = 1) {
  World world(WorldOptions{});
  Witness witness(world, {4000, 4'000'000});
  SimMachine& machine =
      world.add_machine({.name = "a1", .address = "10.0.3.1", .disk = {}, .clock_offset = {}});
  machine.disk().faults().slowness = slowness;
  SimProcess& executor = machine.start("executor", [](SimProcess& process) -> Program {
    ports::ProcessSpec spec;
    spec.argv = {"/bin/sh", "-c", "sleep 0.010; exit 0; task t1 100 32000"};
    auto child = process.processes().spawn(process.main_lane(), spec);
    return std::shared_ptr<ports::Child>(std::move(child).value());
  });
  world.run_until(world.now() + Duration::seconds(1), [&] {
    return !witness.runs().empty() && witness.runs().front().ended.has_value();
  });
  EXPECT_TRUE(executor.alive());  // and no task of this machine is
  world.run_for(after_end);
  machine.power_off();
  TaskRecord task;
  task.id = "t1";
  task.terminal = told;
  task.terminal_at = world.now() + Duration::seconds(1);
  return judge(witness, {{task.id, task}});
}

TEST(Witness, an_end_that_was_on_no_disk_when_the_power_went_need_not_be_known) {
  EXPECT_EQ(judge_cut(Duration::millis(1), "TASK_FAILED"), std::vector<std::string>());
  EXPECT_EQ(judge_cut(Duration::millis(1), "TASK_FINISHED"), std::vector<std::string>());
}

TEST(Witness, an_end_long_before_the_power_went_must_be_told_as_it_was) {
  EXPECT_EQ(judge_cut(Duration::seconds(5), "TASK_FAILED").size(), 1U);
  EXPECT_EQ(judge_cut(Duration::seconds(5), "TASK_FINISHED"), std::vector<std::string>());
}

TEST(Witness, a_slow_disk_takes_longer_to_hold_an_end) {
  const Duration after = Duration::millis(400);
  EXPECT_EQ(judge_cut(after, "TASK_FAILED").size(), 1U);
  EXPECT_EQ(judge_cut(after, "TASK_FAILED", 256), std::vector<std::string>());
}

TEST(Witness, an_end_that_nobody_ever_told_is_found_whatever_the_power_did) {
  EXPECT_EQ(judge_cut(Duration::millis(1), "").size(), 1U);
}

}  // namespace
}  // namespace synod::sim::resources
