// Who leads, in Apache Mesos' way, and with which right.
//
// A candidate is an ephemeral sequential node `json.info_NNNNNNNNNN` below a path, its data the
// caller's opaque bytes (a MasterInfo in JSON). The smallest sequence leads. A winner first raises
// the master_epoch: one registry node holds (lineage, counter, candidate), written by a multi that
// also checks that the winner's candidate node still exists; only then the leadership is announced,
// as a value. So of two masters that both believe to lead, the one with the lower counter is told
// from the other by everybody whom it asks.
//
// Source      docs/design.md, section 6; Mesos 1.11, src/zookeeper/contender.cpp and detector.cpp.
// Invariants  I1 on_elected at most once, and only after its epoch is durable in the registry.
//             I2 After on_lost nothing follows: the process is to end. Nothing un-leads in place.
//             I3 may_speak() is false whenever the session could have ended unnoticed: when this
//                Lane did not run for a third of the session timeout, or no answer has confirmed
//                the session for two thirds; until an answer asked for afterwards has come.
// Threads     Confined to its Lane; callbacks come on later turns.
// Memory      The handler outlives the Election. Any callback may destroy it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "zkclient/client.h"

namespace synod::election {

// The candidate with the smallest sequence.
struct Leader {
  std::string path;  // of its node, below the chroot: "/mesos/json.info_0000000003"
  Bytes data;

  friend bool operator==(const Leader&, const Leader&) = default;
};

// The right to change things, passed with every effect of a master.
struct Leadership {
  Uuid lineage;
  MasterEpoch epoch;
  // The node that every registry multi checks.
  std::string candidate_path;

  friend bool operator==(const Leadership&, const Leadership&) = default;
};

struct ElectionOptions {
  zkclient::ConnectString connect;  // servers and digest; `path` is not used
  std::string path;                 // of the candidates: "/mesos"
  std::string epoch_path;           // "/mesos.synod/epoch"
  Bytes candidate;
  Duration session_timeout = Duration::seconds(10);
};

// Of the nodes that masters make: open without credentials; with them, all for whoever has them and
// reading for everybody, as in Mesos.
zkwire::AclList acl_for(const zkclient::ConnectString& connect);

class ElectionHandler {
 public:
  virtual ~ElectionHandler() = default;
  // The session exists: time to start the sentinel. Once.
  virtual void on_session(const zkclient::Credentials& credentials) = 0;
  // Another leader, this one included, or none.
  virtual void on_leader(const std::optional<Leader>& leader) = 0;
  virtual void on_elected(const Leadership& leadership) = 0;
  // may_speak() changed.
  virtual void on_may_speak(bool may_speak) = 0;
  // The session or the candidate node is gone. Close all streams and exit.
  virtual void on_lost(const std::string& why) = 0;
};

class Election {
 public:
  Election(ports::Lane& lane, ports::Network& network, ElectionOptions options,
           ElectionHandler& handler);
  ~Election();
  Election(const Election&) = delete;
  Election& operator=(const Election&) = delete;

  // For the registry: the same session, paths as given (no chroot).
  zkclient::Client& client();
  const std::optional<Leader>& leader() const;
  const std::optional<Leadership>& leadership() const;
  bool is_leader() const { return leadership().has_value(); }
  // Asked before anything is said to anybody; cheap. See I3.
  bool may_speak() const;
  // Until when may_speak() holds if nothing more is heard: what parts on other Lanes are told.
  // Rests on answers that reached the ensemble's leader, unlike Client::confirmed_at(), which a
  // follower that was cut off may have given. Instant() while may_speak() is false.
  Instant may_speak_until() const;
  // Closes the session, so that the next candidate need not wait; `done` when it is closed or after
  // a second at most. on_lost does not follow.
  void resign(std::function<void()> done);

 private:
  class Contest;
  std::shared_ptr<Contest> contest_;  // kept alive by callbacks under way
};

}  // namespace synod::election
