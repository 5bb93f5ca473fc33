#include "master/outgoing.h"

#include "mesos/internal.h"
#include "mesos/splice.h"
#include "mesos/v1.h"
#include "mesos/v1/scheduler.pb.h"
#include "translate/resources.h"

namespace synod::master {

namespace {

using mesos::internal::MasterEvent;
using mesos::v1::scheduler::Event;

// Bytes that this master itself made of a message: that they parse is our own business.
template <typename Message>
Message parsed(const Bytes& bytes) {
  Message out;
  SYNOD_CHECK(mesos::decode_protobuf(bytes, out).ok());
  return out;
}

std::string raw(const Uuid& uuid) { return {uuid.bytes.begin(), uuid.bytes.end()}; }

void fill_offer(const core::Offer& offer, const core::Capabilities& capabilities,
                const core::FrameworkId& framework, mesos::v1::Offer& out) {
  const core::AgentInfo& agent = *offer.agent_info;
  const auto description = parsed<mesos::v1::AgentInfo>(agent.bytes);
  out.mutable_id()->set_value(offer.id.value);
  out.mutable_framework_id()->set_value(framework.value);
  out.mutable_agent_id()->set_value(offer.agent.value);
  out.set_hostname(agent.hostname);
  auto& url = *out.mutable_url();
  url.set_scheme("http");
  url.mutable_address()->set_hostname(agent.hostname);
  url.mutable_address()->set_ip(agent.ip);
  url.mutable_address()->set_port(agent.port);
  url.set_path("/slave(1)");
  if (description.has_domain()) {
    *out.mutable_domain() = description.domain();
  }
  *out.mutable_attributes() = description.attributes();
  const auto format = capabilities.reservation_refinement ? translate::Format::post_refinement
                                                          : translate::Format::pre_refinement;
  translate::append_resources(
      capabilities.multi_role ? offer.resources.allocated_to(offer.role) : offer.resources, format,
      *out.mutable_resources());
  for (const auto& executor : offer.executors) {
    out.add_executor_ids()->set_value(executor.value);
  }
  if (capabilities.multi_role) {
    out.mutable_allocation_info()->set_role(offer.role);
  }
}

// One overload for each thing a framework hears.
struct FrameworkBody {
  const core::ToFramework& effect;
  const core::FrameworkId& framework;
  const Identity& master;
  Event& out;

