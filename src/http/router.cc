#include "http/router.h"

#include <algorithm>
#include <optional>

namespace synod::http {
namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0) {
      segments.emplace_back(path.substr(0, slash));
    }
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return segments;
}

bool is_name(const std::string& segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

bool is_rest(const std::string& segment) { return is_name(segment) && segment.ends_with("...}"); }

using Params = std::map<std::string, std::string>;

std::optional<Params> match(const std::vector<std::string>& pattern,
                            const std::vector<std::string>& path) {
  Params params;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const std::string& segment = pattern[i];
    if (is_rest(segment)) {
      std::string rest;
      for (std::size_t j = i; j < path.size(); ++j) {
        rest += (j == i ? "" : "/") + path[j];
      }
      params[segment.substr(1, segment.size() - 5)] = std::move(rest);
      return params;
    }
    if (i >= path.size()) {
      return std::nullopt;
    }
    if (is_name(segment)) {
      params[segment.substr(1, segment.size() - 2)] = path[i];
    } else if (segment != path[i]) {
      return std::nullopt;
    }
  }
  return pattern.size() == path.size() ? std::optional(params) : std::nullopt;
}

int weight(const std::string& segment) { return is_rest(segment) ? 2 : is_name(segment) ? 1 : 0; }

// Literals before names, names before rests, segment by segment.
bool more_literal(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    if (weight(a[i]) != weight(b[i])) {
      return weight(a[i]) < weight(b[i]);
    }
  }
  return false;
}

}  // namespace

void Router::add(std::string method, std::string pattern, Handler handler) {
  Route route{std::move(method), split(pattern), std::move(handler)};
  const auto before = std::find_if(routes_.begin(), routes_.end(), [&](const Route& other) {
    return more_literal(route.segments, other.segments);
  });
  routes_.insert(before, std::move(route));
}

void Router::operator()(Request request, Responder responder) const {
  const std::vector<std::string> path = split(request.path);
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  const Route* chosen = nullptr;
  std::string allowed;
  for (const Route& route : routes_) {
    auto params = match(route.segments, path);
    if (!params) {
      continue;
    }
    const bool exact = route.method == method || route.method == request.method;
    if (exact || (chosen == nullptr && route.method == "*")) {
      chosen = &route;
      request.params = std::move(*params);
    }
    if (exact) {
      break;
    }
    allowed += (allowed.empty() ? "" : ", ") + route.method;
  }
  if (chosen != nullptr) {
    chosen->handler(std::move(request), std::move(responder));
    return;
  }
  if (!allowed.empty()) {
    Response response = error_response(405, "method " + request.method + " is not allowed here");
    response.headers.set("Allow", allowed);
    responder.respond(std::move(response));
    return;
  }
  if (otherwise_) {
    otherwise_(std::move(request), std::move(responder));
    return;
  }
  responder.respond(error_response(404, "nothing at " + request.path));
}

}  // namespace synod::http
