// Ends a master's session when the master dies, so that the next one need not wait for the timeout.
//
// The master starts `synod sentinel` in a session of its own and tells it servers, session id and
// password through a pipe. End of file on the pipe means that the master is dead, whatever killed
// it: the sentinel dials all servers at once, attaches to the session, closes it and exits. A
// master that is merely stopped keeps its pipe open, so nothing happens; a dead host takes both.
//
// Format   docs/formats/sentinel.md.
// Threads  Confined to their Lanes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ports/processes.h"
#include "zkclient/client.h"

namespace synod::election {

struct SentinelOrder {
  zkclient::ConnectString connect;
  zkclient::Credentials credentials;
  Duration session_timeout;
};

Bytes encode(const SentinelOrder& order);
// nullopt: more bytes are needed.
Result<std::optional<SentinelOrder>> decode_sentinel_order(ByteView bytes);

// In the master: keeps a sentinel running.
class SentinelKeeper {
 public:
  // `command` is argv of the sentinel ({"/usr/bin/synod", "sentinel"}); `env` its environment.
  SentinelKeeper(ports::Lane& lane, ports::Processes& processes, std::vector<std::string> command,
                 std::map<std::string, std::string> env, SentinelOrder order);
  ~SentinelKeeper();  // the sentinel sees the end and closes the session
  SentinelKeeper(const SentinelKeeper&) = delete;
  SentinelKeeper& operator=(const SentinelKeeper&) = delete;

  // 0 while none runs.
  std::int64_t pid() const;

 private:
  class Keeper;
  std::unique_ptr<Keeper> keeper_;
};

// In the sentinel's process: reads the order from the pipe, waits for its end, closes the session.
class Sentinel {
 public:
  // `done` gets the exit code: 0 once the session is closed or was gone already, 1 for a bad order
  // or if no server could be asked within twice the session timeout.
  Sentinel(ports::Lane& lane, ports::Network& network, std::unique_ptr<ports::Stream> pipe,
           std::function<void(int)> done);
  ~Sentinel();
  Sentinel(const Sentinel&) = delete;
  Sentinel& operator=(const Sentinel&) = delete;

 private:
  class Watchman;
  std::unique_ptr<Watchman> watchman_;
};

}  // namespace synod::election
