// `synod status`, `synod ps`, `synod explain`: what the leading master and the scheduler say.
#include <fmt/format.h>

#include <cstdio>

#include "cli/cluster_view.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/services_client.h"
#include "cli/session.h"
#include "cli/typed.h"
#include "cli/word.h"

namespace synod::cli {
namespace {

using http::Json;

constexpr Duration word_patience = Duration::millis(300);

std::string quorum_line(const ClusterView& view, const Target& target) {
  const Json& quorum = view.json["quorum"];
  if (view.coordinator_leader().empty()) {
    return fmt::format(" quorum   {}/{}   no leader: {}\n", view.coordinators_alive(),
                       view.coordinators(), view.text("health.text"));
  }
  std::string line = fmt::format(" quorum   {}/{}   leader {}", view.coordinators_alive(),
                                 view.coordinators(), name_of(target, view.coordinator_leader()));
  if (quorum["ballot"].as_int() != 0) {
    line += fmt::format("   ballot {}", quorum["ballot"].as_int());
  }
  line += fmt::format("   zxid {}", quorum["zxid"].as_string());
  if (quorum["fsync_p99_ms"].as_double() > 0) {
    line += fmt::format("   fsync p99 {:.1f} ms", quorum["fsync_p99_ms"].as_double());
  }
  return line + fmt::format("   znodes {}   sessions {}\n", quorum["znodes"].as_int(),
                            quorum["sessions"].as_int());
}

std::string masters_line(const ClusterView& view, const Target& target) {
  std::string line = fmt::format(" masters  {} leads, epoch {}",
                                 name_of(target, view.master_leader()), view.epoch());
  const Json& failover = view.json["failover"];
  if (failover.is_null()) {
    return line + "\n";
  }
  const std::int64_t ago = view.json["now_at_ms"].as_int() - failover["at_ms"].as_int();
  line += fmt::format(" ({} {} {} ago", name_of(target, std::string(failover["from"].as_string())),
                      failover["cause"].as_string() == "died" ? "died" : "fell silent",
                      age_in_words(ago));
  if (const Json* elected = failover.find("elected_ms"); elected != nullptr) {
    line += "; elected after " + span_in_words(elected->as_int());
  }
  line += fmt::format("; {}/{} agents back", failover["agents_back"].as_int(),
                      failover["agents"].as_int());
  const Json* back = failover.find("agents_back_ms");
  line += back == nullptr ? " so far" : " after " + span_in_words(back->as_int());
  const Json* offer = failover.find("first_offer_ms");
  line += offer == nullptr ? "; no offer yet" : "; first offer " + span_in_words(offer->as_int());
  return line + ")\n";
}

// Whether the leader before has come back, as a follower.
bool follows_again(const ClusterView& view, std::string_view address) {
  for (const Json& master : view.json["masters"].items()) {
    if (master["address"].as_string() == address) {
      return !master["leader"].as_bool();
    }
  }
  return false;
}

// Of a leader that fell silent and has not been heard of since; empty otherwise.
std::string silent_line(const ClusterView& view, const Target& target) {
  const Json& failover = view.json["failover"];
  const std::string_view from = failover["from"].as_string();
  const Json* elected = failover.find("elected_ms");
  if (failover["cause"].as_string() != "silent" || elected == nullptr ||
      follows_again(view, from) || from == view.master_leader()) {
    return "";
  }
  const std::string name = name_of(target, std::string(from));
  return fmt::format(
      " {} silent for {} (its session's limit): {} leads, epoch {}; on waking {} will see that it "
      "is deposed and exit\n",
      name, span_in_words(elected->as_int()), name_of(target, view.master_leader()), view.epoch(),
      name);
}

std::string tasks_line(const ClusterView& view, const Target& target) {
  const std::size_t running = view.tasks_in("TASK_RUNNING");
  std::string line = fmt::format(" tasks    {} running, {} lost", running,
                                 view.tasks_in("TASK_LOST") + view.tasks_in("TASK_UNREACHABLE"));
  const Json& failover = view.json["failover"];
  if (failover.is_null()) {
    return line + "\n";
  }
  bool older = running > 0;
  for (const Json& task : view.json["tasks"].items()) {
    if (task["state"].as_string() == "TASK_RUNNING" &&
        task["started_at_ms"].as_int() > failover["at_ms"].as_int()) {
      older = false;
    }
  }
  line += older ? ", pids unchanged" : "";
  const std::string from(failover["from"].as_string());
  if (follows_again(view, from)) {
    line += "     " + name_of(target, from) + " restarted, follows";
  }
  return line + "\n";
}

void print_agents(const ClusterView& view) {
  for (const Json& agent : view.json["agents"].items()) {
    const std::string state(agent["state"].as_string());
    const std::string note(agent["note"].as_string());
    if (state != "active" || !note.empty()) {
      std::printf(" agent    %s is %s%s%s\n", std::string(agent["name"].as_string()).c_str(),
                  state.c_str(), note.empty() ? "" : ": ", note.c_str());
    }
  }
}

// One value of the document, as text: strings bare, the rest as JSON.
int print_path(const Json& merged, const std::string& path) {
  const Json* found = merged.at_path(path);
  if (found == nullptr) {
    std::fprintf(stderr, "synod status: there is no \"%s\"; see `%s`\n", path.c_str(),
                 as_typed("synod status --output json").c_str());
    return exit_failed;
  }
  const std::string text =
      found->is_string() ? std::string(found->as_string()) : http::to_string(*found);
  std::printf("%s\n", text.c_str());
  return exit_success;
}

// What coordinators themselves say is wrong with them, a line each: why they do not serve, a full
// disk, rot. Whoever does not answer is silent here too.
std::string coordinator_lines(Session& session, const Target& target) {
  std::string text;
  for (const std::string& server : target.coordinators) {
    const auto at = ports::parse_host_port(server, 0);
    const auto answer =
        at.ok() ? ask_word(session, *at, "mntr", word_patience) : Result<std::string>(at.error());
    if (!answer.ok()) {
      continue;
    }
    auto lines = lines_of_mntr(*answer);
    for (const char* key : {"zk_synod_reason", "zk_synod_rot"}) {
      if (lines.count(key) != 0) {
        text += fmt::format("          {}: {}\n", name_of(target, server), lines[key]);
      }
    }
  }
  return text;
}

// For a column: "12s", "4min".
std::string short_span(std::int64_t millis) {
  std::string text = age_in_words(millis);
  std::erase(text, ' ');
  return text;
}

std::string percent(double part, double whole) {
  return fmt::format("{:.0f}% of {}", part * 100, number_in_words(whole));
}

}  // namespace

int status_main(const std::vector<std::string>& arguments) {
  TargetOptions options;
  std::string path;
  Flags flags("status", "the cluster in a few lines");
  add_target_flags(flags, &options);
  flags.text("q,-q", &path, "print one value, such as leader.master.pid");
  if (const auto exit = flags.parse(arguments)) {
    return *exit;
  }
  Session session;
  const auto target = find_target(session, options);
  if (!target.ok()) {
    return fail("status", target.error());
  }
  const auto view = read_cluster_view(session, *target);
  if (!view.ok()) {
    std::fputs(coordinator_lines(session, *target).c_str(), stderr);
    return fail("status", view.error());
  }
  const Json merged = merged_status(*view, *target);
  if (!path.empty()) {
    return print_path(merged, path);
  }
  if (options.output == "json") {
    std::printf("%s\n", http::to_pretty_string(merged).c_str());
    return exit_success;
  }
  std::fputs(quorum_line(*view, *target).c_str(), stdout);
  std::fputs(coordinator_lines(session, *target).c_str(), stdout);
  std::fputs(masters_line(*view, *target).c_str(), stdout);
  std::fputs(silent_line(*view, *target).c_str(), stdout);
  std::fputs(tasks_line(*view, *target).c_str(), stdout);
  print_agents(*view);
  return exit_success;
}

namespace {

// The master's view of a task id; null if it has none.
const Json& task_of(const ClusterView& view, std::string_view task_id) {
  static const Json none;
  for (const Json& task : view.json["tasks"].items()) {
    if (task["id"].as_string() == task_id) {
      return task;
    }
  }
  return none;
}

std::string ports_of(const Json& task) {
  std::string text;
  for (const Json& port : task["ports"].items()) {
    text += (text.empty() ? "" : ",") + std::to_string(port.as_int());
  }
  return text.empty() ? "-" : text;
}

std::vector<std::string> row_of(const Json& instance, const Json& app, const ClusterView& view) {
  const Json& task = task_of(view, instance["task_id"].as_string());
  const std::string last(instance["last"].as_string());
  const auto dash = [](std::string text) { return text.empty() ? "-" : text; };
  return {std::string(instance["name"].as_string()),
          std::string(instance["phase"].as_string()),
          dash(std::string(instance["agent"].as_string())),
          percent(task["used"]["cpus"].as_double(), app["cpus"].as_double()),
          fmt::format("{:.0f}/{:.0f} MiB", task["used"]["mem"].as_double(), app["mem"].as_double()),
          ports_of(instance),
          std::to_string(instance["restarts"].as_int()),
          short_span(instance["age_ms"].as_int()),
          dash(last)};
}

// Tasks of other frameworks: the master alone knows them.
void add_foreign(const ClusterView& view, std::vector<std::vector<std::string>>& rows) {
  for (const Json& task : view.json["tasks"].items()) {
    if (task["framework"].as_string() == "synod-services" ||
        task["state"].as_string() != "TASK_RUNNING") {
      continue;
    }
    const std::int64_t age = view.json["now_at_ms"].as_int() - task["started_at_ms"].as_int();
    rows.push_back(
        {std::string(task["name"].as_string()), "running", std::string(task["agent"].as_string()),
         percent(task["used"]["cpus"].as_double(), task["cpus"].as_double()),
         fmt::format("{:.0f}/{:.0f} MiB", task["used"]["mem"].as_double(), task["mem"].as_double()),
         ports_of(task), "-", short_span(age), "of " + std::string(task["framework"].as_string())});
  }
}

}  // namespace

int ps_main(const std::vector<std::string>& arguments) {
  TargetOptions options;
  Flags flags("ps", "what runs, where, and how it fares");
  add_target_flags(flags, &options);
  if (const auto exit = flags.parse(arguments)) {
    return *exit;
  }
  Session session;
  const auto target = find_target(session, options);
  if (!target.ok()) {
    return fail("ps", target.error());
  }
  const auto view = read_cluster_view(session, *target);
  if (!view.ok()) {
    return fail("ps", view.error());
  }
  const auto services = ask_services(session, *target, "");
  if (options.output == "json") {
    Json both = Json::object({{"tasks", view->json["tasks"]}});
    both.set("apps", services.ok() ? (*services)["apps"] : Json());
    std::printf("%s\n", http::to_pretty_string(both).c_str());
    return exit_success;
  }
  std::vector<std::vector<std::string>> rows = {
      {"TASK", "STATE", "AGENT", "CPU", "MEM", "PORTS", "RESTARTS", "AGE", "LAST"}};
  if (services.ok()) {
    for (const Json& app : (*services)["apps"].items()) {
      for (const Json& instance : app["tasks"].items()) {
        rows.push_back(row_of(instance, app, *view));
      }
    }
  }
  add_foreign(*view, rows);
  std::fputs(table(rows).c_str(), stdout);
  if (!services.ok()) {
    std::fprintf(stderr, "synod ps: the service scheduler does not answer: %s\n",
                 services.error().message.c_str());
  }
  return exit_success;
}

int explain_main(const std::vector<std::string>& arguments) {
  TargetOptions options;
  std::vector<std::string> names;
  Flags flags("explain", "why an app runs, fails or waits");
  add_target_flags(flags, &options);
  flags.rest("NAME", &names, "an app (web) or one of its tasks (web.1)");
  if (const auto exit = flags.parse(arguments)) {
    return *exit;
  }
  Session session;
  const auto target = find_target(session, options);
  if (!target.ok()) {
    return fail("explain", target.error());
  }
  if (names.empty()) {
    const auto view = read_cluster_view(session, *target);
    if (!view.ok()) {
      return fail("explain", view.error());
    }
    std::printf(" %s\n", view->text("health.text").c_str());
    for (const Json& event : view->json["events"].items()) {
      const std::int64_t ago = view->json["now_at_ms"].as_int() - event["at_ms"].as_int();
      std::printf(" %8s ago  %s\n", span_in_words(ago).c_str(),
                  std::string(event["text"].as_string()).c_str());
    }
    return exit_success;
  }
  const std::string app_name = names.front().substr(0, names.front().find('.'));
  const auto app = find_app(session, *target, app_name);
  if (!app.ok()) {
    return fail("explain", app.error(), "synod ps");
  }
  if (options.output == "json") {
    std::printf("%s\n", http::to_pretty_string(*app).c_str());
    return exit_success;
  }
  std::printf(" %s: %lld wanted, %lld running\n", app_name.c_str(),
              static_cast<long long>((*app)["instances"].as_int()),
              static_cast<long long>((*app)["running"].as_int()));
  for (const Json& note : (*app)["notes"].items()) {
    const std::string task(note["task"].as_string());
    if (names.front() == app_name || names.front() == task) {
      const std::int64_t ago = (*app)["now_at_ms"].as_int() - note["at_ms"].as_int();
      std::printf(" %8s ago  %-10s %s\n", span_in_words(ago).c_str(), task.c_str(),
                  std::string(note["text"].as_string()).c_str());
    }
  }
  if (const std::string why = why_waiting(session, *target, *app); !why.empty()) {
    std::printf(" waiting: %s\n", why.c_str());
  }
  return exit_success;
}

}  // namespace synod::cli
