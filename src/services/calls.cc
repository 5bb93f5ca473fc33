#include "services/calls.h"

#include "mesos/encoding.h"
#include "mesos/v1.h"
#include "mesos/v1/scheduler.pb.h"
#include "translate/amounts.h"

namespace synod::services {
namespace {

namespace v1 = ::mesos::v1;
using v1::scheduler::Call;

bool free_for_all(const v1::Resource& resource) {
  return resource.reservations().empty() && (!resource.has_role() || resource.role() == "*") &&
         !resource.has_reservation() && !resource.has_revocable() && !resource.has_shared() &&
         !(resource.has_disk() && resource.disk().has_persistence());
}

core::TaskState state_from(v1::TaskState state) {
  switch (state) {
    case v1::TASK_STAGING: return core::TaskState::staging;
    case v1::TASK_STARTING: return core::TaskState::starting;
    case v1::TASK_RUNNING: return core::TaskState::running;
    case v1::TASK_KILLING: return core::TaskState::killing;
    case v1::TASK_FINISHED: return core::TaskState::finished;
    case v1::TASK_FAILED: return core::TaskState::failed;
    case v1::TASK_KILLED: return core::TaskState::killed;
    case v1::TASK_ERROR: return core::TaskState::error;
    default: return core::TaskState::lost;
  }
}

std::string source_in_words(const v1::TaskStatus& status) {
  switch (status.source()) {
    case v1::TaskStatus::SOURCE_EXECUTOR: return "executor";
    case v1::TaskStatus::SOURCE_AGENT: return "agent";
    case v1::TaskStatus::SOURCE_MASTER: return "master";
    default: return "";
  }
}

// "Command exited with status 3" -> "exit status 3": the words that this program uses everywhere.
std::string message_in_words(const std::string& message) {
  const std::string exited = "Command exited with status ";
  if (message.starts_with(exited)) {
    return "exit status " + message.substr(exited.size());
  }
  return message;
}

void add_scalar(const char* name, std::int64_t milli, v1::TaskInfo* task) {
  if (milli > 0) {
    v1::Resource* resource = task->add_resources();
    resource->set_name(name);
    resource->set_type(v1::Value::SCALAR);
    resource->mutable_scalar()->set_value(translate::milli_to_double(milli));
  }
}

void add_ports(const std::vector<std::uint32_t>& ports, v1::TaskInfo* task) {
  if (ports.empty()) {
    return;
  }
  v1::Resource* resource = task->add_resources();
  resource->set_name("ports");
  resource->set_type(v1::Value::RANGES);
  for (std::uint32_t port : ports) {
    v1::Value::Range* range = resource->mutable_ranges()->add_range();
    range->set_begin(port);
    range->set_end(port);
  }
}

void add_variable(const std::string& name, const std::string& value, v1::CommandInfo* command) {
  v1::Environment::Variable* variable = command->mutable_environment()->add_variables();
  variable->set_name(name);
  variable->set_value(value);
}

// The variables that Marathon's tasks know, so that scripts written for it find their ports.
void add_environment(const core::App& app, const core::TaskLaunch& launch, const std::string& host,
                     v1::CommandInfo* command) {
  for (const auto& [name, value] : app.env) {
    add_variable(name, value, command);
  }
  add_variable("MARATHON_APP_ID", "/" + app.name, command);
  add_variable("HOST", host, command);
  std::string all;
  for (std::size_t i = 0; i < launch.ports.size(); ++i) {
    const std::string port = std::to_string(launch.ports[i]);
    add_variable("PORT" + std::to_string(i), port, command);
    all += (i == 0 ? "" : ",") + port;
  }
  if (!launch.ports.empty()) {
    add_variable("PORT", std::to_string(launch.ports.front()), command);
    add_variable("PORTS", all, command);
  }
}

void fill_task(const core::App& app, const core::TaskLaunch& launch, const std::string& agent_id,
               const std::string& host, v1::TaskInfo* task) {
  task->set_name(launch.name);
  task->mutable_task_id()->set_value(launch.task_id);
  task->mutable_agent_id()->set_value(agent_id);
  add_scalar("cpus", app.cpus_milli, task);
  add_scalar("mem", app.mem_milli, task);
  add_scalar("disk", app.disk_milli, task);
  add_ports(launch.ports, task);
  v1::CommandInfo* command = task->mutable_command();
  command->set_shell(!app.command.empty());
  if (app.command.empty()) {
    command->set_value(app.argv.front());
    for (const std::string& word : app.argv) {
      command->add_arguments(word);
    }
  } else {
    command->set_value(app.command);
  }
  if (!app.user.empty()) {
    command->set_user(app.user);
  }
  add_environment(app, launch, host, command);
  task->mutable_kill_policy()->mutable_grace_period()->set_nanoseconds(app.kill_grace.nanos());
}

// Fills the call; false if the effect is not for the master.
struct Fill {
  Call& call;
  const std::string& host;

