// Where the servers are: "h:2181,h2:2181/chroot" or "zk://user:password@h:2181,h2:2181/mesos".
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "ports/address.h"

namespace synod::zkclient {

struct ConnectString {
  std::vector<ports::HostPort> servers;
  // "" or an absolute path without a final slash: ZooKeeper's chroot, Mesos' election path.
  std::string path;
  // "user:password" for the digest scheme, or "".
  std::string digest;
};

// invalid_argument, saying what is wrong. The port is 2181 where none is given.
Result<ConnectString> parse_connect_string(const std::string& text);
// "h:2181,h2:2181": the servers alone.
std::string servers_text(const ConnectString& connect);

}  // namespace synod::zkclient
