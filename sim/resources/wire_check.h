// Reads the wire between agents and masters: an agent never serves an older master_epoch once it
// has served a newer one.
//
// Every call of an agent names the epoch of the stream that it belongs to (mesos/internal.proto).
// The order of sending is the order of obeying: a call with epoch 1 after a call with epoch 2
// means that the agent went back.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sim/network.h"

namespace synod::sim::resources {

class WireCheck {
 public:
  // `agents`: the names of the machines whose calls are read.
  explicit WireCheck(std::vector<std::string> agents) : agents_(std::move(agents)) {}

  void see(const SimNetwork::Tapped& tapped);
  const std::vector<std::string>& complaints() const { return complaints_; }
  std::uint64_t calls() const { return calls_; }

 private:
  struct Served {
    std::uint64_t epoch = 0;
    std::string master;
  };

  void on_call(const std::string& agent, const std::string& master, ByteView body);

  std::vector<std::string> agents_;
  std::map<std::uint64_t, Bytes> requests_;  // by connection: what is not a whole request yet
  std::map<std::string, Served> served_;     // by agent
  std::vector<std::string> complaints_;
  std::uint64_t calls_ = 0;
};

}  // namespace synod::sim::resources
