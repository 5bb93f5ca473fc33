#include "containerizer/plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "mesos/encoding.h"
#include "mesos/v1.h"

namespace synod::containerizer {
namespace {

namespace v1 = ::mesos::v1;

struct World {
  World() {
    options.work_dir = "/w";
    options.program = "/bin/synod";
    options.agent_endpoint = "127.0.0.1:5051";
    options.is_root = true;
    options.own_user = "root";
    options.environment = {{"SYNOD_CLUSTER", "c"}};
    framework.set_user("root");
    framework.set_name("f");
    executor.mutable_executor_id()->set_value("t1");
    v1::TaskInfo task;
    EXPECT_TRUE(mesos::from_json(
                    R"({"name":"t","task_id":{"value":"t1"},"agent_id":{"value":"a1"},
        "command":{"value":"true"},"resources":[
        {"name":"cpus","type":"SCALAR","scalar":{"value":0.5}},
        {"name":"mem","type":"SCALAR","scalar":{"value":64}}]})",
                    task)
                    .ok());
    tasks.push_back(task);
  }

  Result<Plan, Refusal> make(RunKind kind = RunKind::command) {
    return plan(options, Request{{"a1", "f1", "t1", "c1"}, kind, framework, executor, tasks});
  }

  Options options;
  v1::FrameworkInfo framework;
  v1::ExecutorInfo executor;
  std::vector<v1::TaskInfo> tasks;
};

TEST(Plan, a_command_task_gets_the_command_executor_in_the_layout_of_mesos) {
  World world;
  const auto made = world.make();
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->sandbox, "/w/slaves/a1/frameworks/f1/executors/t1/runs/c1");
  EXPECT_EQ(made->process.argv, (std::vector<std::string>{"/bin/synod", "executor"}));
  EXPECT_EQ(made->process.directory, made->sandbox);
  EXPECT_TRUE(made->process.barrier);
  EXPECT_TRUE(made->process.new_session);
  EXPECT_TRUE(made->process.cgroups.empty());
  EXPECT_EQ(made->sandbox_owner, "");
  const auto& env = made->process.env;
  EXPECT_EQ(env.at("MESOS_SANDBOX"), made->sandbox);
  EXPECT_EQ(env.at("MESOS_AGENT_ENDPOINT"), "127.0.0.1:5051");
  EXPECT_EQ(env.at("MESOS_RECOVERY_TIMEOUT"), "15mins");
  EXPECT_EQ(env.at("SYNOD_CLUSTER"), "c");
  EXPECT_EQ(env.at(container_variable), "c1");
  EXPECT_EQ(env.count("HOME"), 0U);
}

TEST(Plan, another_user_owns_the_sandbox_only_where_the_agent_may_switch) {
  World world;
  world.framework.set_user("nobody");
  EXPECT_EQ(world.make()->sandbox_owner, "nobody");
  EXPECT_EQ(world.make()->process.env.at("SYNOD_COMMAND_USER"), "nobody");
  world.options.switch_user = false;
  EXPECT_EQ(world.make()->sandbox_owner, "");
  EXPECT_EQ(world.make()->process.env.count("SYNOD_COMMAND_USER"), 0U);
}

TEST(Plan, a_custom_executor_runs_below_the_shim) {
  World world;
  world.executor.mutable_command()->set_value("./exec -x");
  auto* variable = world.executor.mutable_command()->mutable_environment()->add_variables();
  variable->set_name("MESOS_SANDBOX");
  variable->set_value("mine");
  const auto made = world.make(RunKind::custom);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->process.argv,
            (std::vector<std::string>{"/bin/synod", "shim",
                                      "--state_directory=" + made->sandbox + "/.synod",
                                      "--user=root", "--", "/bin/sh", "-c", "./exec -x"}));
  EXPECT_EQ(made->process.env.at("MESOS_SANDBOX"), "mine");  // the framework has the last word
}

TEST(Plan, limits_count_the_task_and_the_executor) {
  World world;
  world.options.cgroups = {CgroupVersion::v1, "/cg", "mesos", true, true, true};
  world.options.cgroups_enable_cfs = true;
  const auto made = world.make();
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->process.cgroups,
            (std::vector<std::string>{"/cg/freezer/mesos/c1", "/cg/cpu/mesos/c1",
                                      "/cg/memory/mesos/c1"}));
  std::map<std::string, std::string> writes;
  for (const FileWrite& write : made->cgroups.writes) {
    writes[write.path] = write.content;
  }
  EXPECT_EQ(writes["/cg/cpu/mesos/c1/cpu.shares"], "614");          // 1024 * 0.6
  EXPECT_EQ(writes["/cg/cpu/mesos/c1/cpu.cfs_quota_us"], "60000");  // of 100 ms
  EXPECT_EQ(writes["/cg/memory/mesos/c1/memory.limit_in_bytes"],
            std::to_string(std::max<std::uint64_t>(96U << 20, memory_bytes_min)));
}

