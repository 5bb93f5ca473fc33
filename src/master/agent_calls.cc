#include "master/agent_calls.h"

#include <algorithm>

#include "master/scheduler_calls.h"
#include "mesos/encoding.h"
#include "mesos/internal.h"
#include "translate/attributes.h"
#include "translate/resources.h"

namespace synod::master {

namespace {

std::optional<Uuid> uuid_of(const std::string& bytes) {
  Uuid out;
  if (bytes.size() != out.bytes.size()) {
    return std::nullopt;
  }
  std::copy(bytes.begin(), bytes.end(), out.bytes.begin());
  return out;
}

WallTime from_seconds(double seconds) {
  constexpr double seconds_max = 1e12;
  const bool sane = seconds > 0 && seconds < seconds_max;
  return {sane ? static_cast<std::int64_t>(seconds * 1000.0) : 0};
}

Result<core::AgentInfo> info_of(const mesos::v1::AgentInfo& message) {
  core::AgentInfo out;
  out.hostname = message.hostname();
  out.port = message.port();
  auto total = translate::resources_from(message.resources());
  if (!total.ok()) {
    return total.error();
  }
  out.total = *std::move(total);
  auto attributes = translate::attributes_from(message.attributes());
  if (!attributes.ok()) {
    return attributes.error();
  }
  out.attributes = *std::move(attributes);
  mesos::v1::AgentInfo rest = message;
  rest.clear_id();
  rest.clear_resources();
  out.bytes = mesos::encode_protobuf(rest);
  return out;
}

Result<core::ReportedTask> task_of(const mesos::v1::Task& message) {
  core::ReportedTask out;
  out.framework.value = message.framework_id().value();
  out.id.value = message.task_id().value();
  out.name = message.name();
  out.executor.value = message.executor_id().value();
  out.state = static_cast<core::TaskState>(message.state());
  auto resources = translate::resources_from(message.resources());
  if (!resources.ok()) {
    return with_context("task " + out.id.value, resources.error());
  }
  out.resources = *std::move(resources);
  if (message.has_status_update_state()) {
    out.update_state = static_cast<core::TaskState>(message.status_update_state());
  }
  out.update_uuid = uuid_of(message.status_update_uuid());
  out.bytes = mesos::encode_protobuf(message);
  return out;
}

Result<core::ReportedExecutor> executor_of(const mesos::internal::Executor& message) {
  core::ReportedExecutor out;
  out.framework.value = message.framework_id().value();
  out.spec.id.value = message.info().executor_id().value();
  out.spec.framework = out.framework;
  out.spec.type = static_cast<core::ExecutorType>(message.info().type());
  auto resources = translate::resources_from(message.info().resources());
  if (!resources.ok()) {
    return with_context("executor " + out.spec.id.value, resources.error());
  }
  out.spec.resources = *std::move(resources);
  out.spec.has_command = message.info().has_command();
  out.spec.bytes = mesos::encode_protobuf(message.info());
  return out;
}

core::AgentUpdate update_of(const mesos::internal::StatusUpdate& update, core::Stream stream) {
  core::AgentUpdate out;
  out.stream = stream;
  out.framework.value = update.framework_id().value();
  out.status = status_of(update.status());
  out.latest_state = static_cast<core::TaskState>(update.latest_state());
  return out;
}

Error lacks(const char* member) {
  return Error{ErrorCode::malformed, std::string("Expecting '") + member + "' to be present"};
}

}  // namespace

core::TaskStatus status_of(const mesos::v1::TaskStatus& status) {
  core::TaskStatus out;
  out.task.value = status.task_id().value();
  out.state = static_cast<core::TaskState>(status.state());
  out.source = static_cast<core::StatusSource>(status.source());
  if (status.has_reason()) {
    out.reason = status.reason();
  }
  out.message = status.message();
  out.agent.value = status.agent_id().value();
  out.executor.value = status.executor_id().value();
  out.uuid = uuid_of(status.uuid());
  out.timestamp = from_seconds(status.timestamp());
  if (status.has_healthy()) {
    out.healthy = status.healthy();
  }
  out.bytes = mesos::encode_protobuf(status);
  return out;
}

std::optional<core::Leadership> leadership_of(const mesos::internal::MasterEpoch& message) {
  auto lineage = uuid_of(message.lineage());
  if (!lineage) {
    return std::nullopt;
  }
  return core::Leadership{*lineage, MasterEpoch(message.counter())};
}

Result<core::AgentSubscribe> agent_subscription_of(const mesos::internal::AgentCall& call,
                                                   core::Stream stream,
                                                   const std::string& peer_ip) {
  const auto& from = call.subscribe();
  core::AgentSubscribe out;
  out.stream = stream;
  out.id.value = from.agent_info().id().value();
  auto info = info_of(from.agent_info());
  if (!info.ok()) {
    return info.error();
  }
  out.info = *std::move(info);
  out.info.ip = from.has_ip() ? from.ip() : peer_ip;
  for (const auto& task : from.tasks()) {
    SYNOD_TRY_ASSIGN(auto reported, task_of(task));
    out.tasks.push_back(std::move(reported));
  }
  for (const auto& executor : from.executors()) {
    SYNOD_TRY_ASSIGN(auto reported, executor_of(executor));
    out.executors.push_back(std::move(reported));
  }
  for (const auto& framework : from.frameworks()) {
    out.frameworks.push_back({{framework.id().value()}, framework_info_of(framework)});
  }
  out.accepts_tasks = from.accepts_tasks();
  out.why_not = from.why_not();
  return out;
}

Result<std::optional<core::EventBody>> agent_event_of(const mesos::internal::AgentCall& call,
                                                      core::Stream stream) {
  using Body = std::optional<core::EventBody>;
  switch (call.type()) {
    case mesos::internal::AgentCall::UPDATE:
      if (!call.has_update()) {
        return lacks("update");
      }
      return Body(update_of(call.update().update(), stream));
    case mesos::internal::AgentCall::PONG:
      return Body(core::AgentPong{stream, call.pong().number()});
    case mesos::internal::AgentCall::EXECUTOR_EXITED:
      if (!call.has_executor_exited()) {
        return lacks("executor_exited");
      }
      return Body(core::AgentExecutorExited{stream,
                                            {call.executor_exited().framework_id().value()},
                                            {call.executor_exited().executor_id().value()},
                                            call.executor_exited().status()});
    case mesos::internal::AgentCall::USAGE:
      return Body(
          core::AgentAcceptsTasks{stream, call.usage().accepts_tasks(), call.usage().why_not()});
    case mesos::internal::AgentCall::MESSAGE:
      if (!call.has_message()) {
        return lacks("message");
      }
      return Body(core::AgentMessage{stream,
                                     {call.message().framework_id().value()},
                                     {call.message().executor_id().value()},
                                     call.message().data()});
    case mesos::internal::AgentCall::GOODBYE:
      return Body(core::AgentGoodbye{stream, "the agent ended in order"});
    default: return Body();
  }
}

}  // namespace synod::master
