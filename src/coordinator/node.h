// One coordinator, whole: edges, engine, journal and links, built from ports and a parsed
// configuration. `cli` and the simulator differ only in the ports they supply.
//
//   Node node(ports, options);            // parts come to life on their Lanes
//   node.stop([&] { machine.stop(); });   // production: each part is destroyed on its Lane
//
// Stopping  in order: no connection is accepted; a leader hands over; once another one leads, what
//           clients have in flight is answered and their connections are closed; the log is
//           flushed. Each step is bounded: all of it takes about two seconds at most.
//
// Threads  The constructor may run anywhere; stop() on the engine's Lane. Destruction either after
//          stop() has called back, or when none of the Lanes runs any more (simulation).
// Memory   The ports outlive the Node.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/planted.h"
#include "coordinator/edge_options.h"
#include "coordinator/engine.h"
#include "coordinator/zoo_config.h"
#include "ports/disk.h"
#include "ports/gate.h"
#include "ports/lane.h"
#include "ports/network.h"
#include "storage/log.h"

namespace synod::coordinator {

class Edge;

struct NodePorts {
  ports::Lane& engine;
  ports::Lane& journal;             // a Lane of its own: it blocks on the disk
  std::vector<ports::Lane*> edges;  // at least one; may be the engine's own
  ports::Network& network;
  ports::Disk& disk;
  ports::Gate& gate;  // with a place for each edge
};

struct NodeOptions {
  ZooConfig config;  // completed
  PlantedBug planted = PlantedBug::none;
  // ports::Host's. Empty: what the disk kept is believed after a restart of the machine, too.
  std::string boot_id;
  // Of this machine or its cgroup, for limits that the configuration leaves open; 0: unknown, none.
  std::uint64_t memory_bytes = 0;
  // Sizes that no key of zoo.cfg sets; tests and the simulator make them small.
  storage::LogOptions log;
  std::uint64_t log_slots_kept = 20'000;  // behind the older snapshot, for laggards
  std::uint64_t ballast_size_bytes = 1 << 20;
  std::size_t batch_commands_max = EngineOptions{}.batch_commands_max;
  std::optional<EdgeShareLimits> edge_shares;
  Release release;
  // On the engine's Lane. Told once each.
  std::function<void(const Error&)> on_failed = [](const Error&) {};
  // The state was wrong; a process that starts again has that of the others. Empty: on_failed.
  std::function<void(const Error&)> on_quarantined;
  std::function<void(const ports::Address&)> on_listening = [](const ports::Address&) {};
};

class Node {
 public:
  Node(NodePorts ports, NodeOptions options);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  void stop(std::function<void()> stopped);

  // For checkers: nullptr before it lives.
  const Engine* engine() const;
  const Shared& shared() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// What the engine is told, as the configuration says.
EngineOptions engine_options(const ZooConfig& config);

}  // namespace synod::coordinator
