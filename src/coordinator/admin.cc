#include "coordinator/admin.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "http/json.h"

namespace synod::coordinator {
namespace {

using http::Json;

constexpr int service_unavailable = 503;
constexpr std::string_view mntr_prefix = "zk_";
constexpr const char* admin_commands[] = {"configuration", "connections", "is_read_only", "leader",
                                          "monitor",       "ruok",        "server_stats"};

bool is_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

std::string_view without_prefix(std::string_view key) {
  return key.starts_with(mntr_prefix) ? key.substr(mntr_prefix.size()) : key;
}

Json value_of(const std::string& text) {
  std::int64_t whole = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (!text.empty() && error == std::errc() && end == text.data() + text.size()) {
    return whole;
  }
  return text;
}

std::string seconds(std::int64_t us) {
  return fmt::format("{}.{:06}", us / 1'000'000, us % 1'000'000);
}

Json begin_answer(std::string_view command) {
  return Json::object({{"command", command}, {"error", nullptr}});
}

Json monitor(const FourLetterView& facts, const EdgeOptions& options) {
  Json json = begin_answer("monitor");
  for (const auto& [key, value] : mntr_values(facts, options)) {
    json.set(without_prefix(key), value_of(value));
  }
  return json;
}

Json connections(const FourLetterView& facts) {
  Json json = begin_answer("connections");
  Json list = Json::array();
  for (const std::string& line : facts.lines) {
    list.push(line);
  }
  return json.set("connections", std::move(list));
}

Json configuration(const EdgeOptions& options) {
  Json json = begin_answer("configuration");
  for (const auto& [key, value] : options.configuration) {
    json.set(key, value_of(value));
  }
  return json;
}

}  // namespace

Admin::Admin(Edge& edge, ports::Network& network, std::string commands_url)
    : edge_(edge),
      commands_url_(std::move(commands_url)),
      server_(edge.lane(), network, http::ServerOptions{},
              [this](http::Request request, http::Responder responder) {
                handle(request, std::move(responder));
              }) {}

void Admin::handle(const http::Request& request, http::Responder responder) {
  if (request.method != "GET") {
    responder.respond(http::error_response(405, "GET only: nothing is changed here"));
    return;
  }
  responder.respond(answer(request));
}

http::Response Admin::answer(const http::Request& request) {
  if (request.path == "/health") {
    const ClusterView view = edge_.view();
    const Json json = Json::object({{"alive", !view.failed}, {"reason", view.reason}});
    return http::json_response(view.failed ? service_unavailable : 200, to_string(json));
  }
  if (request.path == "/ready") {
    const ClusterView view = edge_.view();
    const bool ready = view.serving && !edge_.draining();
    const std::string reason = edge_.draining() ? "it is told to stop" : view.reason;
    const Json json = Json::object({{"ready", ready}, {"reason", reason}});
    return http::json_response(ready ? 200 : service_unavailable, to_string(json));
  }
  if (request.path == "/metrics") {
    return http::text_response(200, metrics_text(edge_.facts(false), edge_.options()));
  }
  if (request.path == commands_url_ || request.path == commands_url_ + "/") {
    Json names = Json::array();
    for (const char* name : admin_commands) {
      names.push(name);
    }
    return http::json_response(200, to_string(Json::object({{"commands", std::move(names)}})));
  }
  if (request.path.starts_with(commands_url_ + "/")) {
    return command(std::string_view(request.path).substr(commands_url_.size() + 1));
  }
  return http::error_response(404, "no such page: /health, /ready, /metrics, " + commands_url_);
}

http::Response Admin::command(std::string_view name) {
  const EdgeOptions& options = edge_.options();
  Json json;
  if (name == "monitor" || name == "mntr") {
    json = monitor(edge_.facts(false), options);
  } else if (name == "ruok") {
    json = begin_answer("ruok");
  } else if (name == "connections" || name == "cons") {
    json = connections(edge_.facts(true));
  } else if (name == "configuration" || name == "conf") {
    json = configuration(options);
  } else if (name == "is_read_only" || name == "isro") {
    json = begin_answer("is_read_only").set("read_only", !edge_.view().serving);
  } else if (name == "leader" || name == "lead") {
    const ClusterView view = edge_.view();
    json = begin_answer("leader");
    json.set("is_leader", view.role == paxos::Role::leader);
    json.set("leader_id", Json(view.leader.value()));
  } else if (name == "server_stats" || name == "srvr" || name == "stats") {
    json = monitor(edge_.facts(false), options);
    json.set("command", "server_stats");
  } else {
    return http::error_response(404, "no such command: see " + commands_url_);
  }
  return http::json_response(200, to_string(json));
}

std::string metrics_text(const FourLetterView& facts, const EdgeOptions& options) {
  std::string text;
  for (const auto& [key, value] : mntr_values(facts, options)) {
    if (is_number(value)) {
      const std::string_view name = without_prefix(key);
      text += fmt::format("# TYPE {} gauge\n{} {}\n", name, name, value);
    }
  }
  for (const NamedHistogram& stage : histograms_of(facts)) {
    const Histogram& histogram = *stage.histogram;
    const std::string name = fmt::format("synod_{}_seconds", stage.name);
    text += fmt::format("# TYPE {} histogram\n", name);
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < Histogram::bounds_us.size(); ++i) {
      below += histogram.in_bucket(i);
      text +=
          fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name, seconds(Histogram::bounds_us[i]), below);
    }
    text +=
        fmt::format("{}_bucket{{le=\"+Inf\"}} {}\n{}_sum {}\n{}_count {}\n", name,
                    histogram.count(), name, seconds(histogram.sum_us()), name, histogram.count());
  }
  return text;
}

}  // namespace synod::coordinator
