// `synod run`, `synod kill`: an app is wanted, and is wanted no longer.
#include <fmt/format.h>

#include <cstdio>
#include <set>

#include "cli/cluster_view.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/logs.h"
#include "cli/services_client.h"
#include "cli/session.h"
#include "cli/typed.h"

namespace synod::cli {
namespace {

using http::Json;

struct RunOptions {
  std::string name;
  std::string cpus = "0.1";
  std::string mem = "128";
  std::string disk = "0";
  std::int64_t ports = 0;
  std::int64_t instances = 1;
  bool foreground = false;
  std::vector<std::string> env;
  std::vector<std::string> command;
};

constexpr Duration app_poll_interval = Duration::millis(25);
// How long all must have run before `run` calls it a success.
constexpr Duration settle_time = Duration::millis(150);
// An app that found no offer for this long is told why.
constexpr Duration waiting_told_after = Duration::millis(1500);

Result<double> parse_amount(const std::string& flag, const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value >= 0) || value > 1e9) {
    return Error{ErrorCode::invalid_argument, "--" + flag + " cannot be \"" + text + "\""};
  }
  return value;
}

// "run-3f2a" when none was given: short, and unlikely to be taken.
std::string fresh_name(Session& session) {
  return fmt::format("run-{:04x}", session.lane().entropy().next() & 0xffff);
}

Result<Json> app_of(const RunOptions& options) {
  SYNOD_TRY_ASSIGN(const double cpus, parse_amount("cpus", options.cpus));
  SYNOD_TRY_ASSIGN(const double mem, parse_amount("mem", options.mem));
  SYNOD_TRY_ASSIGN(const double disk, parse_amount("disk", options.disk));
  Json app = Json::object({{"id", "/" + options.name},
                           {"cpus", cpus},
                           {"mem", mem},
                           {"disk", disk},
                           {"instances", options.instances}});
  if (options.command.size() == 1) {
    app.set("cmd", options.command.front());
  } else {
    Json args = Json::array();
    for (const std::string& word : options.command) {
      args.push(word);
    }
    app.set("args", args);
  }
  Json definitions = Json::array();
  for (std::int64_t i = 0; i < options.ports; ++i) {
    definitions.push(Json::object({{"port", 0}}));
  }
  app.set("portDefinitions", definitions);
  Json env = Json::object();
  for (const std::string& assignment : options.env) {
    const std::size_t equals = assignment.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return Error{ErrorCode::invalid_argument, "--env wants NAME=VALUE, not " + assignment};
    }
    env.set(assignment.substr(0, equals), assignment.substr(equals + 1));
  }
  app.set("env", env);
  if (options.foreground) {
    app.set("restartPolicy", "never");
  }
  return app;
}

// The message of a refusal: {"message": ...} as Marathon has it, or the body.
std::string message_of(const http::Response& response) {
  const auto json = http::parse_json(response.body);
  if (json.ok() && (*json)["message"].is_string()) {
    std::string text((*json)["message"].as_string());
    for (const Json& detail : (*json)["details"].items()) {
      for (const Json& error : detail["errors"].items()) {
        text += "; " + std::string(error.as_string());
      }
    }
    return text;
  }
  return response.body.substr(0, 300);
}

Status post_app(Session& session, const Target& target, const Json& app) {
  http::Request request;
  request.method = "POST";
  request.target = "/v2/apps";
  request.headers.set("content-type", "application/json");
  request.body = http::to_string(app);
  SYNOD_TRY_ASSIGN(const http::Response response,
                   call_services(session, target, std::move(request)));
  if (response.status == 409) {
    return Error{ErrorCode::already_exists,
                 "an app of that name is there already; kill it first, or choose another --name"};
  }
  if (response.status / 100 != 2) {
    return Error{response.status == 422 || response.status == 400 ? ErrorCode::invalid_argument
                                                                  : ErrorCode::internal,
                 message_of(response)};
  }
  return {};
}

// Follows an app from "wanted" to "running", and prints each step once.
class Follower {
 public:
  Follower(Session& session, const Target& target, std::string name)
      : session_(session),
        target_(target),
        name_(std::move(name)),
        started_(session.lane().now()) {}

