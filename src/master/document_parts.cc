#include "master/document_parts.h"

#include <algorithm>
#include <map>

#include "master/agent_calls.h"
#include "mesos/encoding.h"
#include "mesos/v1.h"
#include "translate/amounts.h"
#include "translate/resources.h"

namespace synod::master {

namespace {

using mesos::JsonWriter;

// Our own bytes: they parse.
template <typename Message>
Message parsed(const Bytes& bytes) {
  Message out;
  SYNOD_CHECK(mesos::decode_protobuf(bytes, out).ok());
  return out;
}

void write_amount(JsonWriter& out, const std::string& name, const resources::Value& value) {
  if (const auto* amount = std::get_if<resources::Milli>(&value)) {
    out.field(name, translate::milli_to_double(*amount));
  } else {
    out.field(name, resources::to_string(value));
  }
}

void add_value(resources::Value& to, const resources::Value& value) {
  if (auto* amount = std::get_if<resources::Milli>(&to)) {
    *amount += std::get<resources::Milli>(value);
  } else if (auto* ranges = std::get_if<resources::Ranges>(&to)) {
    ranges->add(std::get<resources::Ranges>(value));
  } else {
    std::get<resources::NameSet>(to).add(std::get<resources::NameSet>(value));
  }
}

std::map<std::string, resources::Resources> by_role(const resources::Resources& reserved) {
  std::map<std::string, resources::Resources> out;
  for (const auto& item : reserved) {
    out[std::string(item.reserved_role())].add(item);
  }
  return out;
}

void write_full(JsonWriter& out, const char* name, const resources::Resources& resources) {
  translate::ResourceMessages messages;
  translate::append_resources(resources, translate::Format::endpoint, messages);
  if (name != nullptr) {
    out.key(name);
  }
  out.begin_array();
  for (const auto& message : messages) {
    mesos::append_json(out, message);
  }
  out.end_array();
}

void write_attributes(JsonWriter& out, const core::AgentInfo& info) {
  out.key("attributes").begin_object();
  for (const auto& attribute : info.attributes) {
    if (const auto* amount = std::get_if<resources::Milli>(&attribute.value)) {
      out.field(attribute.name, translate::milli_to_double(*amount));
    } else if (const auto* text = std::get_if<std::string>(&attribute.value)) {
      out.field(attribute.name, *text);
    } else if (const auto* ranges = std::get_if<resources::Ranges>(&attribute.value)) {
      out.field(attribute.name, resources::to_string(*ranges));
    } else {
      out.field(attribute.name,
                resources::to_string(std::get<resources::NameSet>(attribute.value)));
    }
  }
  out.end_object();
}

void write_command(JsonWriter& out, const mesos::v1::CommandInfo& command) {
  out.key("command").begin_object().field("shell", command.shell());
  if (command.has_value()) {
    out.field("value", command.value());
  }
  out.key("argv").begin_array();
  for (const std::string& argument : command.arguments()) {
    out.string(argument);
  }
  out.end_array();
  if (command.has_environment()) {
    out.key("environment");
    mesos::append_json(out, command.environment());
  }
  out.key("uris").begin_array();
  for (const auto& uri : command.uris()) {
    out.begin_object().field("value", uri.value()).field("executable", uri.executable());
    out.end_object();
  }
  out.end_array().end_object();
}

void write_status(JsonWriter& out, const core::TaskStatus& status) {
  out.begin_object()
      .field("state", core::to_string(status.state))
      .field("timestamp", seconds_of(status.timestamp));
  if (!status.bytes.empty()) {
    const auto message = parsed<mesos::v1::TaskStatus>(status.bytes);
    if (message.has_labels()) {
      out.key("labels").begin_array();
      for (const auto& label : message.labels().labels()) {
        mesos::append_json(out, label);
      }
      out.end_array();
    }
    if (message.has_container_status()) {
      out.key("container_status");
      mesos::append_json(out, message.container_status());
    }
  }
  if (status.healthy) {
    out.field("healthy", *status.healthy);
  }
  out.end_object();
}

// TaskInfo and Task have these members alike.
template <typename Message>
void write_described(JsonWriter& out, const Message& message) {
  if (message.has_labels()) {
    out.key("labels").begin_array();
    for (const auto& label : message.labels().labels()) {
      mesos::append_json(out, label);
    }
    out.end_array();
  }
  if (message.has_discovery()) {
    out.key("discovery");
    mesos::append_json(out, message.discovery());
  }
  if (message.has_container()) {
    out.key("container");
    mesos::append_json(out, message.container());
  }
  if (message.has_health_check()) {
    out.key("health_check");
    mesos::append_json(out, message.health_check());
  }
}

}  // namespace

std::vector<core::TaskStatus> statuses_of(const core::TaskView& task) {
  if (task.reported.empty()) {
    return task.statuses;
  }
  // What the agent told when it came, and then what this master heard itself: the last of each
  // state.
  std::vector<core::TaskStatus> out;
  const auto message = parsed<mesos::v1::Task>(task.reported);
  for (const auto& status : message.statuses()) {
    out.push_back(status_of(status));
  }
  for (const core::TaskStatus& status : task.statuses) {
    std::erase_if(out, [&](const core::TaskStatus& old) { return old.state == status.state; });
    out.push_back(status);
  }
  return out;
}

double seconds_of(WallTime time) { return static_cast<double>(time.millis) / 1000.0; }

void write_resources(JsonWriter& out, const char* name, const resources::Resources& resources) {
  // Always there, and first.
  static constexpr const char* scalars[] = {"cpus", "gpus", "mem", "disk"};
  std::map<std::string, resources::Value> sums;
  for (const auto& item : resources) {
    const std::string key = item.revocable ? item.name + "_revocable" : item.name;
    auto [it, is_new] = sums.emplace(key, item.value);
    if (!is_new) {
      add_value(it->second, item.value);
    }
  }
  if (name != nullptr) {
    out.key(name);
  }
  out.begin_object();
  for (const char* scalar : scalars) {
    out.field(scalar, translate::milli_to_double(resources.nonrevocable().scalar(scalar)));
    sums.erase(scalar);
  }
  for (const auto& sum : sums) {
    write_amount(out, sum.first, sum.second);
  }
  out.end_object();
}

void write_agent_members(JsonWriter& out, const core::AgentView& agent, bool full) {
  const core::AgentInfo& info = *agent.info;
  out.field("id", agent.id.value).field("hostname", info.hostname).field("port", info.port);
  write_attributes(out, info);
  out.field("pid", "slave(1)@" + info.ip + ':' + std::to_string(info.port))
      .field("registered_time", seconds_of(agent.registered_at));
  if (agent.reregistered_at.millis != 0) {
    out.field("reregistered_time", seconds_of(agent.reregistered_at));
  }
  write_resources(out, "resources", agent.total);
  write_resources(out, "used_resources", agent.allocated);
  write_resources(out, "offered_resources", agent.offered);
  const auto reserved = by_role(agent.total.reserved());
  out.key("reserved_resources").begin_object();
  for (const auto& role : reserved) {
    out.key(role.first);
    write_resources(out, nullptr, role.second);
  }
  out.end_object();
  write_resources(out, "unreserved_resources", agent.total.unreserved());
  out.field("active", agent.state == core::AgentView::State::connected && agent.accepts_tasks)
      .field("deactivated", false)
      .field("version", "1.11.0")
      .key("capabilities")
      .begin_array()
      .string("MULTI_ROLE")
      .string("HIERARCHICAL_ROLE")
      .string("RESERVATION_REFINEMENT")
      .end_array();
  if (full) {
    out.key("reserved_resources_full").begin_object();
    for (const auto& role : reserved) {
      write_full(out, role.first.c_str(), role.second);
    }
    out.end_object();
    write_full(out, "unreserved_resources_full", agent.total.unreserved());
    write_full(out, "used_resources_full", agent.allocated);
    write_full(out, "offered_resources_full", agent.offered);
  }
}

void write_framework_summary(JsonWriter& out, const core::FrameworkView& framework) {
  const auto info = parsed<mesos::v1::FrameworkInfo>(framework.info.bytes);
  const bool connected = framework.state == core::FrameworkView::State::connected;
  out.field("id", framework.id.value).field("name", info.name());
  write_resources(out, "used_resources", framework.allocated);
  write_resources(out, "offered_resources", framework.offered);
  out.key("capabilities").begin_array();
  for (const auto& capability : info.capabilities()) {
    out.string(mesos::v1::FrameworkInfo::Capability::Type_Name(capability.type()));
  }
  out.end_array()
      .field("hostname", info.hostname())
      .field("webui_url", info.webui_url())
      .field("active", connected)
      .field("connected", connected)
      .field("recovered", framework.state == core::FrameworkView::State::recovered)
      .field("user", info.user())
      .field("failover_timeout", info.failover_timeout())
      .field("checkpoint", info.checkpoint())
      .field("registered_time", seconds_of(framework.registered_at))
      .field("unregistered_time", seconds_of(framework.unregistered_at));
  if (info.has_principal()) {
    out.field("principal", info.principal());
  }
  write_resources(out, "resources", framework.allocated + framework.offered);
  if (framework.reregistered_at.millis != 0) {
    out.field("reregistered_time", seconds_of(framework.reregistered_at));
  }
  if (framework.info.capabilities.multi_role) {
    out.key("roles").begin_array();
    for (const std::string& role : info.roles()) {
      out.string(role);
    }
    out.end_array();
  } else {
    out.field("role", info.role());
  }
  if (info.has_labels()) {
    out.key("labels").begin_array();
    for (const auto& label : info.labels().labels()) {
      mesos::append_json(out, label);
    }
    out.end_array();
  }
}

void write_task(JsonWriter& out, const core::TaskView& task) {
  out.begin_object()
      .field("id", task.id.value)
      .field("name", task.name)
      .field("framework_id", task.framework.value)
      .field("executor_id", task.executor.value)
      .field("slave_id", task.agent.value)
      .field("state", core::to_string(task.state));
  write_resources(out, "resources", task.resources);
  out.field("role", task.role.empty() ? std::string("*") : task.role);
  out.key("statuses").begin_array();
  for (const auto& status : statuses_of(task)) {
    write_status(out, status);
  }
  out.end_array();
  if (!task.spec.empty()) {
    const auto message = parsed<mesos::v1::TaskInfo>(task.spec);
    const auto& command = message.has_executor() ? message.executor().command() : message.command();
    if (command.has_user()) {
      out.field("user", command.user());
    }
    write_described(out, message);
  } else if (!task.reported.empty()) {
    const auto message = parsed<mesos::v1::Task>(task.reported);
    if (message.has_user()) {
      out.field("user", message.user());
    }
    write_described(out, message);
  }
  out.end_object();
}

void write_executor(JsonWriter& out, const core::ExecutorView& executor) {
  const auto info = parsed<mesos::v1::ExecutorInfo>(executor.bytes);
  out.begin_object()
      .field("executor_id", executor.id.value)
      .field("name", info.name())
      .field("framework_id", executor.framework.value);
  write_command(out, info.command());
  write_resources(out, "resources", executor.resources);
  std::string role = "*";
  for (const auto& resource : info.resources()) {
    role = resource.allocation_info().has_role() ? resource.allocation_info().role() : role;
  }
  out.field("role", role);
  if (info.has_labels()) {
    out.key("labels").begin_array();
    for (const auto& label : info.labels().labels()) {
      mesos::append_json(out, label);
    }
    out.end_array();
  }
  if (info.has_type()) {
    out.field("type", mesos::v1::ExecutorInfo::Type_Name(info.type()));
  }
  out.field("slave_id", executor.agent.value).end_object();
}

}  // namespace synod::master
