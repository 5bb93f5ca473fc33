// What an Edge is told at its construction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/instant.h"
#include "base/limits.h"
#include "base/planted.h"
#include "coordinator/edge_shares.h"
#include "coordinator/messages.h"
#include "coordinator/zoo_config.h"

namespace synod::coordinator {

struct EdgeOptions {
  EdgeIndex index = 0;
  NodeId self{1};
  bool standalone = false;
  bool observer = false;
  std::int32_t session_timeout_ms_min = 6000;
  std::int32_t session_timeout_ms_max = 60000;
  std::size_t connections_per_address_max = 60;  // 0: unlimited
  std::size_t connections_max = 0;               // 0: unlimited
  std::size_t frame_size_bytes_max = limits::zk_frame_size_bytes_max;
  // Requests of one connection that are not answered yet; above it nothing more is read.
  std::size_t requests_outstanding_max = 1000;
  // Unanswered writes, and replies that the client does not take: above either nothing is read.
  std::size_t connection_buffer_bytes_max = 4U << 20;
  // Events for a client that does not read: above it the connection is closed.
  std::size_t events_unread_bytes_max = 32U << 20;
  // Of all connections together: above it those with most are closed.
  std::size_t output_bytes_max = 256U << 20;
  // Of the replicated state; 0: none. What would make it larger is refused.
  std::uint64_t state_limit_bytes = 0;
  // What all hold and have at the engine.
  EdgeShareLimits shares;
  // A connection without a session is closed after this.
  Duration handshake_timeout = Duration::seconds(10);
  // Every read of the tree waits for a barrier of its own, as if a sync stood before it.
  bool linearizable_reads = false;
  // What becomes of reconfig: ok sends it to the leader, else it fails so.
  zkwire::Code reconfig = zkwire::Code::reconfig_disabled;
  // A request that waited longer for its answer is named in the log; 0: none is.
  Duration slow_request = Duration::seconds(1);
  std::string super_digest;  // "super:base64"; empty: nobody
  bool digest_enabled = true;
  std::set<std::string> four_letter_words;  // "*" is all
  std::string version = "0.1.0";
  // key=value lines of conf.
  std::vector<std::pair<std::string, std::string>> configuration;
  PlantedBug planted = PlantedBug::none;  // simulator and tests only
};

// As the configuration says. Precondition: complete_zoo_config succeeded.
// `edges`: how many the coordinator has; what is bounded for all of them is divided.
EdgeOptions edge_options(const ZooConfig& config, EdgeIndex index, std::size_t edges = 1);
znode::Switches switches_of(const ZooConfig& config);

}  // namespace synod::coordinator
