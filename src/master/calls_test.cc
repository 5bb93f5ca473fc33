#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "master/agent_calls.h"
#include "master/identity.h"
#include "master/outgoing.h"
#include "master/scheduler_calls.h"
#include "mesos/encoding.h"
#include "mesos/internal.h"
#include "mesos/v1/scheduler.pb.h"
#include "resources/text.h"

namespace synod::master {
namespace {

using mesos::v1::scheduler::Call;
using ::testing::HasSubstr;

Call call_of(const std::string& json) {
  Call call;
  auto read = mesos::from_json(json, call);
  EXPECT_TRUE(read.ok()) << read.error().message;
  return call;
}

std::string error_of(const std::string& json) { return call_error(call_of(json)).value_or("good"); }

TEST(CallError, names_what_is_missing) {
  EXPECT_THAT(error_of("{}"), HasSubstr("'type'"));
  EXPECT_THAT(error_of(R"({"type":"NO_SUCH_CALL"})"), HasSubstr("'type'"));
  EXPECT_THAT(error_of(R"({"type":"ACCEPT","framework_id":{"value":"f"}})"), HasSubstr("'accept'"));
  EXPECT_THAT(error_of(R"({"type":"REVIVE"})"), HasSubstr("'framework_id'"));
  EXPECT_EQ(error_of(R"({"type":"REVIVE","framework_id":{"value":"f"}})"), "good");
  EXPECT_EQ(error_of(R"({"type":"TEARDOWN","framework_id":{"value":"f"}})"), "good");
}

TEST(CallError, subscribe_names_one_framework) {
  const std::string info = R"("subscribe":{"framework_info":{"user":"u","name":"n")";
  EXPECT_EQ(error_of(R"({"type":"SUBSCRIBE",)" + info + "}}}"), "good");
  EXPECT_THAT(error_of(R"({"type":"SUBSCRIBE","framework_id":{"value":"a"},)" + info + "}}}"),
              HasSubstr("differs"));
  EXPECT_EQ(error_of(R"({"type":"SUBSCRIBE","framework_id":{"value":"a"},)" + info +
                     R"(,"id":{"value":"a"}}}})"),
            "good");
}

TEST(CallError, uuids_have_16_bytes) {
  const std::string head =
      R"({"type":"ACKNOWLEDGE","framework_id":{"value":"f"},"acknowledge":{"agent_id":)"
      R"({"value":"a"},"task_id":{"value":"t"},"uuid":")";
  EXPECT_EQ(error_of(head + R"(AAAAAAAAAAAAAAAAAAAAAA=="}})"), "good");
  EXPECT_THAT(error_of(head + R"(AAAA"}})"), HasSubstr("16 bytes"));
}

TEST(EventOf, accept_carries_tasks_and_what_is_wrong_with_them) {
  const auto event = event_of(call_of(
      R"({"type":"ACCEPT","framework_id":{"value":"f"},"accept":{"offer_ids":[{"value":"o1"}],)"
      R"("filters":{"refuse_seconds":-1},"operations":[{"type":"LAUNCH","launch":{"task_infos":[)"
      R"({"name":"a","task_id":{"value":"t1"},"agent_id":{"value":"s"},"command":{"value":"x"},)"
      R"("resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":0.1}}]},)"
      R"({"name":"b","task_id":{"value":"a/b"},"agent_id":{"value":"s"},"command":{"value":"x"}},)"
      R"({"name":"c","task_id":{"value":"t3"},"agent_id":{"value":"s"},"command":{"value":"x"},)"
      R"("resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":-1}}]}]}},)"
      R"({"type":"OF_A_LATER_VERSION"}]}})"));
  ASSERT_TRUE(event.has_value());
  const auto& accept = std::get<core::Accept>(*event);
  EXPECT_EQ(accept.framework.value, "f");
  EXPECT_EQ(accept.refuse, Duration::seconds(5));
  ASSERT_EQ(accept.operations.size(), 1U);
  const auto& tasks = accept.operations[0].tasks;
  ASSERT_EQ(tasks.size(), 3U);
  EXPECT_EQ(tasks[0].malformed, "");
  EXPECT_EQ(resources::to_string(tasks[0].resources), "cpus:0.1");
  EXPECT_THAT(tasks[1].malformed, HasSubstr("slash"));
  EXPECT_THAT(tasks[2].malformed, HasSubstr("negative"));
}