  // Until all run, one ends, or Ctrl-C. The exit code.
  int follow() {
    while (true) {
      const auto app = find_app(session_, target_, name_);
      if (app.ok()) {
        if (const Json* note = ending(*app)) {
          return ended(*app, *note);
        }
        if (settled(*app)) {
          return all_running(*app);
        }
        tell_waiting(*app);
      } else if (app.error().code == ErrorCode::not_found) {
        return fail("run", app.error());
      }
      if (!session_.wait(app_poll_interval)) {
        std::printf("\n left queued: %s takes it back\n", as_typed("synod kill " + name_).c_str());
        return exit_success;
      }
    }
  }

 private:
  std::int64_t elapsed() const { return (session_.lane().now() - started_).millis(); }

  static const Json* ending(const Json& app) {
    for (const Json& note : app["notes"].items()) {
      if (note["kind"].as_string() == "ended") {
        return &note;
      }
    }
    return nullptr;
  }

  // All run, and have for a moment: what fails at its first step would otherwise look well.
  bool settled(const Json& app) {
    if (app["running"].as_int() < app["instances"].as_int()) {
      running_since_.reset();
      return false;
    }
    if (!running_since_) {
      running_since_ = session_.lane().now();
      took_ms_ = elapsed();
    }
    return session_.lane().now() - *running_since_ >= settle_time;
  }

  int all_running(const Json& app) {
    std::string places;
    std::int64_t wanted_at = 0;
    std::int64_t launched_at = 0;
    for (const Json& note : app["notes"].items()) {
      const std::string_view kind = note["kind"].as_string();
      if (kind == "wanted") {
        wanted_at = note["at_ms"].as_int();
        launched_at = 0;
        places.clear();
      } else if (kind == "launched") {
        launched_at = launched_at == 0 ? note["at_ms"].as_int() : launched_at;
        places +=
            " " + std::string(note["text"].as_string()).substr(std::string("launched ").size());
      }
    }
    const std::int64_t wanted = app["instances"].as_int();
    std::printf(" %s: %lld wanted   offer %lld ms   launched%s   running %lld/%lld   %.2f s\n",
                name_.c_str(), static_cast<long long>(wanted),
                static_cast<long long>(std::max<std::int64_t>(launched_at - wanted_at, 0)),
                places.c_str(), static_cast<long long>(app["running"].as_int()),
                static_cast<long long>(wanted), static_cast<double>(took_ms_) / 1000);
    std::printf("%s\n", as_typed(fmt::format(" logs: synod logs -f {0}   why: synod explain {0}   "
                                             "stop: synod kill {0}",
                                             name_))
                            .c_str());
    return exit_success;
  }

  int ended(const Json& app, const Json& note) {
    const std::string task(note["task"].as_string());
    const std::string_view how = note["text"].as_string();
    const bool well = how.find("TASK_FINISHED") != std::string_view::npos;
    std::string line = fmt::format(" {} {} {}", task, well ? "ended" : "failed", how);
    const Launch launch{std::string(note["task_id"].as_string()),
                        std::string(note["agent_id"].as_string())};
    const std::string last = last_log_line(session_, target_, launch, "stderr");
    if (!last.empty()) {
      line += "   last line of stderr: " + last;
    }
    std::printf("%s\n", line.c_str());
    std::string next = as_typed(
        fmt::format(" synod logs {} | synod explain {} | synod kill {}", task, name_, name_));
    for (const Json& other : app["notes"].items()) {
      const std::string_view kind = other["kind"].as_string();
      if (other["task"].as_string() == task && (kind == "restarting" || kind == "gave_up")) {
        next = " " + std::string(other["text"].as_string()) + "  " + next;
        break;
      }
    }
    std::printf("%s\n", next.c_str());
    return exit_failed;
  }

  void tell_waiting(const Json& app) {
    if (told_ || elapsed() < waiting_told_after.millis()) {
      return;
    }
    const std::string why = why_waiting(session_, target_, app);
    if (!why.empty()) {
      std::printf(" waiting: %s. Ctrl-C leaves it queued.\n", why.c_str());
      std::fflush(stdout);
      told_ = true;
    }
  }

  Session& session_;
  const Target& target_;
  const std::string name_;
  const Instant started_;
  std::optional<Instant> running_since_;
  std::int64_t took_ms_ = 0;  // until all ran
  bool told_ = false;
};

