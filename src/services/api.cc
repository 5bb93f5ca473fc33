#include "services/api.h"

#include "http/json.h"
#include "services/record_json.h"

namespace synod::services {
namespace {

using http::Json;

constexpr std::size_t notes_per_app_max = 100;

http::Response refusal(int status, const std::string& message) {
  return http::json_response(status, http::to_string(Json::object({{"message", message}})));
}

http::Response no_such_app(const std::string& name) {
  return refusal(404, "App '/" + name + "' does not exist");
}

Json ports_of(const core::Instance& instance) {
  Json ports = Json::array();
  for (std::uint32_t port : instance.ports) {
    ports.push(port);
  }
  return ports;
}

std::size_t count(const core::Core::Entry& entry, core::Phase phase) {
  std::size_t n = 0;
  for (const auto& [index, instance] : entry.instances) {
    n += instance.phase == phase ? 1 : 0;
  }
  return n;
}

// A page of another site can make a browser post text, but not JSON, without asking first.
bool is_json(const http::Request& request) {
  return request.headers.get("content-type").starts_with("application/json");
}

std::string param(const http::Request& request, const std::string& name) {
  const auto it = request.params.find(name);
  return it == request.params.end() ? "" : it->second;
}

}  // namespace

Api::Api(ports::Lane& lane, const core::Core& core, std::function<Standing()> standing,
         std::function<void(const core::Event&)> submit)
    : lane_(lane), core_(core), standing_(std::move(standing)), submit_(std::move(submit)) {}

http::Handler Api::leader_only(Work work) {
  return [this, work = std::move(work)](http::Request request, http::Responder responder) {
    const Standing standing = standing_();
    if (standing.leads) {
      work(request, std::move(responder));
    } else if (!standing.leader.empty()) {
      responder.respond(http::redirect_response("http://" + standing.leader + request.target));
    } else {
      responder.respond(refusal(503, "no service scheduler leads at the moment"));
    }
  };
}

void Api::serve(http::Router& router) {
  const auto on = [&](const char* method, const char* pattern,
                      void (Api::*work)(const http::Request&, http::Responder)) {
    router.add(method, pattern,
               leader_only([this, work](const http::Request& request, http::Responder responder) {
                 (this->*work)(request, std::move(responder));
               }));
  };
  on("GET", "/v2/apps", &Api::list_apps);
  on("POST", "/v2/apps", &Api::create_app);
  on("GET", "/v2/apps/{name}", &Api::get_app);
  on("PUT", "/v2/apps/{name}", &Api::replace_app);
  on("DELETE", "/v2/apps/{name}", &Api::delete_app);
  on("POST", "/v2/apps/{name}/restart", &Api::retry_app);
  on("GET", "/synod/v1/services", &Api::services);
  router.add("GET", "/ping", [](const http::Request&, http::Responder responder) {
    responder.respond(http::text_response(200, "pong"));
  });
  router.add("GET", "/health", [](const http::Request&, http::Responder responder) {
    responder.respond(http::text_response(200, ""));
  });
  router.add("GET", "/v2/leader", [this](const http::Request&, http::Responder responder) {
    const Standing standing = standing_();
    responder.respond(standing.leader.empty()
                          ? refusal(404, "There is no leader")
                          : http::json_response(
                                200, http::to_string(Json::object({{"leader", standing.leader}}))));
  });
  router.add("GET", "/v2/info", [this](const http::Request&, http::Responder responder) {
    const Standing standing = standing_();
    responder.respond(http::json_response(
        200, http::to_string(Json::object({{"name", "synod-services"},
                                           {"leader", standing.leader},
                                           {"frameworkId", standing.framework_id}}))));
  });
}

Json Api::marathon_app(const core::Core::Entry& entry) const {
  Json app = app_to_json(entry.app);
  app.set("version", std::to_string(entry.app.version));
  app.set("tasksStaged", static_cast<std::uint64_t>(count(entry, core::Phase::launching)));
  app.set("tasksRunning", static_cast<std::uint64_t>(count(entry, core::Phase::running)));
  Json tasks = Json::array();
  for (const auto& [index, instance] : entry.instances) {
    if (!instance.task_id.empty()) {
      tasks.push(Json::object({{"id", instance.task_id},
                               {"appId", "/" + entry.app.name},
                               {"host", instance.agent_name},
                               {"slaveId", instance.agent_id},
                               {"ports", ports_of(instance)}}));
    }
  }
  app.set("tasks", tasks);
  return app;
}

void Api::list_apps(const http::Request& request, http::Responder responder) {
  (void)request;
  Json apps = Json::array();
  for (const auto& [name, entry] : core_.apps()) {
    apps.push(marathon_app(entry));
  }
  responder.respond(http::json_response(200, http::to_string(Json::object({{"apps", apps}}))));
}

void Api::get_app(const http::Request& request, http::Responder responder) {
  const std::string name = param(request, "name");
  const auto it = core_.apps().find(name);
  if (it == core_.apps().end()) {
    responder.respond(no_such_app(name));
    return;
  }
  responder.respond(
      http::json_response(200, http::to_string(Json::object({{"app", marathon_app(it->second)}}))));
}

std::uint64_t Api::keep(http::Responder responder, http::Response success) {
  waiting_[++requests_] = Waiting{std::move(responder), std::move(success)};
  return requests_;
}

void Api::put(core::App app, int status, http::Responder responder) {
  http::Response success = http::json_response(status, http::to_string(app_to_json(app)));
  const std::uint64_t request = keep(std::move(responder), std::move(success));
  submit_(core::Put{lane_.now(), request, std::move(app)});
}

void Api::create_app(const http::Request& request, http::Responder responder) {
  if (!is_json(request)) {
    responder.respond(refusal(415, "The body must be application/json"));
    return;
  }
  const auto json = http::parse_json(request.body);
  if (!json.ok()) {
    responder.respond(refusal(400, "Invalid JSON: " + json.error().message));
    return;
  }
  auto app = app_from_json(*json);
  if (!app.ok()) {
    responder.respond(refusal(422, app.error().message));
    return;
  }
  const auto there = core_.apps().find(app->name);
  if (there != core_.apps().end()) {
    responder.respond(refusal(409, there->second.removed
                                       ? "An app with id [/" + app->name + "] is being removed."
                                       : "An app with id [/" + app->name + "] already exists."));
    return;
  }
  put(std::move(*app), 201, std::move(responder));
}

void Api::replace_app(const http::Request& request, http::Responder responder) {
  if (!is_json(request)) {
    responder.respond(refusal(415, "The body must be application/json"));
    return;
  }
  auto json = http::parse_json(request.body);
  if (!json.ok() || !json->is_object()) {
    responder.respond(refusal(400, "Invalid JSON"));
    return;
  }
  // As Marathon: what the body leaves out keeps its value; the path names the app.
  const std::string name = param(request, "name");
  const auto there = core_.apps().find(name);
  Json whole = there == core_.apps().end() ? Json::object() : app_to_json(there->second.app);
  for (const auto& [field, value] : json->members()) {
    whole.set(field, value);
  }
  if (json->find("cmd") != nullptr) {
    whole.set("args", Json::array());
  } else if (json->find("args") != nullptr) {
    whole.set("cmd", "");
  }
  whole.set("id", "/" + name);
  auto app = app_from_json(whole);
  if (!app.ok()) {
    responder.respond(refusal(422, app.error().message));
    return;
  }
  put(std::move(*app), there == core_.apps().end() ? 201 : 200, std::move(responder));
}

void Api::delete_app(const http::Request& request, http::Responder responder) {
  const std::string name = param(request, "name");
  if (core_.apps().count(name) == 0) {
    responder.respond(no_such_app(name));
    return;
  }
  http::Response success = http::json_response(200, http::to_string(Json::object({{"app", name}})));
  const std::uint64_t kept = keep(std::move(responder), std::move(success));
  submit_(core::Remove{lane_.now(), kept, name});
}

void Api::retry_app(const http::Request& request, http::Responder responder) {
  const std::string name = param(request, "name");
  if (core_.apps().count(name) == 0) {
    responder.respond(no_such_app(name));
    return;
  }
  http::Response success = http::json_response(200, http::to_string(Json::object({{"app", name}})));
  const std::uint64_t kept = keep(std::move(responder), std::move(success));
  submit_(core::Retry{lane_.now(), kept, name});
}

Json Api::services_app(const core::Core::Entry& entry) const {
  const core::App& app = entry.app;
  Json argv = Json::array();
  for (const std::string& word : app.argv) {
    argv.push(word);
  }
  Json tasks = Json::array();
  for (const auto& [index, instance] : entry.instances) {
    tasks.push(Json::object({{"name", app.name + "." + std::to_string(index)},
                             {"phase", core::to_string(instance.phase)},
                             {"task_id", instance.task_id},
                             {"agent_id", instance.agent_id},
                             {"agent", instance.agent_name},
                             {"ports", ports_of(instance)},
                             {"restarts", instance.restarts},
                             {"failures", instance.failures},
                             {"age_ms", (lane_.now() - instance.since).millis()},
                             {"last", instance.last}}));
  }
  Json notes = Json::array();
  const auto kept = notes_.find(app.name);
  if (kept != notes_.end()) {
    for (const KeptNote& note : kept->second) {
      const std::string task =
          note.note.index == 0 ? "" : app.name + "." + std::to_string(note.note.index);
      notes.push(Json::object({{"sequence", note.sequence},
                               {"at_ms", note.at_ms},
                               {"task", task},
                               {"task_id", note.note.task_id},
                               {"agent_id", note.note.agent_id},
                               {"kind", note.note.kind},
                               {"text", note.note.text}}));
    }
  }
  return Json::object({{"name", app.name},
                       {"command", app.command},
                       {"argv", argv},
                       {"instances", app.instances},
                       {"running", static_cast<std::uint64_t>(count(entry, core::Phase::running))},
                       {"cpus", static_cast<double>(app.cpus_milli) / 1000},
                       {"mem", static_cast<double>(app.mem_milli) / 1000},
                       {"disk", static_cast<double>(app.disk_milli) / 1000},
                       {"ports", app.ports},
                       {"version", app.version},
                       {"removed", entry.removed},
                       {"tasks", tasks},
                       {"notes", notes}});
}

void Api::services(const http::Request& request, http::Responder responder) {
  const auto only = request.query.find("app");
  Json apps = Json::array();
  for (const auto& [name, entry] : core_.apps()) {
    if (only == request.query.end() || only->second == name) {
      apps.push(services_app(entry));
    }
  }
  const Standing standing = standing_();
  responder.respond(http::json_response(
      200, http::to_string(Json::object({{"leader", standing.leader},
                                         {"subscribed", standing.subscribed},
                                         {"framework_id", standing.framework_id},
                                         {"apps", apps}}))));
}

void Api::on_reply(const core::Reply& reply) {
  const auto it = waiting_.find(reply.request);
  if (it == waiting_.end()) {
    return;
  }
  Waiting waiting = std::move(it->second);
  waiting_.erase(it);
  waiting.responder.respond(reply.error.empty() ? std::move(waiting.success)
                                                : refusal(422, reply.error));
}

void Api::on_note(const core::Note& note) {
  std::deque<KeptNote>& notes = notes_[note.app];
  if (note.kind == "wanted" && core_.apps().count(note.app) != 0 &&
      core_.apps().at(note.app).app.version == 1) {
    notes.clear();  // a new app of an old name
  }
  notes.push_back(KeptNote{++note_sequence_, lane_.wall().millis, note});
  if (notes.size() > notes_per_app_max) {
    notes.pop_front();
  }
}

}  // namespace synod::services
