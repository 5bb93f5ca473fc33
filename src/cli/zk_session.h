// The ZooKeeper session that `synod zk` keeps from one command to the next: a client whose session
// outlives servers and its own connections, as any other client's does.
//
// D/zk.session holds its credentials, for the owner of D only. A command takes the file by renaming
// it, so that two at once never share a session (they would cut each other off); the second begins
// one of its own. What is not taken up again in time expires by itself.
#pragma once

#include <optional>
#include <string>

#include "base/ids.h"
#include "base/instant.h"
#include "ports/processes.h"
#include "zkclient/client.h"

namespace synod::cli {

struct KeptSession {
  zkclient::Credentials credentials;
  std::string server;        // host:port it was attached to
  ports::ProcessId process;  // which was this one
  Zxid zxid;                 // the greatest it has seen
  Duration timeout;          // as granted
  WallTime used_at;          // when it was last known to live
};

// nullopt if there is none, another command has it, or it must have expired by `now`.
std::optional<KeptSession> take_session(const std::string& directory, WallTime now);
// For the next command. Best effort: without it the next one begins a session of its own.
void keep_session(const std::string& directory, const KeptSession& session);

}  // namespace synod::cli
