#include "coordinator/edge_options.h"

namespace synod::coordinator {

EdgeOptions edge_options(const ZooConfig& config, EdgeIndex index) {
  EdgeOptions options;
  options.index = index;
  options.self = config.my_id.value_or(NodeId(1));
  options.standalone = config.standalone();
  options.session_timeout_ms_min = config.session_timeout_ms_min;
  options.session_timeout_ms_max = config.session_timeout_ms_max;
  options.connections_per_address_max = config.connections_per_address_max;
  options.connections_max = config.connections_max;
  options.frame_size_bytes_max = config.frame_size_bytes_max;
  options.slow_request = Duration::millis(config.slow_request_ms);
  options.linearizable_reads = config.linearizable_reads;
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
