#include "bench/master/agents.h"

#include <cstring>
#include <stdexcept>

#include "mesos/internal.h"
#include "mesos/internal.pb.h"

namespace synod::bench {

using mesos::internal::AgentCall;
using mesos::internal::MasterEvent;

namespace {

constexpr const char* headers =
    "Content-Type: application/x-protobuf\r\nAccept: application/x-protobuf\r\n";

void add_scalar(::mesos::v1::AgentInfo& info, const char* name, double value) {
  auto& resource = *info.add_resources();
  resource.set_name(name);
  resource.set_type(::mesos::v1::Value::SCALAR);
  resource.mutable_scalar()->set_value(value);
}

// cpus:24;mem:24000;disk:4096;ports:[31000-32000]
std::string subscription(std::size_t number) {
  AgentCall call;
  call.set_type(AgentCall::SUBSCRIBE);
  call.mutable_versions()->set_protocol(mesos::internal_protocol);
  call.mutable_versions()->set_oldest(mesos::internal_protocol_oldest);
  auto& subscribe = *call.mutable_subscribe();
  auto& info = *subscribe.mutable_agent_info();
  info.set_hostname("agent-" + std::to_string(number) + ".example");
  info.set_port(static_cast<std::int32_t>(10'000 + number));
  add_scalar(info, "cpus", 24);
  add_scalar(info, "mem", 24'000);
  add_scalar(info, "disk", 4096);
  auto& ports = *info.add_resources();
  ports.set_name("ports");
  ports.set_type(::mesos::v1::Value::RANGES);
  auto& range = *ports.mutable_ranges()->add_range();
  range.set_begin(31000);
  range.set_end(32000);
  subscribe.set_ip("127.0.0.1");
  return call.SerializeAsString();
}

}  // namespace

struct Agents::Agent {
  std::size_t number = 0;
  std::unique_ptr<Connection> events;
  std::unique_ptr<Connection> calls;
  AgentCall call;  // with what every call names
};

Agents::Agents(Loop& loop, int port, std::size_t count) : loop_(loop), port_(port) {
  for (std::size_t i = 0; i < count; ++i) {
    agents_.push_back(std::make_unique<Agent>());
    agents_.back()->number = i;
  }
}

Agents::~Agents() = default;

void Agents::open_more(std::size_t waiting_max) {
  while (opened_ < agents_.size() && opened_ - registered_ < waiting_max) {
    Agent& agent = *agents_[opened_++];
    Connection::Handlers handlers;
    handlers.answer = [](int status, std::string_view, std::string_view body) {
      if (status != 200) {
        throw std::runtime_error("an agent was answered " + std::to_string(status) + ": " +
                                 std::string(body));
      }
    };
    handlers.record = [this, &agent](std::string_view record) { heard(agent, record); };
    handlers.lost = [](const std::string& why) {
      throw std::runtime_error("an agent's stream: " + why);
    };
    agent.events = std::make_unique<Connection>(loop_, port_, std::move(handlers));
    agent.events->post(mesos::agent_path, headers, subscription(agent.number));
  }
}

void Agents::heard(Agent& agent, std::string_view record) {
  MasterEvent event;
  if (!event.ParseFromArray(record.data(), static_cast<int>(record.size()))) {
    throw std::runtime_error("an agent heard what is no event");
  }
  switch (event.type()) {
    case MasterEvent::REGISTERED:
      ++registered_;
      agent.call.mutable_versions()->set_protocol(mesos::internal_protocol);
      agent.call.mutable_versions()->set_oldest(mesos::internal_protocol_oldest);
      *agent.call.mutable_epoch() = event.epoch();
      agent.call.set_stream_id(event.registered().stream_id());
      *agent.call.mutable_agent_id() = event.registered().agent_id();
      break;
    case MasterEvent::LAUNCH:
      ++launched_;
      report(agent, event.launch().framework().id().value(),
             event.launch().task().task_id().value(), ::mesos::v1::TASK_RUNNING);
      break;
    case MasterEvent::ACKNOWLEDGE:
      if (event.acknowledge().uuid()[15] == static_cast<char>(::mesos::v1::TASK_RUNNING)) {
        report(agent, event.acknowledge().framework_id().value(),
               event.acknowledge().task_id().value(), ::mesos::v1::TASK_FINISHED);
      }
      break;
    case MasterEvent::PING: {
      AgentCall pong = agent.call;
      pong.set_type(AgentCall::PONG);
      pong.mutable_pong()->set_number(event.ping().number());
      agent.calls == nullptr
          ? void()
          : agent.calls->post(mesos::agent_path, headers, pong.SerializeAsString());
      sent_ += agent.calls == nullptr ? 0 : 1;
      break;
    }
    case MasterEvent::REFUSED:
      throw std::runtime_error("an agent was refused: " + event.refused().message());
    default: break;
  }
}

// The last byte of an update's uuid is its state.
void Agents::report(Agent& agent, const std::string& framework, const std::string& task,
                    int state) {
  if (agent.calls == nullptr) {
    Connection::Handlers handlers;
    handlers.answer = [this](int status, std::string_view, std::string_view body) {
      ++answered_;
      if (status != 202) {
        throw std::runtime_error("an agent's call was answered " + std::to_string(status) + ": " +
                                 std::string(body));
      }
    };
    handlers.lost = [](const std::string& why) {
      throw std::runtime_error("an agent's calls: " + why);
    };
    agent.calls = std::make_unique<Connection>(loop_, port_, std::move(handlers));
  }
  agent.call.set_type(AgentCall::UPDATE);
  auto& update = *agent.call.mutable_update()->mutable_update();
  update.mutable_framework_id()->set_value(framework);
  auto& status = *update.mutable_status();
  status.mutable_task_id()->set_value(task);
  status.set_state(static_cast<::mesos::v1::TaskState>(state));
  status.set_source(::mesos::v1::TaskStatus::SOURCE_EXECUTOR);
  *status.mutable_agent_id() = agent.call.agent_id();
  status.set_timestamp(1.0);
  std::string uuid(16, '\0');
  ++updates_;
  std::memcpy(uuid.data(), &updates_, sizeof(updates_));
  uuid[15] = static_cast<char>(state);
  status.set_uuid(uuid);
  update.set_latest_state(static_cast<::mesos::v1::TaskState>(state));
  agent.calls->post(mesos::agent_path, headers, agent.call.SerializeAsString());
  ++sent_;
}

}  // namespace synod::bench
