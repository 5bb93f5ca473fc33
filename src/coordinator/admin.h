// The admin server: what orchestrators, monitors and people ask over HTTP.
//
//   GET /health             200 while the process works: restart it if this fails (liveness)
//   GET /ready              200 while clients are served here, else 503 and why (readiness)
//   GET /metrics            Prometheus' text format
//   GET /commands/NAME      as ZooKeeper's AdminServer: monitor, ruok, is_read_only, ... as JSON
//   GET /commands           the list of them
//
// Source   Apache ZooKeeper 3.9.5, org.apache.zookeeper.server.admin.Commands.
// Threads  Confined to the Lane of its Edge.
// Memory   Borrows the Edge's answers; one rendering a request.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "coordinator/edge.h"
#include "coordinator/four_letter.h"
#include "http/server.h"
#include "ports/network.h"

namespace synod::coordinator {

class Admin {
 public:
  // `commands_url`: "/commands".
  Admin(Edge& edge, ports::Network& network, std::string commands_url);

  Status listen(const ports::Address& at) { return server_.listen(at); }
  ports::Address address() const { return server_.address(); }

 private:
  void handle(const http::Request& request, http::Responder responder);
  http::Response answer(const http::Request& request);
  http::Response command(std::string_view name);

  Edge& edge_;
  std::string commands_url_;
  http::Server server_;
};

// Prometheus' text of what mntr says.
std::string metrics_text(const FourLetterView& facts, const EdgeOptions& options);

}  // namespace synod::coordinator
