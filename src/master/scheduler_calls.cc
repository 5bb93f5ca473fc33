#include "master/scheduler_calls.h"

#include <algorithm>

#include "mesos/encoding.h"
#include "mesos/v1.h"
#include "mesos/v1/scheduler.pb.h"
#include "translate/amounts.h"
#include "translate/framework.h"
#include "translate/resources.h"
#include "translate/task.h"

namespace synod::master {

namespace {

using mesos::v1::scheduler::Call;

core::Capabilities capabilities_of(const mesos::v1::FrameworkInfo& info) {
  const translate::Capabilities from = translate::capabilities_of(info);
  core::Capabilities out;
  out.revocable_resources = from.revocable_resources;
  out.task_killing_state = from.task_killing_state;
  out.gpu_resources = from.gpu_resources;
  out.shared_resources = from.shared_resources;
  out.partition_aware = from.partition_aware;
  out.multi_role = from.multi_role;
  out.reservation_refinement = from.reservation_refinement;
  out.region_aware = from.region_aware;
  return out;
}

Uuid uuid_of(const std::string& bytes) {
  Uuid out;
  std::copy_n(bytes.begin(), std::min(bytes.size(), out.bytes.size()), out.bytes.begin());
  return out;
}

template <typename Ids>
std::vector<core::OfferId> offers_of(const Ids& ids) {
  std::vector<core::OfferId> out;
  for (const auto& id : ids) {
    out.push_back({id.value()});
  }
  return out;
}

std::vector<std::string> roles_of(const google::protobuf::RepeatedPtrField<std::string>& roles) {
  return {roles.begin(), roles.end()};
}

// What cannot be read is told by `malformed`; resources are then empty.
resources::Resources resources_of(const translate::ResourceMessages& messages,
                                  std::string& malformed) {
  auto parsed = translate::resources_from(messages);
  if (!parsed.ok()) {
    if (malformed.empty()) {
      malformed = parsed.error().message;
    }
    return {};
  }
  return *std::move(parsed);
}

core::ExecutorSpec executor_of(const mesos::v1::ExecutorInfo& info, std::string& malformed) {
  core::ExecutorSpec out;
  out.id.value = info.executor_id().value();
  out.framework.value = info.framework_id().value();
  out.type = static_cast<core::ExecutorType>(info.type());
  out.resources = resources_of(info.resources(), malformed);
  out.has_command = info.has_command();
  out.bytes = mesos::encode_protobuf(info);
  return out;
}

core::TaskSpec task_of(const mesos::v1::TaskInfo& task);

// Mesos lets a health check leave its type out and takes it from the member that is set.
core::TaskSpec task_with_check_type(mesos::v1::TaskInfo task) {
  auto& check = *task.mutable_health_check();
  check.set_type(check.has_command() ? mesos::v1::HealthCheck::COMMAND
                 : check.has_http()  ? mesos::v1::HealthCheck::HTTP
                                     : mesos::v1::HealthCheck::UNKNOWN);
  return task_of(task);
}

core::TaskSpec task_of(const mesos::v1::TaskInfo& task) {
  if (task.has_health_check() && !task.health_check().has_type()) {
    return task_with_check_type(task);
  }
  core::TaskSpec out;
  out.id.value = task.task_id().value();
  out.name = task.name();
  out.agent.value = task.agent_id().value();
  out.malformed = translate::task_error(task).value_or("");
  out.resources = resources_of(task.resources(), out.malformed);
  if (task.has_executor()) {
    out.executor = executor_of(task.executor(), out.malformed);
  }
  out.has_command = task.has_command();
  out.bytes = mesos::encode_protobuf(task);
  return out;
}

core::Operation operation_of(const mesos::v1::Offer::Operation& operation) {
  core::Operation out;
  out.type = static_cast<core::OperationType>(operation.type());
  out.id = operation.id().value();
  if (operation.type() == mesos::v1::Offer::Operation::LAUNCH) {
    for (const auto& task : operation.launch().task_infos()) {
      out.tasks.push_back(task_of(task));
    }
    return out;
  }
  if (operation.type() == mesos::v1::Offer::Operation::LAUNCH_GROUP) {
    for (const auto& task : operation.launch_group().task_group().tasks()) {
      mesos::v1::TaskInfo filled = task;
      *filled.mutable_executor() = operation.launch_group().executor();
      filled.clear_command();
      core::TaskSpec spec = task_of(filled);
      spec.has_command = task.has_command();
      out.tasks.push_back(std::move(spec));
    }
  }
  out.bytes = mesos::encode_protobuf(operation);
  return out;
}

core::Accept accept_of(const core::FrameworkId& framework, const Call::Accept& accept) {
  core::Accept out;
  out.framework = framework;
  out.offers = offers_of(accept.offer_ids());
  for (const auto& operation : accept.operations()) {
    // An operation of a type that a later API knows cannot be carried out and is passed over.
    if (operation.type() != mesos::v1::Offer::Operation::UNKNOWN) {
      out.operations.push_back(operation_of(operation));
    }
  }
  out.refuse = translate::refusal_from_seconds(accept.filters().refuse_seconds());
  return out;
}

core::Reconcile reconcile_of(const core::FrameworkId& framework, const Call::Reconcile& call) {
  core::Reconcile out;
  out.framework = framework;
  for (const auto& task : call.tasks()) {
    out.tasks.push_back({{task.task_id().value()}, {task.agent_id().value()}});
  }
  return out;
}

core::Kill kill_of(const core::FrameworkId& framework, const Call::Kill& call) {
  core::Kill out;
  out.framework = framework;
  out.task.value = call.task_id().value();
  out.agent.value = call.agent_id().value();
  if (call.has_kill_policy()) {
    out.kill_policy = mesos::encode_protobuf(call.kill_policy());
  }
  return out;
}

bool has_member(const Call& call) {
  switch (call.type()) {
    case Call::SUBSCRIBE: return call.has_subscribe();
    case Call::ACCEPT: return call.has_accept();
    case Call::DECLINE: return call.has_decline();
    case Call::ACCEPT_INVERSE_OFFERS: return call.has_accept_inverse_offers();
    case Call::DECLINE_INVERSE_OFFERS: return call.has_decline_inverse_offers();
    case Call::KILL: return call.has_kill();
    case Call::SHUTDOWN: return call.has_shutdown();
    case Call::ACKNOWLEDGE: return call.has_acknowledge();
    case Call::ACKNOWLEDGE_OPERATION_STATUS: return call.has_acknowledge_operation_status();
    case Call::RECONCILE: return call.has_reconcile();
    case Call::RECONCILE_OPERATIONS: return call.has_reconcile_operations();
    case Call::MESSAGE: return call.has_message();
    case Call::REQUEST: return call.has_request();
    case Call::UPDATE_FRAMEWORK: return call.has_update_framework();
    default: return true;  // TEARDOWN, REVIVE and SUPPRESS need none
  }
}

// Name of the member that a call of this type must have.
std::string member_name(const Call& call) {
  std::string name = Call::Type_Name(call.type());
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return name;
}

std::optional<std::string> subscribe_error(const Call& call) {
  if (call.framework_id().value() != call.subscribe().framework_info().id().value()) {
    return "'framework_id' differs from 'subscribe.framework_info.id'";
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> call_error(const Call& call) {
  if (!call.has_type()) {
    return "Expecting 'type' to be present";
  }
  if (!has_member(call)) {
    return "Expecting '" + member_name(call) + "' to be present";
  }
  if (call.type() == Call::SUBSCRIBE) {
    return subscribe_error(call);
  }
  if (!call.has_framework_id()) {
    return "Expecting 'framework_id' to be present";
  }
  if (call.type() == Call::UPDATE_FRAMEWORK &&
      call.framework_id().value() != call.update_framework().framework_info().id().value()) {
    return "'framework_id' differs from 'update_framework.framework_info.id'";
  }
  constexpr std::size_t uuid_size = 16;
  if (call.type() == Call::ACKNOWLEDGE && call.acknowledge().uuid().size() != uuid_size) {
    return "'acknowledge.uuid' must be 16 bytes";
  }
  if (call.type() == Call::ACKNOWLEDGE_OPERATION_STATUS) {
    if (call.acknowledge_operation_status().uuid().size() != uuid_size) {
      return "'acknowledge_operation_status.uuid' must be 16 bytes";
    }
    if (!call.acknowledge_operation_status().has_agent_id()) {
      return "Expecting 'acknowledge_operation_status.agent_id' to be present";
    }
  }
  return std::nullopt;
}

core::FrameworkInfo framework_info_of(const mesos::v1::FrameworkInfo& info) {
  core::FrameworkInfo out;
  out.name = info.name();
  out.user = info.user();
  out.principal = info.principal();
  if (info.has_role()) {
    out.role = info.role();
  }
  out.multi_roles.assign(info.roles().begin(), info.roles().end());
  auto timeout = translate::failover_timeout_of(info);
  out.failover_timeout = timeout.ok() ? std::optional(*timeout) : std::nullopt;
  out.checkpoint = info.checkpoint();
  out.capabilities = capabilities_of(info);
  mesos::v1::FrameworkInfo without_id = info;
  without_id.clear_id();
  out.bytes = mesos::encode_protobuf(without_id);
  return out;
}

core::Subscribe subscription_of(const Call& call, core::Stream stream) {
  core::Subscribe out;
  out.stream = stream;
  out.id.value = call.framework_id().value();
  out.info = framework_info_of(call.subscribe().framework_info());
  out.suppressed_roles.insert(call.subscribe().suppressed_roles().begin(),
                              call.subscribe().suppressed_roles().end());
  return out;
}

bool is_known(const Call& call) {
  return call.type() != Call::UNKNOWN && call.type() != Call::UPDATE_FRAMEWORK &&
         call.type() != Call::RECONCILE_OPERATIONS;
}

std::optional<core::EventBody> event_of(const Call& call) {
  const core::FrameworkId framework{call.framework_id().value()};
  switch (call.type()) {
    case Call::TEARDOWN: return core::Teardown{framework};
    case Call::ACCEPT: return accept_of(framework, call.accept());
    case Call::DECLINE:
      return core::Decline{
          framework, offers_of(call.decline().offer_ids()),
          translate::refusal_from_seconds(call.decline().filters().refuse_seconds())};
    case Call::REVIVE: return core::Revive{framework, roles_of(call.revive().roles())};
    case Call::SUPPRESS: return core::Suppress{framework, roles_of(call.suppress().roles())};
    case Call::KILL: return kill_of(framework, call.kill());
    case Call::SHUTDOWN:
      return core::ShutdownExecutor{
          framework, {call.shutdown().agent_id().value()}, {call.shutdown().executor_id().value()}};
    case Call::ACKNOWLEDGE:
      return core::Acknowledge{framework,
                               {call.acknowledge().agent_id().value()},
                               {call.acknowledge().task_id().value()},
                               uuid_of(call.acknowledge().uuid())};
    case Call::RECONCILE: return reconcile_of(framework, call.reconcile());
    case Call::MESSAGE:
      return core::MessageExecutor{framework,
                                   {call.message().agent_id().value()},
                                   {call.message().executor_id().value()},
                                   call.message().data()};
    default: return std::nullopt;
  }
}

}  // namespace synod::master