TEST(EventOf, calls_without_effect_are_none) {
  EXPECT_FALSE(
      event_of(call_of(R"({"type":"REQUEST","framework_id":{"value":"f"},"request":{}})")));
}

core::ToFramework offer_to(const core::Capabilities& capabilities) {
  mesos::v1::AgentInfo description;
  description.set_hostname("h");
  auto* attribute = description.add_attributes();
  attribute->set_name("rack");
  attribute->set_type(mesos::v1::Value::TEXT);
  attribute->mutable_text()->set_value("r1");
  core::AgentInfo info;
  info.hostname = "h";
  info.ip = "127.0.0.1";
  info.bytes = mesos::encode_protobuf(description);
  core::Offer offer;
  offer.id.value = "m-O1";
  offer.agent.value = "m-S0";
  offer.role = "dev";
  offer.resources = *resources::parse_resources("cpus:1;ports(dev):[31000-31001]");
  offer.agent_info = std::make_shared<const core::AgentInfo>(info);
  return {core::Stream(1), capabilities, core::Offers{{offer}}};
}

TEST(FrameworkEvent, golden_offer_for_old_and_new_frameworks) {
  const std::string head =
      R"({"type":"OFFERS","offers":{"offers":[{"id":{"value":"m-O1"},"framework_id":{"value":)"
      R"("m-0000"},"agent_id":{"value":"m-S0"},"hostname":"h","url":{"scheme":"http","address":)"
      R"~({"hostname":"h","ip":"127.0.0.1","port":5051},"path":"/slave(1)"},"resources":[)~";
  const std::string attributes =
      R"(],"attributes":[{"name":"rack","type":"TEXT","text":{"value":"r1"}}])";
  EXPECT_EQ(
      framework_event(offer_to({}), {"m-0000"}, {}, mesos::Encoding::json),
      head +
          R"({"name":"cpus","type":"SCALAR","scalar":{"value":1.0},"role":"*"},)"
          R"({"name":"ports","type":"RANGES","ranges":{"range":[{"begin":31000,"end":31001}]},)"
          R"("role":"dev"})" +
          attributes + "}]}}");
  core::Capabilities modern;
  modern.multi_role = true;
  modern.reservation_refinement = true;
  EXPECT_EQ(
      framework_event(offer_to(modern), {"m-0000"}, {}, mesos::Encoding::json),
      head +
          R"({"name":"cpus","type":"SCALAR","scalar":{"value":1.0},"allocation_info":{"role":)"
          R"("dev"}},{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":31000,"end":)"
          R"(31001}]},"allocation_info":{"role":"dev"},"reservations":[{"type":"STATIC","role":)"
          R"("dev"}]})" +
          attributes + R"(,"allocation_info":{"role":"dev"}}]}})");
}

TEST(FrameworkEvent, heartbeat_is_only_a_type) {
  EXPECT_EQ(heartbeat_event(mesos::Encoding::json), R"({"type":"HEARTBEAT"})");
}

TEST(FrameworkEvent, a_status_of_the_master_has_no_uuid) {
  core::TaskStatus status;
  status.task.value = "t";
  status.state = core::TaskState::lost;
  status.reason = core::reason::reconciliation;
  status.timestamp.millis = 1500;
  EXPECT_EQ(framework_event({core::Stream(1), {}, core::Update{status}}, {"f"}, {},
                            mesos::Encoding::json),
            R"({"type":"UPDATE","update":{"status":{"task_id":{"value":"t"},"state":"TASK_LOST",)"
            R"("source":"SOURCE_MASTER","reason":"REASON_RECONCILIATION","timestamp":1.5}}})");
}

