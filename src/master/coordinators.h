// The coordination servers as they tell of themselves: `mntr`, asked of each server of --zk.
//
// Works with every server that speaks the four-letter words. Where mntr is not allowed (Apache
// ZooKeeper unless configured), srvr tells less; a server that answers neither is unreachable, or
// silent about itself.
//
// Source   zookeeper.md, four-letter words.
// Threads  Confined to its Lane.
// Memory   One short connection to each server while a look is under way.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/instant.h"
#include "ports/address.h"
#include "ports/lane.h"
#include "ports/network.h"
#include "ports/scope.h"

namespace synod::master {

struct CoordinatorView {
  ports::HostPort endpoint;
  // leader, follower, observer, standalone, electing, unreachable
  std::string state = "unreachable";
  std::string version;
  std::uint64_t zxid = 0;
  std::uint64_t ballot = 0;  // 0: it does not tell
  std::uint64_t znodes = 0;
  std::uint64_t sessions = 0;
  std::uint64_t connections = 0;
  double fsync_p99_ms = 0;
};

// Reads an answer to mntr or srvr into the view; false if it is neither.
bool read_mntr(const std::string& answer, CoordinatorView& out);
bool read_srvr(const std::string& answer, CoordinatorView& out);

class Coordinators {
 public:
  Coordinators(ports::Lane& lane, ports::Network& network, std::vector<ports::HostPort> servers);
  ~Coordinators();
  Coordinators(const Coordinators&) = delete;
  Coordinators& operator=(const Coordinators&) = delete;

  // Calls back on a later turn with what is known, at most `age` old.
  void look(Duration age, std::function<void()> done);
  // In the order of --zk.
  const std::vector<CoordinatorView>& last() const { return last_; }

 private:
  class Question;
  void finish(std::size_t server, CoordinatorView view);
  void answer_later();

  ports::Lane& lane_;
  ports::Network& network_;
  std::vector<ports::HostPort> servers_;
  std::vector<CoordinatorView> last_;
  Instant looked_at_;
  bool looked_ = false;
  std::size_t open_ = 0;  // questions under way
  std::vector<std::unique_ptr<Question>> questions_;
  std::vector<std::function<void()>> waiting_;
  ports::Scope scope_;
};

}  // namespace synod::master
