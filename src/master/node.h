// A master: everything but the ports, made from them and its options. The program and the simulator
// use it unchanged.
//
// Threads  Made, used and destroyed on the Seat's Lane. The Door lives on its own, which may be the
//          same.
// Memory   Lanes, network and processes outlive it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "election/election.h"
#include "election/sentinel.h"
#include "master/candidates.h"
#include "master/door.h"
#include "master/options.h"
#include "master/seat.h"
#include "master/zk_store.h"
#include "ports/network.h"
#include "ports/processes.h"

namespace synod::master {

struct NodePorts {
  ports::Lane& seat;
  ports::Lane& door;
  ports::Network& network;
  ports::Processes& processes;
};

struct NodeHandlers {
  // It listens, at this address.
  std::function<void(const ports::Address& at)> listening;
  // This process must end: it could not listen, or it may lead no more. Once.
  std::function<void(const std::string& why)> fatal;
};

class Node : private election::ElectionHandler {
 public:
  Node(const NodePorts& ports, Options options, NodeHandlers handlers);
  ~Node() override;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Begins. Everything else is told by the handlers.
  void start();
  // Ends the session at once, so that the next master need not wait; then calls back.
  void stop(std::function<void()> done);

  // nullptr before it listens. For the simulator's checks.
  const Seat* seat() const { return seat_.get(); }

 private:
  struct DoorHolder;

  void on_session(const zkclient::Credentials& credentials) override;
  void on_leader(const std::optional<election::Leader>& leader) override;
  void on_elected(const election::Leadership& leadership) override;
  void on_may_speak(bool may_speak) override;
  void on_lost(const std::string& why) override;

  void listened(Status status, const Identity& identity);
  void tick();
  void ask_predecessor(const Identity& before);
  void end(const std::string& why);

  NodePorts ports_;
  std::shared_ptr<const Options> options_;  // shared with the Door, which may end later
  NodeHandlers handlers_;
  Identity identity_;
  Bytes candidate_;
  bool ended_ = false;
  std::shared_ptr<DoorHolder> door_;  // shared with messages on their way to the Door
  std::unique_ptr<election::Election> election_;
  std::unique_ptr<ZkStore> store_;
  std::unique_ptr<Seat> seat_;
  std::unique_ptr<Candidates> candidates_;
  std::unique_ptr<election::SentinelKeeper> sentinel_;
  std::optional<Identity> leader_;  // another one, as last heard
  std::optional<LeaderLoss> loss_;
  std::unique_ptr<ports::Dial> question_;  // to the predecessor
  ports::TimerId tick_;
  ports::Scope scope_;
};

}  // namespace synod::master
