#include "mesos/splice.h"

#include <gtest/gtest.h>

#include "mesos/encoding.h"
#include "mesos/v1.h"
#include "mesos/v1/scheduler.pb.h"

namespace synod::mesos {
namespace {

using ::mesos::v1::TaskInfo;
using ::mesos::v1::scheduler::Event;

TaskInfo task() {
  TaskInfo out;
  out.set_name(std::string(300, 'n'));
  out.mutable_task_id()->set_value("t1");
  out.mutable_agent_id()->set_value("a1");
  for (const double amount : {0.5, 64.0}) {
    auto& resource = *out.add_resources();
    resource.set_name(amount < 1 ? "cpus" : "mem");
    resource.set_type(::mesos::v1::Value::SCALAR);
    resource.mutable_scalar()->set_value(amount);
  }
  out.mutable_command()->set_value("true");
  out.mutable_max_completion_time()->set_nanoseconds(-5);  // ten bytes as a varint
  return out;
}

TEST(Splice, AMessageWithoutFieldsIsTheMessageWithThemCleared) {
  const TaskInfo whole = task();
  TaskInfo cleared = whole;
  cleared.clear_resources();
  cleared.clear_agent_id();
  EXPECT_EQ(without_fields(encode_protobuf(whole),
                           {TaskInfo::kResourcesFieldNumber, TaskInfo::kAgentIdFieldNumber}),
            cleared.SerializePartialAsString());
  EXPECT_EQ(without_fields(encode_protobuf(whole), {}), encode_protobuf(whole));
  EXPECT_EQ(without_fields("", {1}), "");
}

TEST(Splice, PartsPutTogetherAreTheMessageThatHoldsThem) {
  Event event;
  event.set_type(Event::UPDATE);
  auto& status = *event.mutable_update()->mutable_status();
  status.mutable_task_id()->set_value("t1");
  status.set_state(::mesos::v1::TASK_RUNNING);
  status.set_data(std::string(20'000, 'x'));
  Bytes update;
  append_field(update, Event::Update::kStatusFieldNumber, encode_protobuf(status));
  Bytes out;
  append_number(out, Event::kTypeFieldNumber, Event::UPDATE);
  append_field(out, Event::kUpdateFieldNumber, update);
  EXPECT_EQ(out, encode_protobuf(event));
}

}  // namespace
}  // namespace synod::mesos
