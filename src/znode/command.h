// What the replicated log holds: requests, evaluated by every replica when it applies them.
//
// A Batch is the value of one slot: a header stamped by the leader (its time, the rules version,
// the switches that alter outcomes) and commands in order. The bytes are described in
// docs/formats/batch.md.
//
// Who may write what:
//   an Edge's sequenced writes   create family, delete, setData, setACL, multi, closeSession, Fail:
//                                session, generation and sequence set, sequence from 1
//   an Edge's session requests   CreateSession, AttachSession: session set, no sequence
//   the leader                   OpenEpoch, ExpireSession, DeleteContainer, UpdateSettings, NoOp
//
// Purity  Values only. Errors: the decoders are total.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/instant.h"
#include "base/result.h"
#include "zkwire/records.h"

namespace synod::znode {

// The newest rules this build can evaluate; announced to peers.
inline constexpr RulesVersion rules_version_max{2};
// The oldest ones that give all requests but ConfigWrite the outcome that they have here: batches
// are stamped with these, so that an older release can read them as long as nothing newer is used.
inline constexpr RulesVersion rules_version_of_writes{1};
// The first ones that know changes of members.
inline constexpr RulesVersion rules_version_of_changes{2};

// Settings of the leader that change what a command does. Frozen bit numbers in the batch header.
struct Switches {
  bool skip_acl = false;
  bool enforce_quota = false;
  bool extended_types = false;  // TTL nodes
  // Schemes that are valid inside an ACL, besides world and auth.
  bool scheme_ip = true;
  bool scheme_digest = true;
  bool scheme_sasl = false;
  bool scheme_x509 = false;

  std::uint32_t to_bits() const;
  static Switches from_bits(std::uint32_t bits);
  friend bool operator==(const Switches&, const Switches&) = default;
};

struct BatchHeader {
  WallTime time;  // of the leader; becomes ctime and mtime
  RulesVersion rules = rules_version_max;
  Switches switches;

  friend bool operator==(const BatchHeader&, const BatchHeader&) = default;
};

// A client's write, as it came: op is create, create2, create_container, create_ttl, remove,
// set_data, set_acl or multi, and `request` the alternative that belongs to it.
struct ClientWrite {
  zkwire::OpCode op = zkwire::OpCode::error;
  zkwire::Request request;
  friend bool operator==(const ClientWrite&, const ClientWrite&) = default;
};

// A write that the Edge found it cannot be evaluated (body malformed, reconfig disabled): it fails
// with this code, in its place in the order and with a zxid of its own, as genuine ZooKeeper logs
// an error transaction.
struct FailWrite {
  zkwire::Code code = zkwire::Code::marshalling_error;
  friend bool operator==(const FailWrite&, const FailWrite&) = default;
};

struct CloseSession {
  friend bool operator==(const CloseSession&, const CloseSession&) = default;
};

// Makes the session `Command::session`, generation 1, next sequence 1. Ids are minted by Edges:
// byte 7 the server, then a number that rises for each `minter` (one Edge of one server); the state
// remembers the highest id of each minter, so a request resent after its session has ended is
// recognised (Outcome::Kind::stale: the Edge mints another id and asks again).
struct CreateSession {
  std::uint32_t minter = 0;
  std::int32_t timeout_ms = 0;
  Bytes password;           // 16 bytes
  std::uint64_t nonce = 0;  // of this connection: see AttachSession
  friend bool operator==(const CreateSession&, const CreateSession&) = default;
};

// Attaches the session to another connection: raises its generation, so that what still comes
// through the old one is answered session_moved. `nonce` names the attempt: the same nonce twice in
// a row is a repeat and raises nothing.
struct AttachSession {
  Bytes password;
  std::int32_t timeout_ms = 0;
  std::uint64_t nonce = 0;
  friend bool operator==(const AttachSession&, const AttachSession&) = default;
};

// The leader's: the session was silent for its timeout. Ignored if the session was attached again
// meanwhile (another generation).
struct ExpireSession {
  Generation generation;
  friend bool operator==(const ExpireSession&, const ExpireSession&) = default;
};

// The leader's: a container or TTL node seems due. Looked at again when applied.
struct DeleteContainer {
  std::string path;
  friend bool operator==(const DeleteContainer&, const DeleteContainer&) = default;
};

// A leader's first entry: opens the next zxid_epoch. Takes no zxid itself.
struct OpenEpoch {
  friend bool operator==(const OpenEpoch&, const OpenEpoch&) = default;
};

// Ensemble-wide settings, replaced one by one. Takes no zxid. The key "config" is the text of
// /zookeeper/config.
struct UpdateSettings {
  std::map<std::string, std::string> values;  // an empty value removes the key
  friend bool operator==(const UpdateSettings&, const UpdateSettings&) = default;
};

// A client's reconfig, on its way to the leader. Never in a batch: the leader puts a FailWrite
// there, or a ConfigWrite into the entry that changes the members.
struct Reconfigure {
  zkwire::ReconfigRequest request;
  friend bool operator==(const Reconfigure&, const Reconfigure&) = default;
};

// What the client's reconfig comes to, once the leader has judged it: the new text of
// /zookeeper/config, whose last line (the version) is this write's zxid.
struct ConfigWrite {
  std::string text;
  friend bool operator==(const ConfigWrite&, const ConfigWrite&) = default;
};

struct NoOp {
  friend bool operator==(const NoOp&, const NoOp&) = default;
};

using CommandRequest = std::variant<NoOp, ClientWrite, FailWrite, CloseSession, CreateSession,
                                    AttachSession, ExpireSession, DeleteContainer, OpenEpoch,
                                    UpdateSettings, Reconfigure, ConfigWrite>;

struct Command {
  SessionId session;
  Generation generation;
  Sequence sequence;  // 0 where the request is not sequenced
  // Computed at the edge: ip, digest, ... of the connection, "super" included.
  std::vector<zkwire::Id> identities;
  CommandRequest request;

