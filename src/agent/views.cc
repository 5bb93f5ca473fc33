#include "agent/views.h"

#include <algorithm>

#include "agent/convert.h"
#include "agent/node.h"
#include "containerizer/paths.h"
#include "mesos/v1.h"
#include "translate/amounts.h"
#include "translate/resources.h"

namespace synod::agent {

namespace {

namespace v1 = ::mesos::v1;
using http::Json;

double seconds_of(Duration duration) { return static_cast<double>(duration.nanos()) / 1e9; }
double seconds_of(WallTime at) { return static_cast<double>(at.millis) / 1000.0; }

std::string range_text(const resources::Ranges& ranges) { return to_string(ranges); }

// Mesos' flat form: scalars as numbers, the four known ones always there, ranges as text.
Json resources_json(const resources::Resources& bag) {
  Json out = Json::object();
  for (const char* name : {"cpus", "gpus", "mem", "disk"}) {
    out.set(name, translate::milli_to_double(bag.scalar(name)));
  }
  for (const auto& resource : bag) {
    if (std::holds_alternative<resources::Ranges>(resource.value)) {
      out.set(resource.name, range_text(bag.ranges(resource.name)));
    } else if (resource.is_scalar()) {
      out.set(resource.name, translate::milli_to_double(bag.scalar(resource.name)));
    }
  }
  return out;
}

Json resources_json(const translate::ResourceMessages& messages) {
  auto bag = translate::resources_from(messages);
  return resources_json(bag.ok() ? bag->unallocated() : resources::Resources());
}

}  // namespace

Views::Views(Node& node) : node_(node) { add_routes(); }

void Views::handle(http::Request request, http::Responder responder) {
  const std::string prefix = "/slave(1)";
  if (request.path.rfind(prefix + "/", 0) == 0) {
    request.path.erase(0, prefix.size());
  }
  router_(std::move(request), std::move(responder));
}

void Views::add_routes() {
  const auto json = [](auto make) {
    return [make](const http::Request&, http::Responder responder) {
      responder.respond(http::json_response(200, to_string(make())));
    };
  };
  router_.add("*", "/api/v1/executor", [this](http::Request request, http::Responder responder) {
    node_.executor_api_->handle(std::move(request), std::move(responder));
  });
  router_.add("GET", "/health", [](const http::Request&, http::Responder responder) {
    responder.respond(http::Response{200, {}, ""});
  });
  router_.add("GET", "/version", json([this] {
                return Json::object({{"version", node_.options_.version}});
              }));
  router_.add("GET", "/state", json([this] { return state(); }));
  router_.add("GET", "/metrics/snapshot", json([this] { return metrics(); }));
  router_.add("GET", "/containers", json([this] { return containers(); }));
  router_.add("GET", "/monitor/statistics", json([this] { return containers(); }));
  router_.add("GET", "/monitor/statistics.json", json([this] { return containers(); }));
  router_.add("GET", "/synod/v1/agent", json([this] { return agent(); }));
  using Member = void (Views::*)(const http::Request&, http::Responder);
  const auto route = [this](const char* path, Member member) {
    router_.add("GET", path,
                [this, member](const http::Request& request, http::Responder responder) {
                  (this->*member)(request, std::move(responder));
                });
  };
  route("/synod/v1/logs", &Views::logs);
  route("/files/read", &Views::files_read);
  route("/files/browse", &Views::files_browse);
  route("/files/download", &Views::files_download);
}

Json Views::state() const {
  const core::Core& core = *node_.core_;
  Json out = Json::object();
  out.set("version", node_.options_.version);
  out.set("start_time", seconds_of(node_.started_wall_));
  out.set("id", core.agent_id());
  out.set("pid", "slave(1)@" + to_string(node_.advertised_));
  out.set("hostname", node_.hostname_);
  out.set("resources", resources_json(node_.total_));
  out.set("unreserved_resources", resources_json(node_.total_.unreserved()));
  Json attributes = Json::object();
  for (const auto& attribute : node_.attributes_) {
    const std::string text = to_string(attribute);
    attributes.set(attribute.name, text.substr(std::min(text.find(':') + 1, text.size())));
  }
  out.set("attributes", std::move(attributes));
  if (node_.master_) {
    out.set("master_hostname", node_.master_->host);
  }
  Json flags = Json::object();
  flags.set("work_dir", node_.options_.work_dir);
  flags.set("master", node_.options_.master);
  out.set("flags", std::move(flags));
  Json frameworks = Json::array();
  for (const auto& [id, framework] : core.frameworks()) {
    v1::FrameworkInfo info;
    info.ParsePartialFromString(framework.info);
    Json one = Json::object();
    one.set("id", id);
    one.set("name", info.name());
    one.set("user", info.user());
    one.set("failover_timeout", info.failover_timeout());
    one.set("checkpoint", true);
    one.set("hostname", info.hostname());
    Json executors = Json::array();
    for (const auto& [key, executor] : core.executors()) {
      if (key.framework == id) {
        executors.push(executor_state(id, key.executor));
      }
    }
    one.set("executors", std::move(executors));
    one.set("completed_executors", Json::array());
    frameworks.push(std::move(one));
  }
  out.set("frameworks", std::move(frameworks));
  out.set("completed_frameworks", Json::array());
  return out;
}

Json Views::executor_state(const std::string& framework, const std::string& name) const {
  const core::Core& core = *node_.core_;
  const core::Executor& executor = core.executors().at(core::ExecutorKey{framework, name});
  v1::ExecutorInfo info;
  info.ParsePartialFromString(executor.spec.info);
  Json out = Json::object();
  out.set("id", name);
  out.set("name", info.name());
  out.set("source", info.source());
  out.set("container", to_string(executor.container));
  out.set("directory",
          containerizer::sandbox_directory(
              node_.options_.work_dir, containerizer::SandboxKey{core.agent_id(), framework, name,
                                                                 to_string(executor.container)}));
  out.set("resources", resources_json(info.resources()));
  Json tasks = Json::array();
  Json queued = Json::array();
  Json completed = Json::array();
  for (const auto& [key, task] : core.tasks()) {
    if (key.framework != framework || task.container != executor.container) {
      continue;
    }
    v1::TaskInfo task_info;
    task_info.ParsePartialFromString(task.spec.info);
    Json one = Json::object();
    one.set("id", key.task);
    one.set("name", task_info.name());
    one.set("framework_id", framework);
    one.set("executor_id", executor.spec.kind == core::ExecutorKind::command ? "" : name);
    one.set("slave_id", core.agent_id());
    one.set("state", core::to_string(task.state));
    one.set("resources", resources_json(task_info.resources()));
    (is_terminal(task.state)                                    ? completed
     : task.delivered || task.state != core::TaskState::staging ? tasks
                                                                : queued)
        .push(std::move(one));
  }
  out.set("tasks", std::move(tasks));
  out.set("queued_tasks", std::move(queued));
  out.set("completed_tasks", std::move(completed));
  return out;
}

Json Views::metrics() const {
  const core::Core& core = *node_.core_;
  std::map<std::string, double> values;
  const auto count = [&values](const std::string& name) { values[name] += 1; };
  for (const char* name : {"staging", "starting", "running", "killing"}) {
    values[std::string("slave/tasks_") + name] = 0;
  }
  for (const char* name : {"registering", "running", "terminating"}) {
    values[std::string("slave/executors_") + name] = 0;
  }
  resources::Resources used;
  for (const auto& [key, task] : core.tasks()) {
    std::string state = core::to_string(task.state);
    std::transform(state.begin(), state.end(), state.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    count("slave/tasks_" + state.substr(state.find('_') + 1));
    if (!is_terminal(task.state)) {
      v1::TaskInfo info;
      info.ParsePartialFromString(task.spec.info);
      if (auto bag = translate::resources_from(info.resources()); bag.ok()) {
        used.add(bag->unallocated());
      }
    }
  }
  for (const auto& [key, executor] : core.executors()) {
    count(executor.state == core::ExecutorState::running  ? "slave/executors_running"
          : executor.state == core::ExecutorState::ending ? "slave/executors_terminating"
                                                          : "slave/executors_registering");
  }
  for (const char* name : {"cpus", "mem", "disk", "gpus"}) {
    const double total = translate::milli_to_double(node_.total_.scalar(name));
    const double in_use = translate::milli_to_double(used.scalar(name));
    const std::string base = std::string("slave/") + name;
    values[base + "_total"] = total;
    values[base + "_used"] = in_use;
    values[base + "_percent"] = total > 0 ? in_use / total : 0;
  }
  values["slave/registered"] = core.registered() ? 1 : 0;
  values["slave/frameworks_active"] = static_cast<double>(core.frameworks().size());
  values["slave/uptime_secs"] = seconds_of(node_.ports_.lane.now() - node_.started_at_);
  values["system/cpus_total"] = static_cast<double>(node_.ports_.host.cpus_milli()) / 1000;
  values["system/mem_total_bytes"] = static_cast<double>(node_.ports_.host.memory_bytes());
  if (node_.last_.machine) {
    values["system/load_1min"] = node_.last_.machine->load_one_minute;
    values["system/mem_free_bytes"] =
        static_cast<double>(node_.last_.machine->memory_available_bytes);
  }
  Json out = Json::object();
  for (const auto& [name, value] : values) {
    out.set(name, value);
  }
  return out;
}

Json Views::containers() const {
  Json out = Json::array();
  for (const auto& [key, executor] : node_.core_->executors()) {
    v1::ExecutorInfo info;
    info.ParsePartialFromString(executor.spec.info);
    Json one = Json::object();
    one.set("framework_id", key.framework);
    one.set("executor_id", key.executor);
    one.set("executor_name", info.name());
    one.set("source", info.source());
    one.set("container_id", to_string(executor.container));
    if (const auto it = node_.last_.executors.find(key); it != node_.last_.executors.end()) {
      Json statistics = Json::object();
      statistics.set("timestamp", seconds_of(node_.ports_.lane.wall()));
      statistics.set("cpus_user_time_secs", seconds_of(it->second.cpu_user));
      statistics.set("cpus_system_time_secs", seconds_of(it->second.cpu_system));
      statistics.set("mem_rss_bytes", it->second.memory_bytes);
      statistics.set("processes", it->second.processes);
      one.set("statistics", std::move(statistics));
    }
    if (executor.process) {
      one.set("status", Json::object({{"executor_pid", executor.process->pid}}));
    }
    out.push(std::move(one));
  }
  return out;
}

Json Views::agent() const {
  const core::Core& core = *node_.core_;
  Json out = Json::object();
  out.set("id", core.agent_id());
  out.set("pid", node_.ports_.processes.self().pid);
  out.set("master", node_.master_ ? Json(to_string(*node_.master_)) : Json());
  out.set("registered", core.registered());
  if (core.master()) {
    out.set("epoch", core.master()->epoch.value());
    out.set("lineage", to_string(core.master()->lineage));
  }
  out.set("isolation", node_.isolation_);
  out.set("runtime", node_.options_.runtime);
  out.set("accepts_tasks", !core.pressure().any());
  out.set("why_not", core.pressure().reason);
  Json tasks = Json::array();
  for (const auto& [key, task] : core.tasks()) {
    Json one = Json::object();
    one.set("id", key.task);
    one.set("framework_id", key.framework);
    one.set("state", core::to_string(task.state));
    one.set("pid", task.process);
    one.set("unacknowledged", static_cast<std::int64_t>(task.updates.size()));
    const core::Executor* executor = task.container ? core.find(*task.container) : nullptr;
    if (executor != nullptr) {
      if (executor->process) {
        one.set("executor_pid", executor->process->pid);
      }
      one.set("container_id", to_string(executor->container));
      one.set("sandbox",
              containerizer::sandbox_directory(
                  node_.options_.work_dir,
                  containerizer::SandboxKey{core.agent_id(), key.framework, task.executor,
                                            to_string(executor->container)}));
    }
    tasks.push(std::move(one));
  }
  out.set("tasks", std::move(tasks));
  return out;
}

}  // namespace synod::agent
