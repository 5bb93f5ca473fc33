// v1 calls and the internal protocol, in JSON and protobuf, as anybody may post them.
#include "fuzz/fuzz.h"
#include "mesos/encoding.h"
#include "mesos/internal.pb.h"
#include "mesos/v1/agent.pb.h"
#include "mesos/v1/executor.pb.h"
#include "mesos/v1/master.pb.h"
#include "mesos/v1/scheduler.pb.h"

namespace synod::fuzz {
namespace {

// What was understood is written in one way, and understood again as the same.
template <typename Message>
void both_ways(ByteView input) {
  for (const auto encoding : {mesos::Encoding::json, mesos::Encoding::protobuf}) {
    Message message;
    if (!mesos::decode(encoding, input, message).ok()) {
      continue;
    }
    const Bytes json = mesos::encode(mesos::Encoding::json, message);
    Message again;
    const Status read = mesos::decode(mesos::Encoding::json, json, again);
    if (read.ok()) {
      SYNOD_CHECK(mesos::encode(mesos::Encoding::json, again) == json);
    } else {
      // protobuf may carry strings that are not UTF-8, and numbers that JSON has no words for.
      SYNOD_CHECK(encoding == mesos::Encoding::protobuf);
    }
  }
}

void one(ByteView input) {
  if (input.empty()) {
    return;
  }
  const auto which = static_cast<std::uint8_t>(input.front());
  input.remove_prefix(1);
  switch (which % 6) {
    case 0: both_ways<::mesos::v1::scheduler::Call>(input); break;
    case 1: both_ways<::mesos::v1::executor::Call>(input); break;
    case 2: both_ways<::mesos::v1::master::Call>(input); break;
    case 3: both_ways<::mesos::v1::agent::Call>(input); break;
    case 4: both_ways<::mesos::v1::scheduler::Event>(input); break;
    default: both_ways<::mesos::v1::executor::Event>(input); break;
  }
}

constexpr const char* subscribe = R"({"type":"SUBSCRIBE","framework_id":{"value":"f"},
"subscribe":{"framework_info":{"user":"u","name":"n","failover_timeout":1.5,"roles":["a","b"],
"capabilities":[{"type":"MULTI_ROLE"}]}}})";

constexpr const char* accept = R"({"type":"ACCEPT","framework_id":{"value":"f"},
"accept":{"offer_ids":[{"value":"o"}],"operations":[{"type":"LAUNCH","launch":{"task_infos":[
{"name":"t","task_id":{"value":"t"},"agent_id":{"value":"a"},"command":{"value":"sleep 1",
"environment":{"variables":[{"name":"A","value":"b"}]}},"resources":[
{"name":"cpus","type":"SCALAR","scalar":{"value":0.125}},
{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":1,"end":18446744073709551615}]}},
{"name":"s","type":"SET","set":{"item":["x","y"]}}],"data":"AAEC"}]}}],
"filters":{"refuse_seconds":5.0}}})";

constexpr const char* acknowledge = R"({"type":"ACKNOWLEDGE","acknowledge":{
"agent_id":{"value":"a"},"task_id":{"value":"t"},"uuid":"AAECAwQFBgcICQoLDA0ODw=="}})";

constexpr const char* update = R"({"type":"UPDATE","executor_id":{"value":"e"},
"framework_id":{"value":"f"},"update":{"status":{"task_id":{"value":"t"},"state":"TASK_RUNNING",
"source":"SOURCE_EXECUTOR","uuid":"AAECAwQFBgcICQoLDA0ODw=="}}})";

// The first byte chooses the message.
std::vector<Bytes> seeds() {
  const auto as = [](char which, ByteView text) { return which + Bytes(text); };
  return {as(0, subscribe),
          as(0, accept),
          as(0, acknowledge),
          as(1, update),
          as(2, R"({"type":"GET_STATE"})"),
          as(3, R"({"type":"GET_CONTAINERS"})"),
          as(4, R"({"type":"HEARTBEAT"})"),
          as(5, R"({"type":"SHUTDOWN"})")};
}

SYNOD_FUZZ_TARGET(v1_json, one, seeds);

}  // namespace
}  // namespace synod::fuzz
