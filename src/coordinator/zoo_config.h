// zoo.cfg as ZooKeeper's operators write it, read into values.
//
// Keys that mean nothing here are accepted and named in one warning; keys that cannot be obeyed and
// would change what clients see are errors. Both the short keys and their `zookeeper.` spelling
// count.
//
// Source  Apache ZooKeeper 3.9.5, QuorumPeerConfig; Java's properties syntax.
// Errors  invalid_argument, naming the line or the key and what is expected.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "ports/address.h"

namespace synod::coordinator {

// server.N=host:peer_port:election_port[:role][;[client host:]client port]
struct ServerLine {
  NodeId id;
  ports::HostPort peer;             // the first of the two ports; ours for everything
  std::uint16_t election_port = 0;  // read, never used
  bool observer = false;
  std::uint32_t group = 0;                // group.N; 0 without groups
  std::uint32_t weight = 1;               // weight.N
  std::optional<ports::HostPort> client;  // after ';'

  friend bool operator==(const ServerLine&, const ServerLine&) = default;
};

struct ZooConfig {
  std::optional<std::uint16_t> client_port;
  std::string client_port_address = "0.0.0.0";
  std::string data_dir;
  std::string data_log_dir;  // data_dir if not set
  std::int32_t tick_ms = 3000;
  std::int32_t init_limit_ticks = 10;
  std::int32_t sync_limit_ticks = 5;
  std::int32_t session_timeout_ms_min = 0;         // 2 ticks if not set
  std::int32_t session_timeout_ms_max = 0;         // 20 ticks if not set
  std::uint32_t connections_per_address_max = 60;  // 0: unlimited
  std::uint32_t connections_max = 0;               // 0: unlimited
  std::uint32_t requests_outstanding_max = 0;      // globalOutstandingLimit; 0: bytes alone count
  std::int32_t listen_backlog = 128;
  std::uint32_t frame_size_bytes_max = 0xfffff;  // jute.maxbuffer
  std::vector<ServerLine> servers;               // by id; empty: standalone
  std::map<std::uint32_t, std::vector<NodeId>> groups;
  std::map<NodeId, std::uint32_t> weights;
  std::optional<bool> peer_observes;        // peerType
  std::set<std::string> four_letter_words;  // "*" is all
  bool skip_acl = false;
  bool extended_types = false;
  bool reconfig_enabled = false;
  bool standalone_enabled = true;       // one voter alone is no ensemble, and becomes none
  bool linearizable_reads = false;      // synod.linearizableReads, ours
  std::int32_t lease_ms = 0;            // synod.leaseMs, ours; 0: none
  std::int32_t slow_request_ms = 1000;  // synod.slowRequestMs, ours; 0: none is told
  // synod.stateLimit, ours; 0: none; not set: a quarter of the machine's memory.
  std::optional<std::uint64_t> state_limit_bytes;
  bool digest_enabled = true;
  std::string super_digest;
  std::uint64_t snapshot_count = 100'000;  // slots, or writes, between snapshots
  std::uint32_t snapshots_retained = 2;    // autopurge.snapRetainCount
  std::uint32_t purge_interval_hours = 0;  // autopurge.purgeInterval; 0: after each snapshot
  // The admin server: there if its port is set (ZooKeeper's is there unless it is disabled).
  bool admin_enabled = true;
  std::optional<std::uint16_t> admin_port;
  std::string admin_address;  // empty: clientPortAddress
  std::string admin_url = "/commands";
  std::optional<std::uint16_t> metrics_port;  // metricsProvider.httpPort

  // Of this node; from `myid` in the file (ours), or from read_my_id. 1 when standalone.
  std::optional<NodeId> my_id;

  // One sentence about the keys that had no effect; empty if there were none.
  std::string warning;
  std::string text;  // the file, as given

  const ServerLine* find_server(NodeId id) const;
  std::size_t voters() const;
  // Failure detection follows tickTime, within what a busy machine can keep and a user will wait.
  std::int32_t election_timeout_ms() const { return std::clamp(tick_ms, 500, 1000); }
  bool standalone() const { return servers.empty() || (servers.size() < 2 && standalone_enabled); }
};

Result<ZooConfig> parse_zoo_config(std::string_view text);

// Lines server.N, group.N and weight.N alone, as a client's reconfig has them; others are errors.
// What they amount to is not checked: check_servers().
Result<ZooConfig> parse_server_lines(std::string_view text);
// Sorted by id, a voter among them, groups that fit.
Status check_servers(ZooConfig& config);

// The content of dataDir/myid: a number from 1 to 255 on its first line.
Result<NodeId> parse_my_id(std::string_view text);

// Decides the id (the file's content, if there is one) and checks what can be checked only then:
// a server line for it, a client port.
Status complete_zoo_config(ZooConfig& config, const std::optional<std::string>& my_id_file);

// The text of /zookeeper/config.
std::string config_node_text(const ZooConfig& config);

}  // namespace synod::coordinator
