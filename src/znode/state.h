// The replicated state: the tree of znodes, sessions, settings; and the one function that changes
// it.
//
// Every replica applies the same commands in the same order and ends with the same state, byte for
// byte in its snapshot. Requests are evaluated here, against the state that their place in the log
// finds: access, versions, sequence numbers, session generations.
//
// Exactly once  A sequenced write counts only if it is the next one of its session's current
//               generation. A repeat is recognised and skipped; an older generation is answered
//               session_moved; a gap is ignored and names the sequence that is wanted. None of
//               these takes a zxid.
// zxids         One for each client-visible request that is applied, failed or not: ClientWrite,
//               FailWrite, CloseSession, CreateSession, ExpireSession and DeleteContainer when they
//               act. AttachSession, UpdateSettings, OpenEpoch and NoOp take none.
//
// Source      Apache ZooKeeper 3.9.5: PrepRequestProcessor, DataTree, FinalRequestProcessor.
// Invariants  I1  every node but the root is reached from its parent by its name; ephemerals have
// no
//                 children; num_children, descendants, bytes and counts agree with the tree.
//             I2  session.ephemerals lists exactly the nodes whose owner is that session.
//             I3  digest() is the sum over nodes and sessions, kept on the way.
//             I4  zxids rise, without holes within a zxid_epoch.
//             check() verifies I1 to I3 by walking everything: for tests.
// Purity      No clock, no randomness: time comes in the batch header.
// Threads     Confined; readers on other Lanes hold ports::Gate around const calls.
// Memory      A leaf costs its name and data and about 200 bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/planted.h"
#include "base/result.h"
#include "znode/acl.h"
#include "znode/command.h"
#include "znode/tree.h"

namespace synod::znode {

struct Session {
  Generation generation;   // from 1
  Sequence next_sequence;  // the one that the current generation may write next, from 1
  std::int32_t timeout_ms = 0;
  Bytes password;
  std::uint64_t nonce = 0;           // of the latest CreateSession or AttachSession
  std::set<std::string> ephemerals;  // paths
};

// A change that connections may watch.
struct Trigger {
  zkwire::EventType type = zkwire::EventType::none;
  std::string path;
  AclRef acl;  // an event is delivered only to those who may READ by this list
};

// A change that concerns whoever holds a session's connection.
struct SessionEffect {
  enum class Kind : std::uint8_t {
    created,
    attached,  // with the new generation: connections of older generations must close
    closed,    // by its client
    expired,   // by the leader: its connection closes without a reply
  };
  Kind kind = Kind::created;
  SessionId session;
  Generation generation;
  std::int32_t timeout_ms = 0;  // created, attached

  friend bool operator==(const SessionEffect&, const SessionEffect&) = default;
};

struct Outcome {
  enum class Kind : std::uint8_t {
    applied,  // in its order: `code` tells success or failure, `zxid` is its own
    repeat,   // applied before: whoever waits for it has heard already
    moved,    // an older generation, or no such session (code session_moved or session_expired)
    gap,      // not the next sequence: ignored; `wanted` is
    stale,    // CreateSession with an id at or below the highest of its minter: mint another
    ignored,  // ExpireSession that came too late; internal entries
  };
  Kind kind = Kind::ignored;
  zkwire::Code code = zkwire::Code::ok;
  Zxid zxid;              // applied: its own; otherwise the last one
  Sequence wanted;        // gap
  Generation generation;  // CreateSession, AttachSession: the one to write with
  std::int32_t timeout_ms = 0;
  zkwire::Reply reply;  // when code is ok, and of a failed multi too (whose code is ok)
};

struct Effects {
  Outcome outcome;
  // In the order in which they must be fired: data events before child events.
  std::vector<Trigger> triggers;
  std::vector<SessionEffect> sessions;
};

struct Counts {
  std::uint64_t nodes = 0;  // root included
  std::uint64_t ephemerals = 0;
  std::uint64_t data_bytes = 0;  // paths and data
  std::uint64_t sessions = 0;
  std::uint64_t acl_bytes = 0;  // of distinct lists
};

// What one znode, ephemeral or session costs beside its path and data, about.
inline constexpr std::uint64_t node_cost_bytes = 200;
inline constexpr std::uint64_t ephemeral_cost_bytes = 150;
inline constexpr std::uint64_t session_cost_bytes = 300;

// What the state takes in memory, about: the same on equal replicas.
constexpr std::uint64_t size_bytes(const Counts& counts) {
  return counts.data_bytes + counts.acl_bytes + counts.nodes * node_cost_bytes +
         counts.ephemerals * ephemeral_cost_bytes + counts.sessions * session_cost_bytes;
}

class SnapshotCursor;

class State {
 public:
  struct Options {
    PlantedBug planted = PlantedBug::none;  // simulator and tests only
  };

  // The initial tree: /, /zookeeper, /zookeeper/quota, /zookeeper/config.
  State();
  explicit State(Options options);
  ~State();
  State(State&&) noexcept;
  State& operator=(State&&) noexcept;

  // --- writing
  Effects apply(const BatchHeader& header, const Command& command);

  // True if the command is the next one of its session: a repeat, a gap and one of an older
  // generation are not.
  bool is_next(const Command& command) const;
  // Whether the command's client may write /zookeeper/config: ok, no_node or no_auth.
  zkwire::Code may_write_config(const Command& command, const Switches& switches) const;

  // --- reading
  Zxid last_zxid() const { return last_zxid_; }
  const Tree& tree() const { return tree_; }
  // nullptr: unknown, closed or expired.
  const Session* find_session(SessionId id) const;
  const std::map<SessionId, Session>& sessions() const { return sessions_; }
  const std::map<std::string, std::string>& settings() const { return settings_; }
  // The highest session id that the minter has had in the log; 0 if none.
  std::int64_t highest_session_of(std::uint32_t minter) const;
  Counts counts() const;
  // Equal on equal replicas; cheap.
  std::uint64_t digest() const;
  // Empty, or what is wrong: walks everything.
  std::string check() const;

  // --- snapshots (docs/formats/snapshot_state.md)
  // Begins a walk of the state as it is now. While one is open every change first saves what the
  // walk has not passed yet. One at a time: beginning another drops the first.
  void begin_snapshot();
  bool snapshot_open() const { return cursor_ != nullptr; }
  // The next bytes, about `size_max` (one record may exceed it); empty when everything was given,
  // which ends the walk. Precondition: snapshot_open().
  Bytes next_slice(std::size_t size_max);
  void drop_snapshot();
  // The whole state in one string: begin_snapshot and next_slice to the end. Tests, small states.
  Bytes snapshot();
  // Total: malformed or inconsistent bytes are an Error. To load piece by piece: loader.h.
  static Result<State> load(ByteView bytes, Options options);
  static Result<State> load(ByteView bytes);

 private:
  friend class Applier;
  friend class Loader;

  static std::uint64_t session_digest(SessionId id, const Session& session);
  static std::uint64_t minter_digest(std::uint32_t minter, std::int64_t highest);
  void raise_minter(std::uint32_t minter, std::int64_t highest);
  // To be called before a session changes, begins (null) or ends.
  void before_session(SessionId id, const Session* session);

  Options options_;
  Tree tree_;
  std::map<SessionId, Session> sessions_;
  std::map<std::uint32_t, std::int64_t> minters_;  // highest session id of each
  std::map<std::string, std::string> settings_;
  Zxid last_zxid_;
  std::uint64_t ephemerals_ = 0;
  std::uint64_t session_digest_ = 0;  // sum over sessions and minters
  std::unique_ptr<SnapshotCursor> cursor_;
};

}  // namespace synod::znode
