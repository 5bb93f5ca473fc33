#include "services/record_json.h"

#include <gtest/gtest.h>

namespace synod::services {
namespace {

core::App an_app() {
  core::App app;
  app.name = "web";
  app.command = "exec sleep $PORT0";
  app.cpus_milli = 250;
  app.mem_milli = 64'000;
  app.ports = 2;
  app.instances = 3;
  app.env = {{"A", "b \"c\""}};
  app.restart = core::RestartPolicy::on_failure;
  app.version = 7;
  return app;
}

TEST(RecordJson, what_is_stored_is_read_back) {
  core::Record record;
  record.app = an_app();
  record.removed = true;
  core::Instance instance;
  instance.index = 2;
  instance.task_id = "web.2.t-1";
  instance.agent_id = "S0";
  instance.agent_name = "a1";
  instance.ports = {31000, 31001};
  instance.version = 7;
  instance.restarts = 4;
  core::Instance over;
  over.index = 3;
  over.phase = core::Phase::finished;
  over.last = "exit status 0";
  record.instances = {instance, over};
  const auto read = record_from_json(record_to_json(record));
  ASSERT_TRUE(read.ok()) << to_string(read.error());
  EXPECT_EQ(read->app, record.app);
  EXPECT_TRUE(read->removed);
  EXPECT_EQ(read->instances, record.instances);
}

Result<core::App> parse(const std::string& text) {
  const auto json = http::parse_json(text);
  EXPECT_TRUE(json.ok());
  return app_from_json(*json);
}

TEST(RecordJson, marathon_defaults_hold) {
  const auto app = parse(R"({"id": "/web", "cmd": "x"})");
  ASSERT_TRUE(app.ok());
  EXPECT_EQ(app->name, "web");
  EXPECT_EQ(app->cpus_milli, 1000);
  EXPECT_EQ(app->mem_milli, 128'000);
  EXPECT_EQ(app->instances, 1U);
}

TEST(RecordJson, what_cannot_be_honoured_is_refused_in_words) {
  const char* bad[] = {
      R"({"id": "/web"})",
      R"({"id": "/a/b", "cmd": "x"})",
      R"({"id": "/web", "cmd": "x", "cpus": -1})",
      R"({"id": "/web", "cmd": "x", "cpus": "1"})",
      R"({"id": "/web", "cmd": "x", "instances": 1.5})",
      R"({"id": "/web", "cmd": "x", "container": {"type": "DOCKER"}})",
      R"({"id": "/web", "cmd": "x", "constraints": [["hostname", "UNIQUE"]]})",
      R"({"id": "/web", "cmd": "x", "env": {"A": {"secret": "s"}}})",
      R"({"id": "/web", "cmd": "x", "restartPolicy": "sometimes"})",
      R"([])",
  };
  for (const char* text : bad) {
    const auto app = parse(text);
    EXPECT_FALSE(app.ok()) << text;
  }
  EXPECT_EQ(parse(bad[5]).error().message, "container is not supported");
}

TEST(RecordJson, any_bytes_give_a_record_or_an_error) {
  for (const char* text :
       {"", "{", "{}", "null", R"({"format": 2})", R"({"format": 1, "app": 3})"}) {
    EXPECT_FALSE(record_from_json(text).ok()) << text;
  }
}

}  // namespace
}  // namespace synod::services