// One run: its output here, its end ours.
int run_in_foreground(Session& session, const Target& target, const std::string& name) {
  LogTail out(session, target, name + ".1", "stdout");
  LogTail err(session, target, name + ".1", "stderr");
  while (true) {
    const auto app = find_app(session, target, name);
    std::string phase;
    std::string last;
    if (app.ok() && !(*app)["tasks"].items().empty()) {
      phase = (*app)["tasks"].items().front()["phase"].as_string();
      last = (*app)["tasks"].items().front()["last"].as_string();
    }
    if (const Launch launch = app.ok() ? newest_launch(*app, name + ".1") : Launch()) {
      out.read_launch(launch);
      err.read_launch(launch);
    }
    out.print_new(stdout);
    err.print_new(stderr);
    if (phase == "finished" || phase == "failed") {
      http::Request request;
      request.method = "DELETE";
      request.target = "/v2/apps/" + name;
      const auto removed = call_services(session, target, std::move(request));
      (void)removed.ok();  // a finished run leaves nothing that matters
      if (phase == "failed") {
        std::fprintf(stderr, "synod run: %s\n", last.c_str());
      }
      return phase == "finished" ? exit_success : exit_failed;
    }
    if (!session.wait(Duration::millis(100))) {
      std::fprintf(stderr, "\n it runs on: %s\n",
                   as_typed("synod logs -f " + name + ", synod kill " + name).c_str());
      return exit_success;
    }
  }
}

}  // namespace

int run_main(const std::vector<std::string>& arguments) {
  TargetOptions target_options;
  RunOptions options;
  Flags flags("run", "keep a command running: synod run --name web -- COMMAND");
  add_target_flags(flags, &target_options);
  flags.text("name", &options.name, "the app's name (made up if absent)");
  flags.text("cpus", &options.cpus, "cpus of each instance");
  flags.text("mem", &options.mem, "MiB of each instance");
  flags.text("disk", &options.disk, "MiB of disk of each instance");
  flags.number("ports", &options.ports, "how many ports each gets: $PORT0, $PORT1, ...");
  flags.number("instances", &options.instances, "how many");
  flags.list("env", &options.env, "NAME=VALUE; may be repeated");
  flags.toggle("foreground", &options.foreground, "run once, show its output, wait for its end");
  flags.command_line("COMMAND", &options.command,
                     "one string is run by sh -c, several words as they are");
  if (const auto exit = flags.parse(arguments)) {
    return *exit;
  }
  if (options.command.empty()) {
    return fail("run", Error{ErrorCode::invalid_argument, "no command given"},
                "synod run --name web --ports 1 -- 'exec python3 -m http.server $PORT0'");
  }
  if (options.instances < 0 || options.ports < 0) {
    return fail("run", Error{ErrorCode::invalid_argument, "--instances and --ports count from 0"});
  }
  Session session;
  if (options.name.empty()) {
    options.name = fresh_name(session);
  }
  const auto app = app_of(options);
  if (!app.ok()) {
    return fail("run", app.error(), "synod run --help");
  }
  const auto target = find_target(session, target_options);
  if (!target.ok()) {
    return fail("run", target.error());
  }
  if (const Status posted = post_app(session, *target, *app); !posted.ok()) {
    return fail("run", posted.error());
  }
  return options.foreground ? run_in_foreground(session, *target, options.name)
                            : Follower(session, *target, options.name).follow();
}

int kill_main(const std::vector<std::string>& arguments) {
  TargetOptions options;
  std::vector<std::string> names;
  Flags flags("kill", "an app is wanted no longer: its tasks end");
  add_target_flags(flags, &options);
  flags.rest("NAME", &names, "the app");
  if (const auto exit = flags.parse(arguments)) {
    return *exit;
  }
  if (names.empty()) {
    return fail("kill", Error{ErrorCode::invalid_argument, "which app?"}, "synod ps");
  }
  Session session;
  const auto target = find_target(session, options);
  if (!target.ok()) {
    return fail("kill", target.error());
  }
  const Instant started = session.lane().now();
  for (const std::string& name : names) {
    http::Request request;
    request.method = "DELETE";
    request.target = "/v2/apps/" + http::percent_encode(name);
    const auto response = call_services(session, *target, std::move(request));
    if (!response.ok()) {
      return fail("kill", response.error());
    }
    if (response->status == 404) {
      return fail("kill", Error{ErrorCode::not_found, "there is no app \"" + name + "\""},
                  "synod ps");
    }
    if (response->status / 100 != 2) {
      return fail("kill", Error{ErrorCode::internal, message_of(*response)});
    }
    while (find_app(session, *target, name).ok()) {
      if (!session.wait(app_poll_interval)) {
        return exit_failed;
      }
    }
    std::printf(" %s ended   %s\n", name.c_str(),
                span_in_words((session.lane().now() - started).millis()).c_str());
  }
  return exit_success;
}

}  // namespace synod::cli
