// The watches of one session, as this side remembers them: by kind and path, fired once.
//
// Source   Apache ZooKeeper 3.9.5, ZKWatchManager.java.
// Threads  plain state of one session.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "zkclient/client.h"

namespace synod::zkclient {

enum class WatchKind { data, exist, child };

class Watches {
 public:
  void add(WatchKind kind, const std::string& path, Watch watch);
  // Takes out those that the event fires.
  std::vector<Watch> take(const zkwire::WatcherEvent& event);
  bool empty() const { return data_.empty() && exist_.empty() && child_.empty(); }
  void clear();

  // What to send to a new server, in requests of about size_max bytes.
  std::vector<zkwire::SetWatchesRequest> renewals(std::int64_t zxid, std::size_t size_max) const;

 private:
  using Table = std::map<std::string, std::vector<Watch>>;
  Table data_;
  Table exist_;
  Table child_;
};

}  // namespace synod::zkclient
