#include "coordinator/edge_options.h"

#include <algorithm>

namespace synod::coordinator {
namespace {

// Of the whole coordinator.
constexpr std::size_t held_bytes_max = 128U << 20;
constexpr std::size_t output_bytes_max = 256U << 20;
// Of the whole ensemble: what the leader's queue takes without ever refusing anything.
constexpr std::size_t ensemble_in_flight_bytes_max = 32U << 20;
constexpr std::size_t in_flight_bytes_min = 1U << 20;
// Half of what may wait on the engine's Lane, so that it never is too full for anything else.
constexpr std::size_t in_flight_max = limits::lane_tasks_max / 2;

}  // namespace

EdgeOptions edge_options(const ZooConfig& config, EdgeIndex index, std::size_t edges) {
  EdgeOptions options;
  options.index = index;
  options.self = config.my_id.value_or(NodeId(1));
  options.standalone = config.standalone();
  options.session_timeout_ms_min = config.session_timeout_ms_min;
  options.session_timeout_ms_max = config.session_timeout_ms_max;
  options.connections_per_address_max = config.connections_per_address_max;
  options.connections_max = config.connections_max;
  options.frame_size_bytes_max = config.frame_size_bytes_max;
  options.state_limit_bytes = config.state_limit_bytes.value_or(0);
  options.output_bytes_max = output_bytes_max / edges;
  EdgeShareLimits& shares = options.shares;
  shares.held_bytes_max = held_bytes_max / edges;
  if (config.requests_outstanding_max != 0) {
    // Each server its part, as in ZooKeeper, and each edge its part of that.
    const std::size_t voters = config.voters();
    const std::size_t parts = edges * (voters > 2 ? voters - 1 : 1);
    shares.requests_max = std::max<std::size_t>(config.requests_outstanding_max / parts, 1);
  }
  const std::size_t servers = std::max<std::size_t>(config.servers.size(), 1);
  shares.total_in_flight_bytes_max =
      std::clamp(ensemble_in_flight_bytes_max / (edges * servers), in_flight_bytes_min,
                 shares.total_in_flight_bytes_max);
  shares.total_in_flight_max = std::min(shares.total_in_flight_max, in_flight_max / edges);
  options.slow_request = Duration::millis(config.slow_request_ms);
  options.linearizable_reads = config.linearizable_reads;
  if (config.reconfig_enabled) {
    options.reconfig = config.standalone() ? zkwire::Code::unimplemented : zkwire::Code::ok;
  }
  options.super_digest = config.super_digest;
  options.digest_enabled = config.digest_enabled;
  options.four_letter_words = config.four_letter_words;
  const auto add = [&options](const char* key, std::string value) {
    options.configuration.emplace_back(key, std::move(value));
  };
  add("clientPort", std::to_string(config.client_port.value_or(0)));
  add("secureClientPort", "-1");
  add("dataDir", config.data_dir);
  add("dataLogDir", config.data_log_dir);
  add("tickTime", std::to_string(config.tick_ms));
  add("maxClientCnxns", std::to_string(config.connections_per_address_max));
  if (config.requests_outstanding_max != 0) {
    add("globalOutstandingLimit", std::to_string(config.requests_outstanding_max));
  }
  add("minSessionTimeout", std::to_string(config.session_timeout_ms_min));
  add("maxSessionTimeout", std::to_string(config.session_timeout_ms_max));
  add("clientPortListenBacklog", std::to_string(config.listen_backlog));
  add("serverId", std::to_string(options.self.value()));
  if (!config.standalone()) {
    const ServerLine* self = config.find_server(options.self);
    options.observer = self->observer;
    add("initLimit", std::to_string(config.init_limit_ticks));
    add("syncLimit", std::to_string(config.sync_limit_ticks));
    add("electionAlg", "3");
    add("electionPort", std::to_string(self->election_port));
    add("quorumPort", std::to_string(self->peer.port));
    add("peerType", self->observer ? "1" : "0");
  }
  return options;
}

znode::Switches switches_of(const ZooConfig& config) {
  znode::Switches switches;
  switches.skip_acl = config.skip_acl;
  switches.extended_types = config.extended_types;
  switches.scheme_digest = config.digest_enabled;
  return switches;
}

}  // namespace synod::coordinator
