// Who leads the masters, as --master says.
//
//   host:port            always that one; a follower there redirects to the leader
//   zk://host:port/path  whoever the coordination service names
//
// Threads  Confined to its Lane; the callback comes on later turns.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/instant.h"
#include "base/result.h"
#include "ports/address.h"
#include "ports/lane.h"
#include "ports/network.h"

namespace synod::agent {

class MasterSource {
 public:
  // The leader's address, or nothing while there is none.
  using Changed = std::function<void(std::optional<ports::HostPort>)>;

  virtual ~MasterSource() = default;
  // The one that was named does not answer: it may have been replaced meanwhile.
  virtual void refresh() {}
};

struct MasterSourceOptions {
  std::string master;
  Duration zk_session_timeout = Duration::seconds(10);
};

// invalid_argument if `master` is neither form.
Result<std::unique_ptr<MasterSource>> make_master_source(const MasterSourceOptions& options,
                                                         ports::Lane& lane, ports::Network& network,
                                                         MasterSource::Changed changed);

}  // namespace synod::agent
