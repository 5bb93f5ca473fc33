#include "agent/convert.h"

#include <algorithm>

#include "containerizer/plan.h"
#include "mesos/encoding.h"
#include "mesos/internal.h"
#include "mesos/v1.h"
#include "translate/framework.h"

namespace synod::agent {

namespace {

namespace v1 = ::mesos::v1;
using mesos::internal::MasterEvent;

constexpr Duration kill_grace_otherwise = Duration::seconds(3);
constexpr Duration shutdown_grace_otherwise = Duration::seconds(5);
constexpr std::size_t command_name_size_max = 60;

// Numbers of the core's states and sources are the wire's.
static_assert(static_cast<int>(core::TaskState::unknown) == v1::TASK_UNKNOWN);
static_assert(static_cast<int>(core::TaskState::staging) == v1::TASK_STAGING);
static_assert(static_cast<int>(core::TaskState::gone_by_operator) == v1::TASK_GONE_BY_OPERATOR);

core::TaskState state_from(v1::TaskState state) { return static_cast<core::TaskState>(state); }
v1::TaskState state_of(core::TaskState state) { return static_cast<v1::TaskState>(state); }

std::optional<v1::TaskStatus::Reason> reason_of(core::Reason reason) {
  switch (reason) {
    case core::Reason::none: return std::nullopt;
    case core::Reason::agent_restarted: return v1::TaskStatus::REASON_AGENT_RESTARTED;
    case core::Reason::container_launch_failed:
      return v1::TaskStatus::REASON_CONTAINER_LAUNCH_FAILED;
    case core::Reason::executor_registration_timeout:
      return v1::TaskStatus::REASON_EXECUTOR_REGISTRATION_TIMEOUT;
    case core::Reason::executor_reregistration_timeout:
      return v1::TaskStatus::REASON_EXECUTOR_REREGISTRATION_TIMEOUT;
    case core::Reason::executor_terminated: return v1::TaskStatus::REASON_EXECUTOR_TERMINATED;
    case core::Reason::task_killed_during_launch:
      return v1::TaskStatus::REASON_TASK_KILLED_DURING_LAUNCH;
    case core::Reason::reconciliation: return v1::TaskStatus::REASON_RECONCILIATION;
    case core::Reason::task_invalid: return v1::TaskStatus::REASON_TASK_INVALID;
    case core::Reason::container_limitation_memory:
      return v1::TaskStatus::REASON_CONTAINER_LIMITATION_MEMORY;
    case core::Reason::agent_draining: return v1::TaskStatus::REASON_AGENT_DRAINING;
  }
  return std::nullopt;
}

double seconds_of(WallTime at) { return static_cast<double>(at.millis) / 1000.0; }

Duration grace_of(const v1::KillPolicy& policy, Duration otherwise) {
  return policy.has_grace_period()
             ? Duration::nanos(std::max<std::int64_t>(policy.grace_period().nanoseconds(), 0))
             : otherwise;
}

core::TaskSpec task_from(const std::string& framework_id, const v1::TaskInfo& task) {
  return core::TaskSpec{core::TaskKey{framework_id, task.task_id().value()},
                        mesos::encode_protobuf(task),
                        grace_of(task.kill_policy(), kill_grace_otherwise)};
}

core::Command launch_from(const MasterEvent::Launch& message) {
  core::Launch launch;
  launch.framework = framework_from(message.framework());
  launch.executor = executor_for(launch.framework.id, message.task());
  launch.tasks.push_back(task_from(launch.framework.id, message.task()));
  return launch;
}

core::Command shutdown_from(const MasterEvent::Shutdown& message) {
  if (!message.has_framework_id()) {
    return core::Shutdown{message.has_message() ? message.message() : "ordered by the master"};
  }
  if (!message.has_executor_id()) {
    return core::ShutdownFramework{message.framework_id().value()};
  }
  return core::ShutdownExecutor{
      core::ExecutorKey{message.framework_id().value(), message.executor_id().value()}};
}

core::Command kill_from(const MasterEvent::Kill& message) {
  core::Kill kill{core::TaskKey{message.framework_id().value(), message.task_id().value()},
                  std::nullopt};
  if (message.kill_policy().has_grace_period()) {
    kill.grace = grace_of(message.kill_policy(), kill_grace_otherwise);
  }
  return kill;
}

std::string command_words(const v1::CommandInfo& command) {
  std::string words = command.shell() ? "sh -c '" + command.value() + "'" : command.value();
  if (words.size() > command_name_size_max) {
    words.resize(command_name_size_max);
    words += "...";
  }
  return words;
}

}  // namespace

Bytes bytes_of(const Uuid& uuid) { return Bytes(uuid.bytes.begin(), uuid.bytes.end()); }

std::optional<Uuid> uuid_from(ByteView bytes) {
  Uuid uuid;
  if (bytes.size() != uuid.bytes.size()) {
    return std::nullopt;
  }
  std::copy(bytes.begin(), bytes.end(), uuid.bytes.begin());
  return uuid;
}

core::MasterIdentity identity_from(const mesos::internal::MasterEpoch& message) {
  return core::MasterIdentity{uuid_from(message.lineage()).value_or(Uuid{}),
                              MasterEpoch(message.counter())};
}

void set_identity(const core::MasterIdentity& identity, mesos::internal::MasterEpoch* message) {
  message->set_lineage(bytes_of(identity.lineage));
  message->set_counter(identity.epoch.value());
}

Result<core::Command> command_from(const MasterEvent& event) {
  switch (event.type()) {
    case MasterEvent::REGISTERED:
      return core::Command(core::Registered{
          event.registered().agent_id().value(),
          Duration::millis(static_cast<std::int64_t>(event.registered().silence_limit_ms()))});
    case MasterEvent::LAUNCH: return launch_from(event.launch());
    case MasterEvent::KILL: return kill_from(event.kill());
    case MasterEvent::ACKNOWLEDGE: {
      const auto uuid = uuid_from(event.acknowledge().uuid());
      if (!uuid) {
        return Error{ErrorCode::malformed, "ACKNOWLEDGE without a uuid of 16 bytes"};
      }
      return core::Command(
          core::Acknowledge{core::TaskKey{event.acknowledge().framework_id().value(),
                                          event.acknowledge().task_id().value()},
                            *uuid});
    }
    case MasterEvent::RECONCILE: {
      core::Reconcile reconcile;
      for (const auto& item : event.reconcile().tasks()) {
        reconcile.tasks.push_back(
            core::TaskKey{item.framework_id().value(), item.task_id().value()});
      }
      return core::Command(std::move(reconcile));
    }
    case MasterEvent::SHUTDOWN: return shutdown_from(event.shutdown());
    case MasterEvent::PING: return core::Command(core::Ping{event.ping().number()});
    case MasterEvent::MESSAGE:
      return core::Command(
          core::MessageExecutor{core::ExecutorKey{event.message().framework_id().value(),
                                                  event.message().executor_id().value()},
                                event.message().data()});
    case MasterEvent::UPDATE_FRAMEWORK:
      return core::Command(
          core::UpdateFramework{framework_from(event.update_framework().framework())});
    default:
      return Error{ErrorCode::unsupported,
                   "event of type " + std::to_string(event.type()) + " is not known"};
  }
}

core::Framework framework_from(const v1::FrameworkInfo& info) {
  return core::Framework{info.id().value(), mesos::encode_protobuf(info),
                         translate::capabilities_of(info).partition_aware};
}

core::ExecutorSpec executor_for(const std::string& framework_id, const v1::TaskInfo& task) {
  core::ExecutorSpec spec;
  spec.shutdown_grace = shutdown_grace_otherwise;
  v1::ExecutorInfo info;
  if (task.has_executor()) {
    info = task.executor();
    spec.kind = core::ExecutorKind::custom;
    if (info.has_shutdown_grace_period()) {
      spec.shutdown_grace =
          Duration::nanos(std::max<std::int64_t>(info.shutdown_grace_period().nanoseconds(), 0));
    }
  } else {
    spec.kind = core::ExecutorKind::command;
    info.mutable_executor_id()->set_value(task.task_id().value());
    info.set_name("Command Executor (Task: " + task.task_id().value() +
                  ") (Command: " + command_words(task.command()) + ")");
    info.set_source(task.task_id().value());
  }
  info.mutable_framework_id()->set_value(framework_id);
  spec.key = core::ExecutorKey{framework_id, info.executor_id().value()};
  spec.info = mesos::encode_protobuf(info);
  return spec;
}

core::Update update_from(const v1::TaskStatus& status) {
  core::Update update;
  update.uuid = uuid_from(status.uuid()).value_or(Uuid{});
  update.state = state_from(status.state());
  update.source = core::Source::executor;
  update.message = status.message();
  update.at.millis = static_cast<std::int64_t>(status.timestamp() * 1000.0);
  update.status = mesos::encode_protobuf(status);
  update.process = status.container_status().executor_pid();
  return update;
}

v1::TaskStatus status_from(const core::Update& update, const core::TaskKey& task,
                           const std::string& executor_id, const std::string& agent_id) {
  v1::TaskStatus status;
  if (!update.status.empty()) {
    status.ParsePartialFromString(update.status);
  }
  status.mutable_task_id()->set_value(task.task);
  status.set_state(state_of(update.state));
  status.set_uuid(bytes_of(update.uuid));
  status.mutable_agent_id()->set_value(agent_id);
  if (!executor_id.empty()) {
    status.mutable_executor_id()->set_value(executor_id);
  }
  status.set_source(update.source == core::Source::executor ? v1::TaskStatus::SOURCE_EXECUTOR
                                                            : v1::TaskStatus::SOURCE_AGENT);
  if (!status.has_timestamp()) {
    status.set_timestamp(seconds_of(update.at));
  }
  if (!update.message.empty()) {
    status.set_message(update.message);
  }
  if (const auto reason = reason_of(update.reason)) {
    status.set_reason(*reason);
  }
  return status;
}

v1::TaskStatus status_from(const core::AnswerUnknown& answer, WallTime at,
                           const std::string& agent_id) {
  v1::TaskStatus status;
  status.mutable_task_id()->set_value(answer.task.task);
  status.set_state(state_of(answer.state));
  status.mutable_agent_id()->set_value(agent_id);
  status.set_source(v1::TaskStatus::SOURCE_AGENT);
  status.set_timestamp(seconds_of(at));
  status.set_message(answer.message);
  if (const auto reason = reason_of(answer.reason)) {
    status.set_reason(*reason);
  }
  return status;
}

v1::Task task_message(const core::Task& task, bool command, const std::string& agent_id) {
  v1::TaskInfo info;
  info.ParsePartialFromString(task.spec.info);
  v1::Task message;
  message.set_name(info.name());
  message.mutable_task_id()->set_value(task.spec.key.task);
  message.mutable_framework_id()->set_value(task.spec.key.framework);
  message.mutable_agent_id()->set_value(agent_id);
  message.set_state(state_of(task.state));
  message.mutable_resources()->CopyFrom(info.resources());
  if (!command) {
    message.mutable_executor_id()->set_value(task.executor);
  }
  for (const core::Update& update : task.told) {
    v1::TaskStatus* status = message.add_statuses();
    *status = status_from(update, task.spec.key, command ? "" : task.executor, agent_id);
    status->clear_data();  // may be large, and is the framework's alone
  }
  if (!task.updates.empty()) {
    const core::Update& head = task.updates.front().update;
    message.set_status_update_state(state_of(head.state));
    message.set_status_update_uuid(bytes_of(head.uuid));
  }
  if (info.has_labels()) {
    *message.mutable_labels() = info.labels();
  }
  if (info.has_discovery()) {
    *message.mutable_discovery() = info.discovery();
  }
  if (info.has_container()) {
    *message.mutable_container() = info.container();
  }
  if (info.has_health_check()) {
    *message.mutable_health_check() = info.health_check();
  }
  if (info.has_kill_policy()) {
    *message.mutable_kill_policy() = info.kill_policy();
  }
  if (info.command().has_user()) {
    message.set_user(info.command().user());
  }
  return message;
}

core::WaitStatus wait_status(const ports::ExitStatus& status) {
  return core::WaitStatus{status.code, status.signal};
}

core::WaitStatus wait_status_from_end(ByteView json) {
  mesos::internal::TaskEnd end;
  core::WaitStatus status;
  if (mesos::from_json(json, end).ok()) {
    if (end.has_exit_code()) {
      status.code = end.exit_code();
    } else if (end.has_exit_signal()) {
      status.signal = end.exit_signal();
    }
  }
  return status;
}

std::optional<core::TaskExit> task_exit_from(ByteView json) {
  mesos::internal::TaskEnd end;
  if (!mesos::from_json(json, end).ok() || !end.has_status() || end.status().uuid().size() != 16) {
    return std::nullopt;
  }
  return core::TaskExit{end.status().task_id().value(), update_from(end.status()),
                        wait_status_from_end(json)};
}

}  // namespace synod::agent
