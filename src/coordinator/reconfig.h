// Members as text, and what a client's reconfig makes of them.
//
// The text is ZooKeeper's canonical form of the contents of /zookeeper/config, without its last
// line (the version). A member's address (paxos::Member) is the right side of its line without the
// role: host:port:electionPort[;client host:client port].
//
// Source  Apache ZooKeeper 3.9.5: QuorumVerifier.toString, PrepRequestProcessor (reconfig).
// Purity  Values in, values out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "coordinator/zoo_config.h"
#include "paxos/membership.h"
#include "ports/address.h"
#include "zkwire/records.h"

namespace synod::coordinator {

std::string address_of(const ServerLine& line);
// Where its peer port is; nothing if the address is empty or none.
std::optional<ports::HostPort> peer_of(const std::string& address);
// As a configuration lists them; incarnations are unknown.
std::vector<paxos::Member> members_of(const ZooConfig& config);
// Precondition: every member has an address.
std::string members_text(const paxos::Membership& members);

struct Reconfigured {
  zkwire::Code code = zkwire::Code::ok;
  std::string why;  // not ok: for the log
  paxos::Membership members;
  std::string text;
};
// `config_text` is what /zookeeper/config holds, its version with it.
Reconfigured reconfigure(const paxos::Membership& now, const std::string& config_text,
                         bool standalone_enabled, const zkwire::ReconfigRequest& request);

}  // namespace synod::coordinator