  void operator()(const core::Subscribed& body) const {
    out.set_type(Event::SUBSCRIBED);
    auto& subscribed = *out.mutable_subscribed();
    subscribed.mutable_framework_id()->set_value(body.framework.value);
    subscribed.set_heartbeat_interval_seconds(static_cast<double>(heartbeat_seconds));
    fill(master, *subscribed.mutable_master_info());
  }
  void operator()(const core::Offers& body) const {
    out.set_type(Event::OFFERS);
    for (const auto& offer : body.offers) {
      fill_offer(offer, effect.capabilities, framework, *out.mutable_offers()->add_offers());
    }
  }
  void operator()(const core::Rescind& body) const {
    out.set_type(Event::RESCIND);
    out.mutable_rescind()->mutable_offer_id()->set_value(body.offer.value);
  }
  void operator()(const core::Update& body) const {
    out.set_type(Event::UPDATE);
    fill(body.status, *out.mutable_update()->mutable_status());
  }
  void operator()(const core::UpdateOperation& body) const {
    out.set_type(Event::UPDATE_OPERATION_STATUS);
    auto& status = *out.mutable_update_operation_status()->mutable_status();
    status.mutable_operation_id()->set_value(body.operation);
    status.set_state(mesos::v1::OPERATION_ERROR);
    status.set_message(body.message);
    if (!body.agent.empty()) {
      status.mutable_agent_id()->set_value(body.agent.value);
    }
  }
  void operator()(const core::Message& body) const {
    out.set_type(Event::MESSAGE);
    auto& message = *out.mutable_message();
    message.mutable_agent_id()->set_value(body.agent.value);
    message.mutable_executor_id()->set_value(body.executor.value);
    message.set_data(body.data);
  }
  void operator()(const core::Failure& body) const {
    out.set_type(Event::FAILURE);
    auto& failure = *out.mutable_failure();
    failure.mutable_agent_id()->set_value(body.agent.value);
    if (!body.executor.empty()) {
      failure.mutable_executor_id()->set_value(body.executor.value);
    }
    if (body.status) {
      failure.set_status(*body.status);
    }
  }
  void operator()(const core::FrameworkError& body) const {
    out.set_type(Event::ERROR);
    out.mutable_error()->set_message(body.message);
  }
};

void fill_epoch(const core::Leadership& leadership, MasterEvent& out) {
  out.mutable_epoch()->set_lineage(raw(leadership.lineage));
  out.mutable_epoch()->set_counter(leadership.epoch.value());
}

mesos::v1::FrameworkInfo framework_info(const core::FrameworkId& id,
                                        const core::FrameworkInfo& info) {
  auto out = parsed<mesos::v1::FrameworkInfo>(info.bytes);
  out.mutable_id()->set_value(id.value);
  return out;
}

void fill_launch(const core::Launch& launch, MasterEvent::Launch& out) {
  *out.mutable_framework() = framework_info(launch.framework, launch.framework_info);
  auto& task = *out.mutable_task();
  task = parsed<mesos::v1::TaskInfo>(launch.task.bytes);
  task.mutable_agent_id()->set_value(launch.task.agent.value);
  task.clear_resources();
  translate::append_resources(launch.task.resources.allocated_to(launch.role),
                              translate::Format::post_refinement, *task.mutable_resources());
  if (launch.task.executor) {
    auto& executor = *task.mutable_executor();
    executor.mutable_framework_id()->set_value(launch.framework.value);
    executor.clear_resources();
    translate::append_resources(launch.task.executor->resources.allocated_to(launch.role),
                                translate::Format::post_refinement, *executor.mutable_resources());
  }
}

// The same for a command task, from the bytes that its framework sent.
Bytes command_launch(const core::Launch& launch) {
  using mesos::v1::FrameworkInfo;
  using mesos::v1::TaskInfo;
  mesos::v1::FrameworkID id;
  id.set_value(launch.framework.value);
  Bytes framework = launch.framework_info.bytes;
  mesos::append_field(framework, FrameworkInfo::kIdFieldNumber, mesos::encode_protobuf(id));
  mesos::v1::AgentID agent;
  agent.set_value(launch.task.agent.value);
  Bytes task = mesos::without_fields(
      launch.task.bytes, {TaskInfo::kAgentIdFieldNumber, TaskInfo::kResourcesFieldNumber});
  mesos::append_field(task, TaskInfo::kAgentIdFieldNumber, mesos::encode_protobuf(agent));
  google::protobuf::RepeatedPtrField<mesos::v1::Resource> resources;
  translate::append_resources(launch.task.resources.allocated_to(launch.role),
                              translate::Format::post_refinement, resources);
  for (const auto& resource : resources) {
    mesos::append_field(task, TaskInfo::kResourcesFieldNumber, mesos::encode_protobuf(resource));
  }
  Bytes out;
  mesos::append_field(out, MasterEvent::Launch::kFrameworkFieldNumber, framework);
  mesos::append_field(out, MasterEvent::Launch::kTaskFieldNumber, task);
  return out;
}

// An update as the agent sent it.
Bytes update_event(const Bytes& status) {
  Bytes update;
  mesos::append_field(update, Event::Update::kStatusFieldNumber, status);
  Bytes out;
  mesos::append_number(out, Event::kTypeFieldNumber, Event::UPDATE);
  mesos::append_field(out, Event::kUpdateFieldNumber, update);
  return out;
}

// One overload for each thing an agent hears.
struct AgentBody {
  const std::string& stream_id;
  const Identity& master;
  MasterEvent& out;

