#include "services/record_json.h"

#include <cmath>
#include <set>

namespace synod::services {
namespace {

using http::Json;

const char* to_string(core::RestartPolicy policy) {
  switch (policy) {
    case core::RestartPolicy::always: return "always";
    case core::RestartPolicy::on_failure: return "on_failure";
    case core::RestartPolicy::never: return "never";
  }
  return "always";
}

Result<core::RestartPolicy> policy_from(std::string_view text) {
  for (const auto policy :
       {core::RestartPolicy::always, core::RestartPolicy::on_failure, core::RestartPolicy::never}) {
    if (text == to_string(policy)) {
      return policy;
    }
  }
  return Error{ErrorCode::invalid_argument,
               "restartPolicy must be always, on_failure or never, not " + std::string(text)};
}

double from_milli(std::int64_t milli) { return static_cast<double>(milli) / 1000; }

Error wrong(const std::string& field, const std::string& what) {
  return Error{ErrorCode::invalid_argument, field + " " + what};
}

Status read_milli(const Json& json, const char* field, std::int64_t* target) {
  const Json* value = json.find(field);
  if (value == nullptr) {
    return {};
  }
  const double number = value->as_double(-1);
  if (!value->is_number() || !(number >= 0) || number > 1e12) {
    return wrong(field, "must be a number from 0");
  }
  *target = std::llround(number * 1000);
  return {};
}

Status read_count(const Json& json, const char* field, std::uint32_t* target) {
  const Json* value = json.find(field);
  if (value == nullptr) {
    return {};
  }
  const std::int64_t number = value->as_int(-1);
  if (number < 0 || number > 1'000'000) {
    return wrong(field, "must be a whole number from 0");
  }
  *target = static_cast<std::uint32_t>(number);
  return {};
}

Status read_seconds(const Json& json, const char* field, Duration* target) {
  std::int64_t milli = target->millis();
  SYNOD_TRY(read_milli(json, field, &milli));
  *target = Duration::millis(milli);
  return {};
}

Status read_command(const Json& json, core::App* app) {
  app->command = std::string(json["cmd"].as_string());
  for (const Json& word : json["args"].items()) {
    if (!word.is_string()) {
      return wrong("args", "must be strings");
    }
    app->argv.emplace_back(word.as_string());
  }
  return {};
}

Status read_environment(const Json& json, core::App* app) {
  for (const auto& [name, value] : json["env"].members()) {
    if (!value.is_string()) {
      return wrong("env", "must map names to strings (secrets are not supported)");
    }
    app->env[name] = std::string(value.as_string());
  }
  return {};
}

// What a user may believe to be in force must not be ignored.
Status refuse_unsupported(const Json& json) {
  static const std::set<std::string> harmless = {"id",
                                                 "cmd",
                                                 "args",
                                                 "cpus",
                                                 "mem",
                                                 "disk",
                                                 "instances",
                                                 "env",
                                                 "user",
                                                 "labels",
                                                 "ports",
                                                 "portDefinitions",
                                                 "version",
                                                 "backoffSeconds",
                                                 "backoffFactor",
                                                 "maxLaunchDelaySeconds",
                                                 "taskKillGracePeriodSeconds",
                                                 "restartPolicy",
                                                 "restartsMax",
                                                 "requirePorts",
                                                 "upgradeStrategy",
                                                 "killSelection",
                                                 "tasks",
                                                 "tasksStaged",
                                                 "tasksRunning",
                                                 "tasksHealthy",
                                                 "tasksUnhealthy",
                                                 "deployments",
                                                 "versionInfo",
                                                 "lastTaskFailure",
                                                 "unreachableStrategy",
                                                 "networks"};
  for (const auto& [name, value] : json.members()) {
    const bool empty = value.is_null() || (value.is_array() && value.items().empty()) ||
                       (value.is_object() && value.members().empty());
    if (harmless.count(name) == 0 && !empty) {
      return wrong(name, "is not supported");
    }
  }
  return {};
}

Json strings(const std::vector<std::string>& words) {
  Json array = Json::array();
  for (const std::string& word : words) {
    array.push(word);
  }
  return array;
}

Json instance_to_json(const core::Instance& instance) {
  Json ports = Json::array();
  for (std::uint32_t port : instance.ports) {
    ports.push(port);
  }
  Json json = Json::object({{"index", instance.index},
                            {"task_id", instance.task_id},
                            {"agent_id", instance.agent_id},
                            {"agent_name", instance.agent_name},
                            {"ports", ports},
                            {"version", instance.version},
                            {"restarts", instance.restarts}});
  if (core::is_over(instance.phase)) {
    json.set("phase", core::to_string(instance.phase));
    json.set("last", instance.last);
  }
  return json;
}

core::Instance instance_from_json(const Json& json) {
  core::Instance instance;
  instance.index = static_cast<std::uint32_t>(json["index"].as_int());
  instance.task_id = std::string(json["task_id"].as_string());
  instance.agent_id = std::string(json["agent_id"].as_string());
  instance.agent_name = std::string(json["agent_name"].as_string());
  for (const Json& port : json["ports"].items()) {
    instance.ports.push_back(static_cast<std::uint32_t>(port.as_int()));
  }
  instance.version = static_cast<std::uint64_t>(json["version"].as_int());
  instance.restarts = static_cast<std::uint32_t>(json["restarts"].as_int());
  for (const core::Phase phase : {core::Phase::failed, core::Phase::finished}) {
    if (json["phase"].as_string() == core::to_string(phase)) {
      instance.phase = phase;
      instance.last = std::string(json["last"].as_string());
    }
  }
  return instance;
}

}  // namespace

std::string app_name(const std::string& id) { return id.starts_with('/') ? id.substr(1) : id; }

Result<core::App> app_from_json(const Json& json) {
  if (!json.is_object()) {
    return Error{ErrorCode::invalid_argument, "an app is a JSON object"};
  }
  SYNOD_TRY(refuse_unsupported(json));
  core::App app;
  app.name = app_name(std::string(json["id"].as_string()));
  if (json.find("cpus") == nullptr) {
    app.cpus_milli = 1000;  // Marathon's default
  }
  SYNOD_TRY(read_command(json, &app));
  SYNOD_TRY(read_environment(json, &app));
  SYNOD_TRY(read_milli(json, "cpus", &app.cpus_milli));
  SYNOD_TRY(read_milli(json, "mem", &app.mem_milli));
  SYNOD_TRY(read_milli(json, "disk", &app.disk_milli));
  SYNOD_TRY(read_count(json, "instances", &app.instances));
  SYNOD_TRY(read_count(json, "restartsMax", &app.restarts_max));
  SYNOD_TRY(read_seconds(json, "backoffSeconds", &app.backoff_first));
  SYNOD_TRY(read_seconds(json, "maxLaunchDelaySeconds", &app.backoff_max));
  SYNOD_TRY(read_seconds(json, "taskKillGracePeriodSeconds", &app.kill_grace));
  if (const Json* policy = json.find("restartPolicy")) {
    SYNOD_TRY_ASSIGN(app.restart, policy_from(policy->as_string()));
  }
  app.user = std::string(json["user"].as_string());
  app.ports = static_cast<std::uint32_t>(
      std::max(json["portDefinitions"].items().size(), json["ports"].items().size()));
  if (const auto problem = core::validate(app)) {
    return Error{ErrorCode::invalid_argument, *problem};
  }
  return app;
}

Json app_to_json(const core::App& app) {
  Json json = Json::object({{"id", "/" + app.name},
                            {"cpus", from_milli(app.cpus_milli)},
                            {"mem", from_milli(app.mem_milli)},
                            {"disk", from_milli(app.disk_milli)},
                            {"instances", app.instances},
                            {"backoffSeconds", from_milli(app.backoff_first.millis())},
                            {"maxLaunchDelaySeconds", from_milli(app.backoff_max.millis())},
                            {"taskKillGracePeriodSeconds", from_milli(app.kill_grace.millis())},
                            {"restartPolicy", to_string(app.restart)},
                            {"restartsMax", app.restarts_max}});
  if (app.command.empty()) {
    json.set("args", strings(app.argv));
  } else {
    json.set("cmd", app.command);
  }
  if (!app.user.empty()) {
    json.set("user", app.user);
  }
  Json env = Json::object();
  for (const auto& [name, value] : app.env) {
    env.set(name, value);
  }
  json.set("env", env);
  Json ports = Json::array();
  for (std::uint32_t i = 0; i < app.ports; ++i) {
    ports.push(Json::object({{"port", 0}, {"protocol", "tcp"}}));
  }
  json.set("portDefinitions", ports);
  return json;
}

std::string record_to_json(const core::Record& record) {
  Json instances = Json::array();
  for (const core::Instance& instance : record.instances) {
    instances.push(instance_to_json(instance));
  }
  return http::to_string(Json::object({{"format", 1},
                                       {"app", app_to_json(record.app)},
                                       {"version", record.app.version},
                                       {"removed", record.removed},
                                       {"instances", instances}}));
}

Result<core::Record> record_from_json(const std::string& text) {
  SYNOD_TRY_ASSIGN(const Json json, http::parse_json(text));
  if (json["format"].as_int() != 1) {
    return Error{ErrorCode::unsupported, "a record of another format"};
  }
  core::Record record;
  SYNOD_TRY_ASSIGN(record.app, app_from_json(json["app"]));
  record.app.version = static_cast<std::uint64_t>(json["version"].as_int());
  record.removed = json["removed"].as_bool();
  for (const Json& instance : json["instances"].items()) {
    record.instances.push_back(instance_from_json(instance));
  }
  return record;
}

}  // namespace synod::services
