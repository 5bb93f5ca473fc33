#include "translate/task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mesos/encoding.h"
#include "mesos/v1.h"
#include "translate/framework.h"
#include "translate/ids.h"

namespace synod::translate {
namespace {

using ::testing::HasSubstr;

std::string problem(const std::string& members) {
  mesos::v1::TaskInfo task;
  auto read = mesos::from_json(
      R"({"name":"t","task_id":{"value":"t1"},"agent_id":{"value":"a"},)" + members + "}", task);
  return read.ok() ? task_error(task).value_or("good") : read.error().message;
}

const std::string cpus = R"("resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":1}}])";

TEST(Ids, become_directories) {
  EXPECT_EQ(id_error("a b.c-1"), std::nullopt);
  for (const char* bad : {"", ".", "..", "a/b", "a\\b", "a\nb", "a\x7f"}) {
    EXPECT_NE(id_error(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(id_error(std::string(255, 'x')), std::nullopt);
  EXPECT_NE(id_error(std::string(256, 'x')), std::nullopt);
}

TEST(Task, runs_exactly_one_thing) {
  EXPECT_EQ(problem(cpus + R"(,"command":{"value":"true"})"), "good");
  EXPECT_THAT(problem(cpus), HasSubstr("exactly one"));
  EXPECT_THAT(problem(cpus + R"(,"command":{"value":"true"},"executor":{"executor_id":)"
                             R"({"value":"e"},"command":{"value":"true"}})"),
              HasSubstr("exactly one"));
  EXPECT_THAT(problem(cpus + R"(,"executor":{"executor_id":{"value":"e"}})"),
              HasSubstr("needs a command"));
  EXPECT_THAT(problem(cpus + R"(,"command":{})"), HasSubstr("value"));
  EXPECT_EQ(problem(cpus + R"(,"command":{"shell":false})"), "good");
}

TEST(Task, refuses_bad_parts_by_name) {
  const std::string run = cpus + R"(,"command":{"value":"true"},)";
  EXPECT_THAT(problem(run + R"("kill_policy":{"grace_period":{"nanoseconds":-1}})"),
              HasSubstr("grace period"));
  EXPECT_THAT(problem(run + R"("limits":{"disk":{"value":1}})"), HasSubstr("only cpus and mem"));
  EXPECT_THAT(problem(run + R"("limits":{"cpus":{"value":0.5}})"), HasSubstr("below"));
  EXPECT_EQ(problem(run + R"("limits":{"cpus":{"value":"Infinity"}})"), "good");
  EXPECT_THAT(problem(run + R"("health_check":{"type":"HTTP","http":{"port":1,"path":"x"}})"),
              HasSubstr("start with '/'"));
  EXPECT_THAT(problem(run + R"("health_check":{"type":"TCP"})"), HasSubstr("'tcp'"));
  EXPECT_THAT(problem(run + R"("check":{"type":"COMMAND"})"), HasSubstr("'command'"));
  EXPECT_THAT(problem(run + R"("container":{"type":"DOCKER"})"), HasSubstr("'docker'"));
  EXPECT_THAT(problem(cpus + R"(,"command":{"value":"true","environment":{"variables":[)"
                             R"({"name":"A","type":"SECRET"}]}})"),
              HasSubstr("SECRET"));
}

TEST(Task, resources_are_of_one_role) {
  EXPECT_THAT(
      problem(R"("command":{"value":"true"},"resources":[{"name":"cpus","type":"SCALAR","scalar":)"
              R"({"value":1},"allocation_info":{"role":"a"}},{"name":"mem","type":"SCALAR",)"
              R"("scalar":{"value":1},"allocation_info":{"role":"b"}}])"),
      HasSubstr("more than one role"));
}

mesos::v1::FrameworkInfo framework(const std::string& members) {
  mesos::v1::FrameworkInfo info;
  auto read = mesos::from_json(R"({"user":"u","name":"n")" + members + "}", info);
  EXPECT_TRUE(read.ok());
  return info;
}

TEST(Framework, one_role_or_many) {
  EXPECT_EQ(*roles_of(framework("")), std::vector<std::string>{"*"});
  EXPECT_EQ(*roles_of(framework(R"(,"role":"a/b")")), std::vector<std::string>{"a/b"});
  const std::string multi = R"(,"capabilities":[{"type":"MULTI_ROLE"}])";
  EXPECT_EQ(*roles_of(framework(multi + R"(,"roles":["b","a"])")),
            (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(roles_of(framework(multi))->empty());
  EXPECT_FALSE(roles_of(framework(multi + R"(,"role":"a")")).ok());
  EXPECT_FALSE(roles_of(framework(multi + R"(,"roles":["a","a"])")).ok());
  EXPECT_FALSE(roles_of(framework(R"(,"roles":["a"])")).ok());
  EXPECT_FALSE(roles_of(framework(R"(,"role":"/a")")).ok());
}

TEST(Framework, failover_timeout_is_a_duration) {
  EXPECT_EQ(*failover_timeout_of(framework("")), Duration());
  EXPECT_EQ(*failover_timeout_of(framework(R"(,"failover_timeout":604800)")),
            Duration::seconds(604800));
  EXPECT_FALSE(check_framework(framework(R"(,"failover_timeout":-1)")).ok());
  EXPECT_FALSE(check_framework(framework(R"(,"failover_timeout":1e300)")).ok());
}

}  // namespace
}  // namespace synod::translate
