// All masters that stand, for people: the children of the election path, watched.
//
// Threads  Confined to the Seat's Lane.
// Memory   Borrows the client, which outlives it.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "master/identity.h"
#include "ports/lane.h"
#include "ports/scope.h"
#include "zkclient/client.h"

namespace synod::master {

class Candidates {
 public:
  Candidates(ports::Lane& lane, zkclient::Client& client, std::string path,
             std::function<void(std::vector<Identity>)> changed);

  void start() { look(); }

 private:
  void look();
  void listed(std::vector<std::string> names);
  void tell();

  ports::Lane& lane_;
  zkclient::Client& client_;
  std::string path_;
  std::function<void(std::vector<Identity>)> changed_;
  std::map<std::string, Identity> known_;  // by node
  std::size_t reading_ = 0;
  ports::Scope scope_;
};

}  // namespace synod::master
