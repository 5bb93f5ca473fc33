// Finds a server that takes the connection: one after the other in random order, or all at once.
//
// Threads  Confined to its Lane; the callback comes on a later turn.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "ports/lane.h"
#include "ports/network.h"
#include "ports/scope.h"
#include "zkclient/client.h"

namespace synod::zkclient {

class Dialler {
 public:
  using Connected = std::function<void(std::unique_ptr<ports::Stream>)>;

  Dialler(ports::Lane& lane, ports::Network& network, const ClientOptions& options,
          Connected connected);
  ~Dialler();

  // Looks for the next server. Called again when a connection turned out to be of no use. Pauses,
  // longer each time, when all of them have been tried since settle().
  void next(Duration timeout);
  // A connection serves: the next search starts without a pause.
  void settle();
  void stop();

 private:
  void begin();
  void fill_round();
  void resolve(std::size_t server);
  void dial(std::vector<ports::Address> addresses);
  void on_failure();

  ports::Lane& lane_;
  ports::Network& network_;
  const ClientOptions& options_;
  Connected connected_;
  Duration timeout_;
  std::vector<std::size_t> round_;  // servers yet to try
  std::map<std::uint64_t, std::unique_ptr<ports::Dial>> dials_;
  std::uint64_t attempt_last_ = 0;
  std::size_t under_way_ = 0;
  int rounds_ = 0;
  ports::Scope scope_;
};

}  // namespace synod::zkclient