  void operator()(const core::Registered& body) const {
    out.set_type(MasterEvent::REGISTERED);
    auto& registered = *out.mutable_registered();
    registered.mutable_agent_id()->set_value(body.agent.value);
    registered.set_stream_id(stream_id);
    registered.mutable_versions()->set_protocol(mesos::internal_protocol);
    registered.mutable_versions()->set_oldest(mesos::internal_protocol_oldest);
    fill(master, *registered.mutable_master());
    registered.set_silence_limit_ms(static_cast<std::uint64_t>(body.silence_limit.millis()));
  }
  void operator()(const core::Refused& body) const {
    out.set_type(MasterEvent::REFUSED);
    out.mutable_refused()->set_reason(static_cast<MasterEvent::Refused::Reason>(body.reason));
    out.mutable_refused()->set_message(body.message);
  }
  void operator()(const core::Launch& body) const {
    out.set_type(MasterEvent::LAUNCH);
    fill_launch(body, *out.mutable_launch());
  }
  void operator()(const core::KillTask& body) const {
    out.set_type(MasterEvent::KILL);
    out.mutable_kill()->mutable_framework_id()->set_value(body.framework.value);
    out.mutable_kill()->mutable_task_id()->set_value(body.task.value);
    if (!body.kill_policy.empty()) {
      *out.mutable_kill()->mutable_kill_policy() = parsed<mesos::v1::KillPolicy>(body.kill_policy);
    }
  }
  void operator()(const core::AcknowledgeUpdate& body) const {
    out.set_type(MasterEvent::ACKNOWLEDGE);
    out.mutable_acknowledge()->mutable_framework_id()->set_value(body.framework.value);
    out.mutable_acknowledge()->mutable_task_id()->set_value(body.task.value);
    out.mutable_acknowledge()->set_uuid(raw(body.uuid));
  }
  void operator()(const core::ReconcileTasks& body) const {
    out.set_type(MasterEvent::RECONCILE);
    for (const auto& item : body.tasks) {
      auto& added = *out.mutable_reconcile()->add_tasks();
      added.mutable_framework_id()->set_value(item.framework.value);
      added.mutable_task_id()->set_value(item.task.value);
    }
  }
  void operator()(const core::Shutdown& body) const {
    out.set_type(MasterEvent::SHUTDOWN);
    auto& shutdown = *out.mutable_shutdown();
    if (!body.framework.empty()) {
      shutdown.mutable_framework_id()->set_value(body.framework.value);
    }
    if (!body.executor.empty()) {
      shutdown.mutable_executor_id()->set_value(body.executor.value);
    }
    shutdown.set_message(body.message);
  }
  void operator()(const core::Ping& body) const {
    out.set_type(MasterEvent::PING);
    out.mutable_ping()->set_number(body.number);
  }
  void operator()(const core::ExecutorMessage& body) const {
    out.set_type(MasterEvent::MESSAGE);
    out.mutable_message()->mutable_framework_id()->set_value(body.framework.value);
    out.mutable_message()->mutable_executor_id()->set_value(body.executor.value);
    out.mutable_message()->set_data(body.data);
  }
  void operator()(const core::UpdateFramework& body) const {
    out.set_type(MasterEvent::UPDATE_FRAMEWORK);
    *out.mutable_update_framework()->mutable_framework() =
        framework_info(body.framework, body.info);
  }
};

}  // namespace

void fill(const core::TaskStatus& status, mesos::v1::TaskStatus& out) {
  if (!status.bytes.empty()) {
    out = parsed<mesos::v1::TaskStatus>(status.bytes);
    return;
  }
  out.mutable_task_id()->set_value(status.task.value);
  out.set_state(static_cast<mesos::v1::TaskState>(status.state));
  if (!status.message.empty()) {
    out.set_message(status.message);
  }
  out.set_source(static_cast<mesos::v1::TaskStatus::Source>(status.source));
  if (status.reason && mesos::v1::TaskStatus::Reason_IsValid(*status.reason)) {
    out.set_reason(static_cast<mesos::v1::TaskStatus::Reason>(*status.reason));
  }
  if (!status.agent.empty()) {
    out.mutable_agent_id()->set_value(status.agent.value);
  }
  if (!status.executor.empty()) {
    out.mutable_executor_id()->set_value(status.executor.value);
  }
  out.set_timestamp(static_cast<double>(status.timestamp.millis) / 1000.0);
  if (status.uuid) {
    out.set_uuid(raw(*status.uuid));
  }
  if (status.healthy) {
    out.set_healthy(*status.healthy);
  }
  if (status.unreachable_time) {
    out.mutable_unreachable_time()->set_nanoseconds(status.unreachable_time->millis * 1'000'000);
  }
}

Bytes framework_event(const core::ToFramework& effect, const core::FrameworkId& framework,
                      const Identity& master, mesos::Encoding encoding) {
  const auto* update = std::get_if<core::Update>(&effect.body);
  if (update != nullptr && encoding == mesos::Encoding::protobuf && !update->status.bytes.empty()) {
    return update_event(update->status.bytes);
  }
  Event event;
  std::visit(FrameworkBody{effect, framework, master, event}, effect.body);
  return mesos::encode(encoding, event);
}

Bytes heartbeat_event(mesos::Encoding encoding) {
  Event event;
  event.set_type(Event::HEARTBEAT);
  return mesos::encode(encoding, event);
}

Bytes agent_event(const core::ToAgent& effect, const std::string& stream_id,
                  const Identity& master) {
  MasterEvent event;
  fill_epoch(effect.leadership, event);
  const auto* launch = std::get_if<core::Launch>(&effect.body);
  if (launch != nullptr && !launch->task.executor) {
    event.set_type(MasterEvent::LAUNCH);
    Bytes out = mesos::encode_protobuf(event);
    mesos::append_field(out, MasterEvent::kLaunchFieldNumber, command_launch(*launch));
    return out;
  }
  std::visit(AgentBody{stream_id, master, event}, effect.body);
  return mesos::encode_protobuf(event);
}

Bytes agent_refusal(const core::Leadership& leadership, int reason, const std::string& message) {
  MasterEvent event;
  fill_epoch(leadership, event);
  event.set_type(MasterEvent::REFUSED);
  event.mutable_refused()->set_reason(static_cast<MasterEvent::Refused::Reason>(reason));
  event.mutable_refused()->set_message(message);
  return mesos::encode_protobuf(event);
}

}  // namespace synod::master
