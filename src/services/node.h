// One process of the service scheduler: stands for leadership, and while it leads performs what the
// core decides.
//
//   HTTP (users) --> Api --> Core --> RecordStore --> coordination service
//                                \--> SchedulerLink --> leading master
//
// Threads  Confined to one Lane.
// Memory   Ports outlive it. `fatal` may be called once; the process is to end then.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "election/detector.h"
#include "election/election.h"
#include "election/sentinel.h"
#include "http/server.h"
#include "ports/lane.h"
#include "ports/network.h"
#include "ports/processes.h"
#include "ports/scope.h"
#include "services/api.h"
#include "services/core/core.h"
#include "services/record_store.h"
#include "services/scheduler_link.h"

namespace synod::services {

struct NodeOptions {
  zkclient::ConnectString zk;  // its path is that of the masters
  ports::Address listen;
  ports::HostPort advertised;
  std::string user = "root";
  Duration session_timeout = Duration::seconds(10);
  std::vector<std::string> sentinel_command;  // empty: no sentinel
  std::map<std::string, std::string> sentinel_environment;
};

class Node : public election::ElectionHandler {
 public:
  using Fatal = std::function<void(const std::string& why)>;

  Node(ports::Lane& lane, ports::Network& network, ports::Processes& processes, NodeOptions options,
       Fatal fatal);
  ~Node() override;

  // Listens and begins to stand.
  Status start();
  // The address that was bound.
  ports::Address address() const;
  // Gives leadership up at once; `done` within a second.
  void stop(std::function<void()> done);

  void on_session(const zkclient::Credentials& credentials) override;
  void on_leader(const std::optional<election::Leader>& leader) override;
  void on_elected(const election::Leadership& leadership) override;
  void on_may_speak(bool may_speak) override;
  void on_lost(const std::string& why) override;

 private:
  void loaded(StoreContent content);
  void on_master(const std::optional<election::Leader>& leader);
  void submit(const core::Event& event);
  void perform(const core::Effect& effect);
  Api::Standing standing() const;

  ports::Lane& lane_;
  ports::Network& network_;
  ports::Processes& processes_;
  NodeOptions options_;
  Fatal fatal_;
  core::Core core_;
  bool leads_ = false;
  std::string leader_;  // host:port of the leading scheduler
  Api api_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<election::Election> election_;
  std::unique_ptr<election::SentinelKeeper> sentinel_;
  std::unique_ptr<RecordStore> store_;
  std::unique_ptr<SchedulerLink> link_;
  std::unique_ptr<election::Detector> detector_;
  std::string stored_framework_id_;
  ports::TimerId timer_;
  ports::Scope scope_;
};

}  // namespace synod::services