TEST(Plan, the_unified_hierarchy_has_one_directory_for_all) {
  const Cgroups cgroups{CgroupVersion::v2, "/cg", "mesos", true, true, false};
  const CgroupPlan made = plan_cgroups(cgroups, "c1", CgroupLimits{1000, 500, 64U << 20});
  EXPECT_EQ(made.directories, (std::vector<std::string>{"/cg/mesos/c1"}));
  ASSERT_EQ(made.writes.size(), 3U);
  EXPECT_EQ(made.writes[0].content, "39");  // 1024 shares
  EXPECT_EQ(made.writes[1].content, "50000 100000");
  EXPECT_EQ(made.writes[2].path, "/cg/mesos/c1/memory.max");
  EXPECT_EQ(plan_destruction(cgroups, "c1").kill.front().path, "/cg/mesos/c1/cgroup.kill");
}

struct Refused {
  const char* name;
  const char* json;  // fields merged into the task
  const char* message_part;
  bool invalid;
};

class PlanRefuses : public testing::TestWithParam<Refused> {};

TEST_P(PlanRefuses, with_a_reason) {
  World world;
  v1::TaskInfo extra;
  EXPECT_TRUE(mesos::from_json(GetParam().json, extra).ok());
  world.tasks[0].MergeFrom(extra);
  const auto made = world.make();
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().invalid, GetParam().invalid);
  EXPECT_NE(made.error().message.find(GetParam().message_part), std::string::npos)
      << made.error().message;
}

#define REQUIRED R"("name":"t","task_id":{"value":"t1"},"agent_id":{"value":"a1"})"

INSTANTIATE_TEST_SUITE_P(
    All, PlanRefuses,
    testing::Values(
        Refused{"docker", "{" REQUIRED R"(,"container":{"type":"DOCKER","docker":{"image":"x"}}})",
                "Docker containers are not supported", false},
        Refused{
            "image",
            "{" REQUIRED
            R"(,"container":{"type":"MESOS","mesos":{"image":{"type":"DOCKER","docker":{"name":"x"}}}}})",
            "images are not supported", false},
        Refused{"uris", "{" REQUIRED R"(,"command":{"uris":[{"value":"http://x/y"}]}})",
                "fetching URIs", false},
        Refused{"health_check",
                "{" REQUIRED R"(,"health_check":{"type":"COMMAND","command":{"value":"true"}}})",
                "health checks are not supported", false},
        Refused{"no_such_id",
                "{"
                R"("name":"t","task_id":{"value":"a/b"},"agent_id":{"value":"a1"}})",
                "", true}),
    [](const auto& named) { return named.param.name; });

TEST(Cgroups, process_lists_and_oom_counts_are_read_as_the_kernel_writes_them) {
  EXPECT_EQ(parse_process_list("12\n7\n\nx\n-1\n"), (std::vector<std::int64_t>{12, 7}));
  EXPECT_EQ(parse_oom_kills("low 0\noom 1\noom_kill 3\noom_group_kill 0\n"), 3U);
  EXPECT_EQ(parse_oom_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"), 2U);
  EXPECT_EQ(parse_oom_kills(""), 0U);
}

TEST(Cgroups, what_was_found_is_told_in_words) {
  const CgroupWishes none;
  const CgroupWishes both{"/cg", "mesos", true, true};
  EXPECT_EQ(in_words(Cgroups{}, none), "no cgroups: not asked for, or not root");
  EXPECT_EQ(in_words(Cgroups{}, both), "no cgroups: none can be made below /cg");
  EXPECT_EQ(in_words({CgroupVersion::v1, "/cg", "mesos", true, true, true}, both), "cgroups v1");
  EXPECT_EQ(in_words({CgroupVersion::v2, "/cg", "mesos", true, false, false}, both),
            "cgroups v2 without the controller of memory");
}

TEST(Plan, durations_read_as_mesos_writes_them) {
  EXPECT_EQ(duration_text(Duration::seconds(5)), "5secs");
  EXPECT_EQ(duration_text(Duration::seconds(900)), "15mins");
  EXPECT_EQ(duration_text(Duration::millis(1500)), "1500ms");
  EXPECT_EQ(duration_text(Duration::seconds(7200)), "2hrs");
  EXPECT_EQ(duration_text(Duration::nanos(7)), "7ns");
}

}  // namespace
}  // namespace synod::containerizer
