// What is read of a master: documents, metrics and the page.

#include <charconv>

#include "master/documents.h"
#include "master/door.h"
#include "master/overview.h"
#include "mesos/json_text.h"

namespace synod::master {

namespace {

// How old a picture may be when it is shown.
constexpr Duration picture_age_max = Duration::millis(100);
constexpr Duration coordinators_age_max = Duration::millis(900);
// Different targets rendered of one picture that are kept.
constexpr std::size_t rendered_max = 64;

std::size_t number_of(const http::Request& request, const char* name, std::size_t otherwise) {
  const auto it = request.query.find(name);
  std::size_t out = otherwise;
  if (it != request.query.end()) {
    std::from_chars(it->second.data(), it->second.data() + it->second.size(), out);
  }
  return out;
}

std::string text_of(const http::Request& request, const char* name) {
  const auto it = request.query.find(name);
  return it == request.query.end() ? "" : it->second;
}

http::Response json(const http::Request& request, std::string body) {
  const std::string callback = text_of(request, "jsonp");
  if (callback.empty()) {
    return http::json_response(200, std::move(body));
  }
  http::Response response = http::json_response(200, callback + "(" + body + ");");
  response.headers.set("Content-Type", "text/javascript");
  return response;
}

// nullopt: no such document.
std::optional<std::string> document(const std::string& path, const http::Request& request,
                                    const Facts& facts) {
  if (path == "/state") {
    return state_page(facts);
  }
  if (path == "/state-summary") {
    return state_summary_page(facts);
  }
  if (path == "/slaves") {
    return slaves_page(facts, text_of(request, "slave_id"));
  }
  if (path == "/frameworks") {
    return frameworks_page(facts, text_of(request, "framework_id"));
  }
  if (path == "/tasks") {
    constexpr std::size_t tasks_by_default = 100;
    TaskQuery query;
    query.limit = number_of(request, "limit", tasks_by_default);
    query.offset = number_of(request, "offset", 0);
    query.ascending = text_of(request, "order") == "asc";
    query.framework = text_of(request, "framework_id");
    query.task = text_of(request, "task_id");
    return tasks_page(facts, query);
  }
  if (path == "/roles") {
    return roles_page(facts);
  }
  if (path == "/metrics/snapshot") {
    return metrics_page(facts);
  }
  return std::nullopt;
}

constexpr std::string_view documents[] = {
    "/state", "/state-summary", "/slaves", "/frameworks", "/tasks", "/roles", "/synod/v1/cluster"};

}  // namespace

std::string Door::version_page() const {
  mesos::JsonWriter out;
  out.begin_object()
      .field("version", version_text())
      .field("build_date", "")
      .field("build_time", 0.0)
      .field("build_user", "")
      .end_object();
  return out.take();
}

std::string Door::flags_page() const {
  mesos::JsonWriter out;
  out.begin_object().key("flags").begin_object();
  for (const auto& flag : options_.flags) {
    out.field(flag.first, flag.second);
  }
  out.end_object().end_object();
  return out.take();
}

std::string Door::local_metrics() const {
  mesos::JsonWriter out;
  out.begin_object()
      .field("master/elected", 0.0)
      .field("master/uptime_secs",
             static_cast<double>(lane_.wall().millis - identity_.started.millis) / 1000.0)
      .end_object();
  return out.take();
}

bool Door::handle_local_page(const std::string& path, http::Request& request,
                             http::Responder& responder) {
  if (path == "/health") {
    responder.respond(http::text_response(200, ""));
    return true;
  }
  if (path == "/version") {
    responder.respond(json(request, version_page()));
    return true;
  }
  if (path == "/flags") {
    responder.respond(json(request, flags_page()));
    return true;
  }
  if (path == "/metrics/snapshot") {
    if (standing_.role == Standing::Role::leading) {
      serve({std::move(request), std::move(responder)});
    } else {
      responder.respond(json(request, local_metrics()));
    }
    return true;
  }
  const auto asset = options_.assets.find(path);
  if (asset != options_.assets.end() && (request.method == "GET" || request.method == "HEAD")) {
    http::Response response;
    response.headers.set("Content-Type", asset->second.media_type);
    response.headers.set("Cache-Control", "no-cache");
    response.body = asset->second.bytes;
    responder.respond(std::move(response));
    return true;
  }
  return false;
}

bool Door::handle_leader_page(const std::string& path, http::Request& request,
                              http::Responder& responder) {
  for (const std::string_view known : documents) {
    if (path == known) {
      request.path = path;
      if (path != "/synod/v1/cluster") {
        serve({std::move(request), std::move(responder)});
        return true;
      }
      // Shared because std::function wants to be copied; there is one user.
      auto page =
          std::make_shared<LeaderPage>(LeaderPage{std::move(request), std::move(responder)});
      coordinators_.look(coordinators_age_max,
                         scope_.wrap([this, page] { serve(std::move(*page)); }));
      return true;
    }
  }
  return false;
}

namespace {

// The page of another master of this cluster may read the leader's view: its own master sends it
// here, or has died. No other site's page may.
bool is_our_page(const std::string& origin, const Picture& picture) {
  const auto is_of = [&](const std::string& address) { return origin == "http://" + address; };
  for (const Identity& master : picture.masters) {
    if (is_of(address_of(master))) {
      return true;
    }
  }
  return picture.failover.has_value() && is_of(picture.failover->from);
}

}  // namespace

void Door::serve(LeaderPage page) {
  if (picture_ == nullptr || lane_.now() - picture_at_ > picture_age_max) {
    waiting_pages_.push_back(std::move(page));
    if (!picture_asked_) {
      picture_asked_ = tell(WantPicture{});
      if (!picture_asked_) {
        for (LeaderPage& waiting : waiting_pages_) {
          waiting.responder.respond(http::text_response(503, "The master is overloaded"));
        }
        waiting_pages_.clear();
      }
    }
    return;
  }
  auto rendered = rendered_.find(page.request.target);
  if (rendered == rendered_.end()) {
    const Facts facts{*picture_, identity_, options_, lane_.wall()};
    std::string path = page.request.path;
    if (path.compare(0, 8, "/master/") == 0) {
      path = path.substr(7);
    }
    const auto names = options_.flags.find("names");
    auto text =
        path == "/synod/v1/cluster"
            ? cluster_page(*picture_, identity_, lane_.wall(), coordinators_.last(), reports_,
                           names == options_.flags.end() ? Names() : names_from(names->second))
            : document(path, page.request, facts).value_or("{}");
    if (rendered_.size() >= rendered_max) {
      rendered_.clear();
    }
    rendered = rendered_.emplace(page.request.target, std::move(text)).first;
  }
  http::Response response = json(page.request, rendered->second);
  response.headers.set("X-Synod-Age-Ms", std::to_string((lane_.now() - picture_at_).millis()));
  const std::string origin(page.request.headers.get("Origin"));
  if (is_our_page(origin, *picture_)) {
    response.headers.set("Access-Control-Allow-Origin", origin);
    response.headers.set("Vary", "Origin");
  }
  page.responder.respond(std::move(response));
}

}  // namespace synod::master
