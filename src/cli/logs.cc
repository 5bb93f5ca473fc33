// `synod logs`: what tasks print, from the agents that ran them (docs/formats/agent-http.md).
#include "cli/logs.h"

#include <fmt/format.h>

#include <memory>
#include <set>

#include "cli/cluster_view.h"
#include "cli/commands.h"
#include "cli/flags.h"

namespace synod::cli {
namespace {

using http::Json;

constexpr Duration follow_interval = Duration::millis(200);
constexpr std::int64_t last_line_bytes = 4096;
// How old the masters' picture may be, and a little.
constexpr Duration picture_age_max = Duration::millis(120);

// The newest launch of a task: by its id, or by the name under which users know it.
const Json* newest_task(const ClusterView& view, const std::string& task) {
  const Json* newest = nullptr;
  for (const Json& candidate : view.json["tasks"].items()) {
    if (candidate["id"].as_string() == task) {
      return &candidate;
    }
    if (candidate["name"].as_string() == task &&
        (newest == nullptr ||
         candidate["started_at_ms"].as_int() >= (*newest)["started_at_ms"].as_int())) {
      newest = &candidate;
    }
  }
  return newest;
}

std::string address_of_agent(const ClusterView& view, std::string_view agent_id) {
  for (const Json& agent : view.json["agents"].items()) {
    if (agent["id"].as_string() == agent_id) {
      return std::string(agent["address"].as_string());
    }
  }
  return "";
}

}  // namespace

LogTail::LogTail(Session& session, const Target& target, std::string task, std::string stream)
    : session_(session), target_(target), task_(std::move(task)), stream_(std::move(stream)) {}

void LogTail::read_launch(const Launch& launch) {
  if (launch.task_id != launch_.task_id) {
    launch_ = launch;
    agent_.clear();
  }
}

// Finds the agent; a newer launch of the task starts a new file.
bool LogTail::locate() {
  if (launch_ && !agent_.empty()) {
    return true;
  }
  const auto view = read_cluster_view(session_, target_);
  if (!view.ok()) {
    error_ = view.error();
    return !agent_.empty();
  }
  Launch launch = launch_;
  if (!launch) {
    const Json* task = newest_task(*view, task_);
    if (task == nullptr) {
      error_ = Error{ErrorCode::not_found, "no task \"" + task_ + "\" is known"};
      return !agent_.empty();
    }
    launch = Launch{std::string((*task)["id"].as_string()),
                    std::string((*task)["agent_id"].as_string())};
  }
  if (launch.task_id != task_id_) {
    task_id_ = launch.task_id;
    offset_ = 0;
  }
  agent_ = address_of_agent(*view, launch.agent_id);
  if (agent_.empty()) {
    error_ = Error{ErrorCode::unreachable, "the agent of " + task_ + " is not registered"};
  }
  return !agent_.empty();
}

bool LogTail::print_new(std::FILE* to) {
  if (!locate()) {
    return false;
  }
  while (true) {
    const std::string from =
        skip_to_last_ > 0 ? "-" + std::to_string(skip_to_last_) : std::to_string(offset_);
    const auto piece = session_.get(
        agent_, fmt::format("/synod/v1/logs?task={}&stream={}&offset={}&length=1048576",
                            http::percent_encode(task_id_), stream_, from));
    if (!piece.ok()) {
      error_ = piece.error();
      return false;
    }
    skip_to_last_ = 0;
    const std::string data((*piece)["data"].as_string());
    std::fwrite(data.data(), 1, data.size(), to);
    std::fflush(to);
    const auto next = static_cast<std::uint64_t>((*piece)["next_offset"].as_int());
    if (next == offset_ || data.empty()) {
      offset_ = next;
      return true;
    }
    offset_ = next;
  }
}

Launch newest_launch(const Json& app, const std::string& task) {
  Launch newest;
  for (const Json& note : app["notes"].items()) {
    if (note["task"].as_string() == task && !note["task_id"].as_string().empty()) {
      newest = Launch{std::string(note["task_id"].as_string()),
                      std::string(note["agent_id"].as_string())};
    }
  }
  return newest;
}

std::string last_log_line(Session& session, const Target& target, const Launch& launch,
                          const std::string& stream) {
  const auto view = read_cluster_view(session, target);
  const std::string agent = view.ok() ? address_of_agent(*view, launch.agent_id) : "";
  if (agent.empty()) {
    return "";
  }
  const auto piece = session.get(
      agent, fmt::format("/synod/v1/logs?task={}&stream={}&offset=-{}",
                         http::percent_encode(launch.task_id), stream, last_line_bytes));
  if (!piece.ok()) {
    return "";
  }
  std::string text((*piece)["data"].as_string());
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) {
    text.pop_back();
  }
  const std::size_t newline = text.rfind('\n');
  return newline == std::string::npos ? text : text.substr(newline + 1);
}

namespace {

// "web" stands for all its instances; "web.1" and task ids for themselves.
std::set<std::string> tasks_named(const ClusterView& view, const std::string& name) {
  std::set<std::string> names;
  for (const Json& task : view.json["tasks"].items()) {
    const std::string display(task["name"].as_string());
    if (display == name || task["id"].as_string() == name) {
      return {name};
    }
    if (display.starts_with(name + ".")) {
      names.insert(display);
    }
  }
  return names;
}

}  // namespace

int logs_main(const std::vector<std::string>& arguments) {
  TargetOptions options;
  std::vector<std::string> names;
  bool follow = false;
  std::string only;
  Flags flags("logs", "what a task printed");
  add_target_flags(flags, &options);
  flags.toggle("follow,-f", &follow, "go on as more comes");
  flags.text("stream", &only, "stdout or stderr alone");
  flags.rest("NAME", &names, "an app (web), one of its tasks (web.1), or a task id");
  if (const auto exit = flags.parse(arguments)) {
    return *exit;
  }
  if (names.size() != 1 || (only != "" && only != "stdout" && only != "stderr")) {
    return fail("logs", Error{ErrorCode::invalid_argument, "which task's, and of which stream?"},
                "synod logs web.1 --stream=stderr");
  }
  Session session;
  const auto target = find_target(session, options);
  if (!target.ok()) {
    return fail("logs", target.error());
  }
  auto view = read_cluster_view(session, *target);
  auto tasks = view.ok() ? tasks_named(*view, names.front()) : std::set<std::string>();
  if (view.ok() && tasks.empty() && session.wait(picture_age_max)) {
    view = read_cluster_view(session, *target);  // it may have been launched since
    tasks = view.ok() ? tasks_named(*view, names.front()) : std::set<std::string>();
  }
  if (!view.ok()) {
    return fail("logs", view.error());
  }
  if (tasks.empty()) {
    return fail("logs", Error{ErrorCode::not_found, "no task \"" + names.front() + "\" is known"},
                "synod ps");
  }
  std::vector<std::pair<std::unique_ptr<LogTail>, std::FILE*>> tails;
  for (const std::string& task : tasks) {
    for (const auto& [stream, to] : {std::pair<std::string, std::FILE*>{"stdout", stdout},
                                     std::pair<std::string, std::FILE*>{"stderr", stderr}}) {
      if (only.empty() || only == stream) {
        tails.emplace_back(std::make_unique<LogTail>(session, *target, task, stream), to);
      }
    }
  }
  do {
    for (auto& [tail, to] : tails) {
      if (!tail->print_new(to) && !follow) {
        return fail("logs", tail->last_error());
      }
    }
  } while (follow && session.wait(follow_interval));
  return exit_success;
}

}  // namespace synod::cli