  bool operator()(const core::Accept& e) const {
    call.set_type(Call::ACCEPT);
    call.mutable_accept()->add_offer_ids()->set_value(e.offer_id);
    v1::Offer::Operation* operation = call.mutable_accept()->add_operations();
    operation->set_type(v1::Offer::Operation::LAUNCH);
    for (const core::TaskLaunch& task : e.tasks) {
      fill_task(e.app, task, e.agent_id, host, operation->mutable_launch()->add_task_infos());
    }
    // What is left of the offer may come back at once for the next app.
    call.mutable_accept()->mutable_filters()->set_refuse_seconds(0);
    return true;
  }
  bool operator()(const core::Decline& e) const {
    call.set_type(Call::DECLINE);
    call.mutable_decline()->add_offer_ids()->set_value(e.offer_id);
    call.mutable_decline()->mutable_filters()->set_refuse_seconds(
        static_cast<double>(e.refuse.millis()) / 1000);
    return true;
  }
  bool operator()(const core::Suppress&) const {
    call.set_type(Call::SUPPRESS);
    return true;
  }
  bool operator()(const core::Revive&) const {
    call.set_type(Call::REVIVE);
    return true;
  }
  bool operator()(const core::Kill& e) const {
    call.set_type(Call::KILL);
    call.mutable_kill()->mutable_task_id()->set_value(e.task_id);
    if (!e.agent_id.empty()) {
      call.mutable_kill()->mutable_agent_id()->set_value(e.agent_id);
    }
    call.mutable_kill()->mutable_kill_policy()->mutable_grace_period()->set_nanoseconds(
        e.grace.nanos());
    return true;
  }
  bool operator()(const core::Acknowledge& e) const {
    call.set_type(Call::ACKNOWLEDGE);
    call.mutable_acknowledge()->mutable_agent_id()->set_value(e.agent_id);
    call.mutable_acknowledge()->mutable_task_id()->set_value(e.task_id);
    call.mutable_acknowledge()->set_uuid(e.uuid);
    return true;
  }
  bool operator()(const core::Reconcile& e) const {
    call.set_type(Call::RECONCILE);
    call.mutable_reconcile();
    for (const auto& [task, agent] : e.tasks) {
      Call::Reconcile::Task* asked = call.mutable_reconcile()->add_tasks();
      asked->mutable_task_id()->set_value(task);
      if (!agent.empty()) {
        asked->mutable_agent_id()->set_value(agent);
      }
    }
    return true;
  }
  template <typename Other>
  bool operator()(const Other&) const {
    return false;
  }
};

}  // namespace

core::Offer offer_from(const v1::Offer& message) {
  core::Offer offer;
  offer.id = message.id().value();
  offer.agent_id = message.agent_id().value();
  offer.agent_name = message.hostname();
  for (const v1::Attribute& attribute : message.attributes()) {
    if (attribute.name() == "name" && attribute.has_text()) {
      offer.agent_name = attribute.text().value();
    }
  }
  for (const v1::Resource& resource : message.resources()) {
    if (!free_for_all(resource)) {
      continue;
    }
    const auto milli = translate::milli_from_double(resource.scalar().value());
    const std::int64_t amount = milli.ok() ? *milli : 0;
    if (resource.name() == "cpus") {
      offer.cpus_milli += amount;
    } else if (resource.name() == "mem") {
      offer.mem_milli += amount;
    } else if (resource.name() == "disk") {
      offer.disk_milli += amount;
    } else if (resource.name() == "ports") {
      for (const v1::Value::Range& range : resource.ranges().range()) {
        if (range.begin() <= range.end() && range.end() <= 65535) {
          offer.ports.push_back(
              {static_cast<std::uint32_t>(range.begin()), static_cast<std::uint32_t>(range.end())});
        }
      }
    }
  }
  return offer;
}

core::Update update_from(const v1::TaskStatus& status, Instant now) {
  core::Update update;
  update.now = now;
  update.task_id = status.task_id().value();
  update.agent_id = status.agent_id().value();
  update.state = state_from(status.state());
  update.uuid = status.uuid();
  update.message = message_in_words(status.message());
  update.source = source_in_words(status);
  return update;
}

std::optional<Bytes> call_of(const core::Effect& effect, const std::string& framework_id,
                             const std::string& host) {
  Call call;
  if (!std::visit(Fill{call, host}, effect)) {
    return std::nullopt;
  }
  call.mutable_framework_id()->set_value(framework_id);
  return mesos::encode_protobuf(call);
}

}  // namespace synod::services
