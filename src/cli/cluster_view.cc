#include "cli/cluster_view.h"

#include <fmt/format.h>

#include <algorithm>

namespace synod::cli {

using http::Json;

std::size_t ClusterView::active_agents() const {
  const auto& agents = json["agents"].items();
  return static_cast<std::size_t>(std::count_if(agents.begin(), agents.end(), [](const Json& a) {
    return a["state"].as_string() == "active";
  }));
}

bool ClusterView::subscribed(const std::string& framework) const {
  const auto& all = json["frameworks"].items();
  return std::any_of(all.begin(), all.end(), [&](const Json& f) {
    return f["name"].as_string() == framework && f["state"].as_string() == "active";
  });
}

std::size_t ClusterView::tasks_in(const std::string& state) const {
  const auto& tasks = json["tasks"].items();
  return static_cast<std::size_t>(std::count_if(
      tasks.begin(), tasks.end(), [&](const Json& t) { return t["state"].as_string() == state; }));
}

std::string ClusterView::text(const std::string& path) const {
  const Json* found = json.at_path(path);
  return found == nullptr ? "" : std::string(found->as_string());
}

Result<ClusterView> read_cluster_view(Session& session, const Target& target) {
  SYNOD_TRY_ASSIGN(Json json, ask_master(session, target, "/synod/v1/cluster"));
  return ClusterView{std::move(json)};
}

std::string name_of(const Target& target, const std::string& address) {
  const ClusterProcess* process = target.file ? target.file->find(address) : nullptr;
  return process == nullptr ? address : process->id;
}

namespace {

Json leader_process(const Target& target, const std::string& address, Json from) {
  from.set("address", address);
  from.set("id", name_of(target, address));
  const ClusterProcess* process = target.file ? target.file->find(address) : nullptr;
  if (process != nullptr) {
    from.set("pid", process->process.pid);
    from.set("log", process->log);
  }
  return from;
}

}  // namespace

Json merged_status(const ClusterView& view, const Target& target) {
  Json merged = view.json;
  Json leader = Json::object();
  leader.set("master", leader_process(target, view.master_leader(), view.json["leader"]));
  leader.set("coordinator", leader_process(target, view.coordinator_leader(), Json::object()));
  merged.set("leader", leader);
  if (target.file) {
    const auto file = http::parse_json(to_json(*target.file));
    if (file.ok()) {
      merged.set("processes", (*file)["processes"]);
    }
  }
  return merged;
}

std::string span_in_words(std::int64_t millis) {
  if (millis < 0) {
    return "0 ms";
  }
  if (millis < 1000) {
    return fmt::format("{} ms", millis);
  }
  if (millis < 10'000) {
    return fmt::format("{}.{} s", millis / 1000, millis % 1000 / 100);
  }
  const std::int64_t seconds = millis / 1000;
  if (seconds < 120) {
    return fmt::format("{} s", seconds);
  }
  if (seconds < 7200) {
    return fmt::format("{} min", seconds / 60);
  }
  return seconds < 172'800 ? fmt::format("{} h", seconds / 3600)
                           : fmt::format("{} d", seconds / 86'400);
}

std::string age_in_words(std::int64_t millis) {
  return millis >= 1000 && millis < 10'000 ? fmt::format("{} s", millis / 1000)
                                           : span_in_words(millis);
}

std::string number_in_words(double value) {
  std::string text = fmt::format("{:.2f}", value);
  while (text.back() == '0') {
    text.pop_back();
  }
  if (text.back() == '.') {
    text.pop_back();
  }
  return text;
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i + 1 < row.size()) {  // the last cell of a row shifts nobody
        widths[i] = std::max(widths[i], row[i].size());
      }
    }
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line = " ";
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += i + 1 == row.size() ? row[i] : fmt::format("{:<{}}  ", row[i], widths[i]);
    }
    while (line.back() == ' ') {
      line.pop_back();
    }
    text += line + "\n";
  }
  return text;
}

}  // namespace synod::cli
