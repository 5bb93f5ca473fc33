// What the agent serves over HTTP to operators and tools.
//
// Source   protocol reference 8.2, 8.3 (Mesos' shapes); docs/formats/agent-http.md (ours).
// Threads  Confined to the main Lane; file contents are read on the journal Lane.
#pragma once

#include "http/json.h"
#include "http/router.h"

namespace synod::agent {

class Node;

class Views {
 public:
  explicit Views(Node& node);

  // Every request of the agent's port. `/slave(1)/x` is `/x`.
  void handle(http::Request request, http::Responder responder);

 private:
  void add_routes();
  http::Json state() const;
  http::Json executor_state(const std::string& framework, const std::string& executor) const;
  http::Json metrics() const;
  http::Json containers() const;
  http::Json agent() const;
  void logs(const http::Request& request, http::Responder responder);
  void files_read(const http::Request& request, http::Responder responder);
  void files_browse(const http::Request& request, http::Responder responder);
  void files_download(const http::Request& request, http::Responder responder);

  Node& node_;
  http::Router router_;
};

}  // namespace synod::agent
