#include "cli/services_client.h"

#include <fmt/format.h>

#include <algorithm>

namespace synod::cli {

using http::Json;

Result<http::Response> call_services(Session& session, const Target& target,
                                     http::Request request) {
  // A change of leader answers nothing, or 503, for a moment: worth a little patience.
  constexpr Duration patience = Duration::seconds(5);
  constexpr Duration pause = Duration::millis(50);
  const Instant deadline = session.lane().now() + patience;
  Error last{ErrorCode::unreachable, "no service scheduler is known; name its cluster by --dir"};
  do {
    for (const std::string& address : target.services) {
      auto response = session.call(address, request, Duration::seconds(5));
      if (response.ok() && response->status == 307) {
        const auto url = http::parse_url(std::string(response->headers.get("location")));
        if (url.ok()) {
          response = session.call(ports::to_string(url->endpoint), request, Duration::seconds(5));
        }
      }
      if (response.ok() && response->status != 503) {
        return response;
      }
      last = response.ok() ? Error{ErrorCode::unreachable,
                                   "scheduler " + address + ": " + response->body.substr(0, 200)}
                           : Error{ErrorCode::unreachable,
                                   "scheduler " + address + ": " + response.error().message};
      if (!response.ok() && response.error().code == ErrorCode::timed_out) {
        return response;  // it may have acted: the caller must look before it asks again
      }
    }
  } while (!target.services.empty() && session.lane().now() < deadline &&
           (!target.file || may_recover(session, target)) && session.wait(pause));
  if (target.file && !may_recover(session, target)) {
    last.message =
        "nothing runs in " + target.directory + " (" + last.message + "); start it with `synod up`";
  }
  return last;
}

Result<Json> ask_services(Session& session, const Target& target, const std::string& app) {
  http::Request request;
  request.target = "/synod/v1/services" + (app.empty() ? "" : "?app=" + http::percent_encode(app));
  SYNOD_TRY_ASSIGN(const http::Response response,
                   call_services(session, target, std::move(request)));
  if (response.status != 200) {
    return Error{ErrorCode::unreachable, "the scheduler answered " +
                                             std::to_string(response.status) + ": " +
                                             response.body.substr(0, 200)};
  }
  return http::parse_json(response.body, {64, 64 << 20});
}

Result<Json> find_app(Session& session, const Target& target, const std::string& name) {
  SYNOD_TRY_ASSIGN(const Json all, ask_services(session, target, name));
  for (const Json& app : all["apps"].items()) {
    if (app["name"].as_string() == name) {
      Json found = app;
      found.set("now_at_ms", session.lane().wall().millis);
      return found;
    }
  }
  return Error{ErrorCode::not_found, "there is no app \"" + name + "\""};
}

std::string why_waiting(Session& session, const Target& target, const Json& app) {
  const auto& tasks = app["tasks"].items();
  const bool waits = std::any_of(tasks.begin(), tasks.end(), [](const Json& task) {
    return task["phase"].as_string() == "waiting";
  });
  if (!waits) {
    return "";
  }
  const auto answer = ask_master(
      session, target,
      fmt::format("/synod/v1/explain?cpus={}&mem={}&disk={}&ports={}", app["cpus"].as_double(),
                  app["mem"].as_double(), app["disk"].as_double(), app["ports"].as_int()));
  return answer.ok() ? std::string((*answer)["text"].as_string()) : answer.error().message;
}

}  // namespace synod::cli
