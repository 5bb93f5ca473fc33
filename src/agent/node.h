// One agent: all its parts, built from ports and options.
//
// Start   lock work_dir, read the journal, look up what of it still runs, listen, then find a
//         master. Until the look-up is over executors are answered 503.
// Threads Confined to the main Lane, but for what its parts do on the journal Lane. Both Lanes
//         outlive it, and turn until it has been destroyed and once more.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/core/core.h"
#include "agent/executor_api.h"
#include "agent/journal.h"
#include "agent/launcher.h"
#include "agent/master_link.h"
#include "agent/master_source.h"
#include "agent/meter.h"
#include "agent/options.h"
#include "http/router.h"
#include "http/server.h"
#include "ports/host.h"

namespace synod::agent {

class Views;

struct NodePorts {
  ports::Lane& lane;
  ports::Lane& journal_lane;
  ports::Network& network;
  ports::Disk& disk;
  ports::Processes& processes;
  ports::Host& host;
};

struct NodeHandler {
  // Recovered and listening; the address that is advertised.
  std::function<void(const ports::Address& address)> ready;
  // The agent is at its end: an error of the start, the master's order, stop(). Once, on a later
  // turn.
  std::function<void(const Status& why)> ended;
};

class Node {
 public:
  Node(const Options& options, const NodePorts& ports, NodeHandler handler);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // invalid_argument if the options cannot be right; everything later is told by `ended`.
  Status start();
  // Ends every executor and the agent, and tells the master so (SIGUSR1 in Mesos). Without it the
  // destruction of a Node leaves its tasks running, for the next one to find.
  void stop(const std::string& reason);

  const core::Core& core() const { return *core_; }

 private:
  friend class Views;
  struct Opened;       // what the journal Lane brings back at the start
  struct JournalHome;  // what lives there

  // node_start.cc
  static void open_when_free(ports::Lane& journal_lane, ports::Disk& disk, const Options& options,
                             std::uint64_t fresh_id, int attempts,
                             const std::function<void(const std::shared_ptr<Opened>&)>& done);
  void opened(const std::shared_ptr<Opened>& opened);
  void checked(const std::shared_ptr<std::vector<core::ContainerFound>>& found);
  Status listen();
  void write_endpoint();
  void find_master();
  containerizer::Options containerizer_options(const containerizer::Cgroups& cgroups) const;
  void make_writer(const std::shared_ptr<Opened>& opened);

  // node.cc
  void step(core::EventBody body);
  void perform(const core::Effect& effect);
  void perform_master(const core::ToMaster& effect);
  void arm();
  void append(const core::Persist& effect);
  void on_durable(std::uint64_t seq, bool is_long);
  void on_master(std::optional<ports::HostPort> master);
  void on_event(const mesos::internal::MasterEvent& event);
  void end(const Status& why);

  // node_report.cc
  void subscribe();
  ::mesos::v1::AgentInfo agent_info() const;
  void send_usage();
  void measure_later();
  void measure_now();
  void measured(const Measured& result);
  void set_pressure();
  void on_executor_message(const core::ExecutorKey& key, const std::string& data);

  Options options_;
  NodePorts ports_;
  NodeHandler handler_;
  resources::Resources total_;
  resources::Attributes attributes_;
  std::string hostname_;
  std::string boot_id_;
  std::string isolation_;  // what cgroups there are, in words
  ports::Address advertised_;
  Instant started_at_;
  WallTime started_wall_;

  std::unique_ptr<core::Core> core_;
  std::shared_ptr<JournalHome> journal_;  // shared with tasks on its Lane, where it is destroyed
  std::unique_ptr<Launcher> launcher_;
  std::unique_ptr<ExecutorApi> executor_api_;
  std::unique_ptr<MasterLink> link_;
  std::unique_ptr<MasterSource> source_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<Views> views_;
  std::shared_ptr<Opened> opened_;

  std::optional<ports::HostPort> master_;
  std::optional<ports::HostPort> master_before_;  // the last that was known
  ports::TimerId wake_timer_;
  Instant wake_at_ = Instant::max();
  ports::TimerId measure_timer_;
  bool measuring_ = false;
  Measured last_;
  Measured before_;  // the one before: rates need two
  Instant reported_at_;
  bool disk_low_ = false;
  bool journal_full_ = false;
  bool compacting_ = false;
  bool ended_ = false;
  ports::Scope scope_;
};

}  // namespace synod::agent
