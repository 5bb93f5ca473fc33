// Names to addresses, on a thread of its own: the system's resolver blocks.
//
// Threads  resolve() from any Lane; the answer comes on it. Destroyed before the Lanes are.
#pragma once

#include <thread>

#include "machine/lane.h"
#include "ports/network.h"

namespace synod::machine {

class Resolver {
 public:
  explicit Resolver(Log& log);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  void resolve(ThreadLane& lane, const ports::HostPort& endpoint, ports::Network::Resolved done);

 private:
  ThreadLane lane_;
  std::thread thread_;
};

}  // namespace synod::machine
