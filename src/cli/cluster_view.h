// The cluster as commands see it: the leading master's view, with the names and pids that `synod
// up` knows (docs/formats/cluster-view.md).
#pragma once

#include <string>

#include "cli/session.h"
#include "http/json.h"

namespace synod::cli {

struct ClusterView {
  http::Json json;  // /synod/v1/cluster

  std::int64_t coordinators_alive() const { return json["quorum"]["alive"].as_int(); }
  std::int64_t coordinators() const { return json["quorum"]["of"].as_int(); }
  std::string coordinator_leader() const { return text("quorum.leader"); }
  std::string master_leader() const { return text("leader.address"); }
  std::int64_t epoch() const { return json["leader"]["epoch"].as_int(); }
  std::size_t active_agents() const;
  // A framework of that name is connected.
  bool subscribed(const std::string& framework) const;
  std::size_t tasks_in(const std::string& state) const;
  std::string text(const std::string& path) const;
};

Result<ClusterView> read_cluster_view(Session& session, const Target& target);

// "c1" for "127.0.0.1:2181" where `synod up` named it; the address otherwise.
std::string name_of(const Target& target, const std::string& address);

// The view with members `leader.master`, `leader.coordinator` (with pids) and `processes` added:
// what `synod status -q PATH` looks into.
http::Json merged_status(const ClusterView& view, const Target& target);

// "3 ms", "0.21 s", "12 s", "4 min", "2 h", "3 d".
std::string span_in_words(std::int64_t millis);
// Of things past: "380 ms", "4 s", "12 s", "4 min"; whole seconds from the first on.
std::string age_in_words(std::int64_t millis);
// "0.1", "1", "2.25".
std::string number_in_words(double value);

// Left-aligned columns, two spaces between.
std::string table(const std::vector<std::vector<std::string>>& rows);

}  // namespace synod::cli
