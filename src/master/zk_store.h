// The registry's store in a ZooKeeper of any make, through the session of the election: when that
// session ends, so does every write.
//
// Memory  Borrows the client, which outlives it.
#pragma once

#include <string>

#include "master/store.h"
#include "ports/scope.h"
#include "zkclient/client.h"

namespace synod::master {

class ZkStore : public Store {
 public:
  // `root`: a path to sync; any path of the registry will do.
  ZkStore(zkclient::Client& client, std::string root);

  void read(const std::string& path, std::function<void(Result<StoredNode>)> done) override;
  void children(const std::string& path,
                std::function<void(Result<std::vector<std::string>>)> done) override;
  void write(std::vector<StoreChange> changes, std::function<void(Status)> done) override;
  void sync(std::function<void(Status)> done) override;

 private:
  zkclient::Client& client_;
  std::string root_;
  ports::Scope scope_;
};

}  // namespace synod::master
