#include "test/agent/test_master.h"

#include <chrono>
#include <set>
#include <thread>

#include "mesos/encoding.h"
#include "mesos/recordio.h"

namespace synod::test {

namespace {

namespace v1 = ::mesos::v1;
using mesos::internal::AgentCall;
using mesos::internal::MasterEvent;

constexpr char agent_id[] = "test-S0";
constexpr char framework_id[] = "f1";

v1::FrameworkInfo framework_info() {
  v1::FrameworkInfo info;
  info.mutable_id()->set_value(framework_id);
  info.set_name("test");
  info.set_user("root");
  info.add_capabilities()->set_type(v1::FrameworkInfo::Capability::PARTITION_AWARE);
  return info;
}

}  // namespace

struct TestMaster::Parts {
  Parts(ports::Lane& lane, ports::Network& network)
      : server(lane, network, {}, [this](http::Request request, http::Responder responder) {
          handle(request, std::move(responder));
        }) {}

  void handle(const http::Request& request, http::Responder responder) {
    AgentCall call;
    if (request.path != mesos::agent_path || !mesos::decode_protobuf(request.body, call).ok()) {
      responder.respond(http::text_response(400, "no call"));
      return;
    }
    if (call.type() == AgentCall::SUBSCRIBE) {
      ++subscribes;
      subscribe = call.subscribe();
      stream =
          responder.stream(http::Response{200, {{"Content-Type", "application/x-protobuf"}}, ""});
      MasterEvent event;
      event.set_type(MasterEvent::REGISTERED);
      event.mutable_registered()->mutable_agent_id()->set_value(agent_id);
      event.mutable_registered()->set_stream_id("s" + std::to_string(subscribes));
      event.mutable_registered()->mutable_versions()->set_protocol(1);
      event.mutable_registered()->mutable_versions()->set_oldest(1);
      event.mutable_registered()->mutable_master()->set_id("m");
      event.mutable_registered()->mutable_master()->set_ip(0);
      event.mutable_registered()->mutable_master()->set_port(1);
      event.mutable_registered()->set_silence_limit_ms(75'000);
      send(std::move(event));
      return;
    }
    if (call.stream_id() != "s" + std::to_string(subscribes)) {
      responder.respond(http::text_response(409, "another stream"));
      return;
    }
    if (call.type() == AgentCall::UPDATE) {
      take(call.update().update().status());
    } else if (call.type() == AgentCall::USAGE) {
      usage = call.usage();
    }
    responder.respond(http::Response{202, {}, ""});
  }

  void take(const v1::TaskStatus& status) {
    const std::string& task = status.task_id().value();
    ++deliveries[task];
    if (status.uuid().empty() || seen.insert(status.uuid()).second) {
      updates[task].push_back(status);
    }
    if (acknowledges && !status.uuid().empty()) {
      MasterEvent event;
      event.set_type(MasterEvent::ACKNOWLEDGE);
      event.mutable_acknowledge()->mutable_framework_id()->set_value(framework_id);
      *event.mutable_acknowledge()->mutable_task_id() = status.task_id();
      event.mutable_acknowledge()->set_uuid(status.uuid());
      send(std::move(event));
    }
  }

  void send(MasterEvent event) {
    event.mutable_epoch()->set_lineage("0123456789abcdef");
    event.mutable_epoch()->set_counter(epoch);
    if (stream != nullptr) {
      stream->write_record(mesos::encode_record(mesos::encode_protobuf(event)));
    }
  }

  std::uint64_t epoch = 1;
  bool acknowledges = true;
  int subscribes = 0;
  std::optional<AgentCall::Subscribe> subscribe;
  std::optional<AgentCall::Usage> usage;
  std::map<std::string, std::vector<v1::TaskStatus>> updates;
  std::map<std::string, int> deliveries;
  std::set<std::string> seen;
  std::unique_ptr<http::ResponseStream> stream;
  http::Server server;
};

template <typename F>
auto TestMaster::on_lane(F f) {
  if constexpr (std::is_void_v<decltype(f())>) {
    machine_.call(lane_, f);
  } else {
    std::optional<decltype(f())> result;
    machine_.call(lane_, [&] { result = f(); });
    return *std::move(result);
  }
}

TestMaster::TestMaster(machine::Machine& machine)
    : machine_(machine), lane_(machine.start_lane("test-master")) {
  on_lane([this] {
    parts_ = std::make_unique<Parts>(lane_, machine_.network());
    SYNOD_CHECK(parts_->server.listen(ports::Address{"127.0.0.1", 0}).ok());
    address_ = to_string(parts_->server.address());
  });
}

TestMaster::~TestMaster() {
  on_lane([this] { parts_.reset(); });
}

void TestMaster::set_epoch(std::uint64_t counter) {
  on_lane([&] { parts_->epoch = counter; });
}

std::vector<v1::TaskStatus> TestMaster::updates(const std::string& task) {
  return on_lane([&] { return parts_->updates[task]; });
}

std::string TestMaster::states(const std::string& task) {
  std::string text;
  for (const v1::TaskStatus& status : updates(task)) {
    text += (text.empty() ? "" : " ") + v1::TaskState_Name(status.state()).substr(5);
  }
  return text;
}

int TestMaster::deliveries(const std::string& task) {
  return on_lane([&] { return parts_->deliveries[task]; });
}

std::optional<AgentCall::Subscribe> TestMaster::last_subscribe() {
  return on_lane([&] { return parts_->subscribe; });
}

std::optional<AgentCall::Usage> TestMaster::last_usage() {
  return on_lane([&] { return parts_->usage; });
}

int TestMaster::subscribes() {
  return on_lane([&] { return parts_->subscribes; });
}

bool TestMaster::has_stream() {
  return on_lane([&] { return parts_->stream != nullptr && parts_->stream->is_open(); });
}

void TestMaster::launch(const std::string& task, const std::string& command,
                        const std::function<void(v1::TaskInfo&)>& change) {
  MasterEvent event;
  event.set_type(MasterEvent::LAUNCH);
  *event.mutable_launch()->mutable_framework() = framework_info();
  v1::TaskInfo& info = *event.mutable_launch()->mutable_task();
  info.set_name(task);
  info.mutable_task_id()->set_value(task);
  info.mutable_agent_id()->set_value(agent_id);
  info.mutable_command()->set_value(command);
  for (const auto& [name, amount] : std::map<std::string, double>{{"cpus", 0.1}, {"mem", 64}}) {
    v1::Resource& resource = *info.add_resources();
    resource.set_name(name);
    resource.set_type(v1::Value::SCALAR);
    resource.mutable_scalar()->set_value(amount);
    resource.mutable_allocation_info()->set_role("*");
  }
  if (change) {
    change(info);
  }
  send(std::move(event));
}

void TestMaster::kill(const std::string& task, std::optional<Duration> grace) {
  MasterEvent event;
  event.set_type(MasterEvent::KILL);
  event.mutable_kill()->mutable_framework_id()->set_value(framework_id);
  event.mutable_kill()->mutable_task_id()->set_value(task);
  if (grace) {
    event.mutable_kill()->mutable_kill_policy()->mutable_grace_period()->set_nanoseconds(
        grace->nanos());
  }
  send(std::move(event));
}

void TestMaster::acknowledge(bool on) {
  on_lane([&] { parts_->acknowledges = on; });
}

void TestMaster::send(MasterEvent event) {
  on_lane([&] { parts_->send(std::move(event)); });
}

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < deadline) {
    if (condition()) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return condition();
}

}  // namespace synod::test