  friend bool operator==(const Command&, const Command&) = default;
};

// True for the requests that carry a sequence (ClientWrite, FailWrite, CloseSession, Reconfigure,
// ConfigWrite).
bool is_sequenced(const CommandRequest& request);
// True for the requests that only the leader may put into the log.
bool is_leaders_own(const CommandRequest& request);

struct Batch {
  BatchHeader header;
  std::vector<Command> commands;

  friend bool operator==(const Batch&, const Batch&) = default;
};

// True if the encoded command is a Reconfigure. Looks at no more than that takes.
bool is_reconfigure(ByteView command);

Bytes encode_command(const Command& command);
Result<Command> decode_command(ByteView bytes);

// A slot's value, from commands that are encoded already (they travel so between coordinators).
// Precondition: the sum of sizes stays within limits::slot_value_size_bytes_max.
Bytes encode_batch(const BatchHeader& header, const std::vector<Bytes>& commands);
Result<Batch> decode_batch(ByteView bytes);

// A batch, command by command: what one needed is free before the next is looked at, which is worth
// more than it seems when thousands stand in one slot.
//
// Errors  A header that is none is said by begin(), a malformed command by next(): those before it
//         have been given. Either is the same on every replica.
// Memory  Borrows the bytes.
class BatchReader {
 public:
  static Result<BatchReader> begin(ByteView bytes);

  const BatchHeader& header() const { return header_; }
  bool at_end() const { return left_ == 0; }
  // Precondition: !at_end(). Valid until the next call.
  Result<const Command*> next();

 private:
  explicit BatchReader(ByteView bytes) : in_(bytes) {}

  BatchHeader header_;
  ByteReader in_;
  std::uint32_t left_ = 0;
  Command command_;
  ByteView identities_;  // the bytes that command_'s were decoded from
};

// One line for scripts and logs: "session=0x10001 gen=1 seq=2 create /a".
std::string to_string(const Command& command);

}  // namespace synod::znode