TEST(AgentEvent, a_launch_is_complete) {
  core::Launch launch;
  launch.framework.value = "f";
  mesos::v1::FrameworkInfo framework;
  framework.set_user("u");
  framework.set_name("n");
  launch.framework_info = framework_info_of(framework);
  launch.role = "dev";
  const auto event = event_of(call_of(
      R"({"type":"ACCEPT","framework_id":{"value":"f"},"accept":{"operations":[{"type":"LAUNCH",)"
      R"("launch":{"task_infos":[{"name":"a","task_id":{"value":"t1"},"agent_id":{"value":"s"},)"
      R"("executor":{"executor_id":{"value":"e"},"command":{"value":"x"}},"resources":[)"
      R"({"name":"cpus","type":"SCALAR","scalar":{"value":0.1},"role":"*"}]}]}}]}})"));
  launch.task = std::get<core::Accept>(*event).operations[0].tasks[0];
  core::ToAgent effect{core::Stream(1), {"s"}, {}, launch};
  effect.leadership.epoch = MasterEpoch(7);
  mesos::internal::MasterEvent message;
  ASSERT_TRUE(mesos::decode_protobuf(agent_event(effect, "id", {}), message).ok());
  EXPECT_EQ(message.epoch().counter(), 7U);
  const auto& task = message.launch().task();
  EXPECT_EQ(message.launch().framework().id().value(), "f");
  EXPECT_EQ(task.executor().framework_id().value(), "f");
  ASSERT_EQ(task.resources_size(), 1);
  EXPECT_EQ(task.resources(0).allocation_info().role(), "dev");
  EXPECT_FALSE(task.resources(0).has_role());
}

TEST(AgentSubscription, carries_what_runs_there) {
  mesos::internal::AgentCall call;
  auto& subscribe = *call.mutable_subscribe();
  subscribe.mutable_agent_info()->set_hostname("h");
  auto& task = *subscribe.add_tasks();
  task.set_name("t");
  task.mutable_task_id()->set_value("t1");
  task.mutable_framework_id()->set_value("f");
  task.mutable_agent_id()->set_value("s");
  task.set_state(mesos::v1::TASK_RUNNING);
  task.set_status_update_uuid("0123456789abcdef");
  auto event = agent_subscription_of(call, core::Stream(3), "127.0.0.9");
  ASSERT_TRUE(event.ok());
  EXPECT_EQ(event->info.ip, "127.0.0.9");
  ASSERT_EQ(event->tasks.size(), 1U);
  EXPECT_EQ(event->tasks[0].state, core::TaskState::running);
  EXPECT_TRUE(event->tasks[0].update_uuid.has_value());
  auto* bad = subscribe.mutable_agent_info()->add_resources();
  bad->set_name("cpus");
  bad->set_type(mesos::v1::Value::SCALAR);
  EXPECT_FALSE(agent_subscription_of(call, core::Stream(3), "").ok());
}

TEST(Identity, is_read_as_it_was_written_and_as_others_write_it) {
  Identity master;
  master.id = "m";
  master.hostname = "host";
  master.ip = "127.0.0.1";
  master.port = 5051;
  master.pid = 42;
  master.started.millis = 1700000000123;
  const std::string data = candidate_data(master);
  EXPECT_THAT(data, HasSubstr(R"("ip":16777343,"port":5051,"pid":"master@127.0.0.1:5051")"));
  EXPECT_EQ(read_candidate_data(data), master);
  const auto other = read_candidate_data(R"({"id":"x","ip":16777343,"port":5050})");
  ASSERT_TRUE(other.has_value());
  EXPECT_EQ(address_of(*other), "127.0.0.1:5050");
  EXPECT_FALSE(read_candidate_data("{}").has_value());
  EXPECT_FALSE(read_candidate_data("\xff").has_value());
}

}  // namespace
}  // namespace synod::master
