// Watches who leads, without standing: agents, services, discovery, the CLI.
//
// Begins a new session when one expires. While the coordinators cannot be reached the last known
// leader stays: whoever talks to it will notice if it is gone.
//
// Threads  Confined to its Lane; callbacks come on later turns.
// Memory   Any callback may destroy it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "election/election.h"

namespace synod::election {

struct DetectorOptions {
  zkclient::ConnectString connect;  // `path` is where the candidates are: "/mesos"
  Duration session_timeout = Duration::seconds(10);
};

// Of what --master says: "zk://[user:password@]host:port,.../mesos". invalid_argument otherwise.
Result<DetectorOptions> detector_options(const std::string& zk, Duration session_timeout);

class Detector {
 public:
  // Called when the leader becomes known, changes, or is none any more.
  using OnLeader = std::function<void(const std::optional<Leader>&)>;

  Detector(ports::Lane& lane, ports::Network& network, DetectorOptions options, OnLeader on_leader);
  ~Detector();
  Detector(const Detector&) = delete;
  Detector& operator=(const Detector&) = delete;

  const std::optional<Leader>& leader() const;
  // True once the coordinators have answered at all.
  bool is_known() const;
  // Looks again now: the leader did not answer, and its node may have changed meanwhile.
  void refresh();

 private:
  class Watcher;
  std::shared_ptr<Watcher> watcher_;  // kept alive by callbacks under way
};

// The name of the leader among the children of an election path; "" if there is none. Only
// `json.info_` with a sequence counts.
std::string leading_child(const std::vector<std::string>& children);

}  // namespace synod::election
