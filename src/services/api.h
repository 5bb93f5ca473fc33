// What users ask the scheduler over HTTP: Marathon's /v2/apps in a subset, and /synod/v1/services.
//
// Changes are answered once they are durable (the core's Reply); reads at once from the core. A
// scheduler that does not lead answers 307 to the one that does, or 503 when nobody does.
//
// Source   Marathon 1.11 REST API; docs/formats/cluster-view.md.
// Threads  Confined to the Lane of its Server.
// Memory   Borrows the core; keeps the Responders of changes under way and the notes of each app.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "http/json.h"
#include "http/router.h"
#include "http/server.h"
#include "ports/lane.h"
#include "services/core/core.h"

namespace synod::services {

class Api {
 public:
  struct Standing {
    bool leads = false;
    std::string leader;  // host:port; empty if nobody is known
    bool subscribed = false;
    std::string framework_id;
  };

  Api(ports::Lane& lane, const core::Core& core, std::function<Standing()> standing,
      std::function<void(const core::Event&)> submit);

  // Adds all routes.
  void serve(http::Router& router);

  // The core's effects for users.
  void on_reply(const core::Reply& reply);
  void on_note(const core::Note& note);

 private:
  struct Waiting {
    http::Responder responder;
    http::Response success;
  };
  struct KeptNote {
    std::uint64_t sequence = 0;
    std::int64_t at_ms = 0;
    core::Note note;
  };
  using Work = std::function<void(const http::Request&, http::Responder)>;

  // Wraps a handler that only the leader may run.
  http::Handler leader_only(Work work);
  void list_apps(const http::Request& request, http::Responder responder);
  void get_app(const http::Request& request, http::Responder responder);
  void create_app(const http::Request& request, http::Responder responder);
  void replace_app(const http::Request& request, http::Responder responder);
  void delete_app(const http::Request& request, http::Responder responder);
  void retry_app(const http::Request& request, http::Responder responder);
  void services(const http::Request& request, http::Responder responder);
  void put(core::App app, int status, http::Responder responder);
  http::Json marathon_app(const core::Core::Entry& entry) const;
  http::Json services_app(const core::Core::Entry& entry) const;
  std::uint64_t keep(http::Responder responder, http::Response success);

  ports::Lane& lane_;
  const core::Core& core_;
  std::function<Standing()> standing_;
  std::function<void(const core::Event&)> submit_;
  std::map<std::uint64_t, Waiting> waiting_;
  std::map<std::string, std::deque<KeptNote>> notes_;
  std::uint64_t requests_ = 0;
  std::uint64_t note_sequence_ = 0;
};

}  // namespace synod::services
