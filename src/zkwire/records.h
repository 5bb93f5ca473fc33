// The records of the ZooKeeper client protocol as plain structs, with its numbers and names.
//
// Bytes become these structs and back in frame.h; what they mean is decided in znode and
// coordinator.
//
// Source  Apache ZooKeeper 3.9.5, zookeeper.jute, ZooDefs.java, KeeperException.java.
// Note    A null string reads as an empty one, except for a request's path, where it is malformed
//         unless the request validates its path (setData, setACL, check: an empty path is invalid);
//         a null list reads as an empty one; a null buffer is kept apart from an empty one.
// Memory  Values that own their bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"

namespace synod::zkwire {

// Frozen: these numbers are on the wire of every ZooKeeper client.
enum class OpCode : std::int32_t {
  notification = 0,
  create = 1,
  remove = 2,  // "delete"
  exists = 3,
  get_data = 4,
  set_data = 5,
  get_acl = 6,
  set_acl = 7,
  get_children = 8,
  sync = 9,
  ping = 11,
  get_children2 = 12,
  check = 13,
  multi = 14,
  create2 = 15,
  reconfig = 16,
  check_watches = 17,
  remove_watches = 18,
  create_container = 19,
  delete_container = 20,
  create_ttl = 21,
  multi_read = 22,
  auth = 100,
  set_watches = 101,
  sasl = 102,
  get_ephemerals = 103,
  get_all_children_number = 104,
  set_watches2 = 105,
  add_watch = 106,
  who_am_i = 107,
  create_session = -10,
  close_session = -11,
  error = -1,
};

// Frozen. Clients fail on codes that they do not know: nothing is ever added here.
enum class Code : std::int32_t {
  ok = 0,
  system_error = -1,
  runtime_inconsistency = -2,
  data_inconsistency = -3,
  connection_loss = -4,  // made by clients
  marshalling_error = -5,
  unimplemented = -6,
  operation_timeout = -7,  // made by clients
  bad_arguments = -8,
  new_config_no_quorum = -13,
  reconfig_in_progress = -14,
  no_node = -101,
  no_auth = -102,
  bad_version = -103,
  no_children_for_ephemerals = -108,
  node_exists = -110,
  not_empty = -111,
  session_expired = -112,
  invalid_acl = -114,
  auth_failed = -115,
  session_moved = -118,
  not_read_only = -119,
  ephemeral_on_local_session = -120,
  no_watcher = -121,
  reconfig_disabled = -123,
  session_closed_require_sasl_auth = -124,
  quota_exceeded = -125,
  throttled_op = -127,
};

// "NONODE", "BADVERSION": the names of KeeperException.Code. "UNKNOWN" for other numbers.
const char* to_string(Code code);
// "create", "getData": the names of ZooDefs.OpCode. "unknown" for other numbers.
const char* to_string(OpCode op);

// Special xids. Frozen.
inline constexpr std::int32_t xid_notification = -1;
inline constexpr std::int32_t xid_ping = -2;
inline constexpr std::int32_t xid_auth = -4;
inline constexpr std::int32_t xid_set_watches = -8;

// Permission bits of an ACL entry. Frozen.
namespace perm {
inline constexpr std::int32_t read = 1;
inline constexpr std::int32_t write = 2;
inline constexpr std::int32_t create = 4;
inline constexpr std::int32_t remove = 8;
inline constexpr std::int32_t admin = 16;
inline constexpr std::int32_t all = 31;
}  // namespace perm

// Flags of a create request: the values of CreateMode. Frozen.
namespace create_flag {
inline constexpr std::int32_t persistent = 0;
inline constexpr std::int32_t ephemeral = 1;
inline constexpr std::int32_t persistent_sequential = 2;
inline constexpr std::int32_t ephemeral_sequential = 3;
inline constexpr std::int32_t container = 4;
inline constexpr std::int32_t persistent_with_ttl = 5;
inline constexpr std::int32_t persistent_sequential_with_ttl = 6;
}  // namespace create_flag

struct Id {
  std::string scheme;
  std::string id;

  friend auto operator<=>(const Id&, const Id&) = default;
};

struct Acl {
  std::int32_t perms = 0;
  Id id;

  friend auto operator<=>(const Acl&, const Acl&) = default;
};

using AclList = std::vector<Acl>;

// {world:anyone:all}.
AclList open_acl();

struct Stat {
  std::int64_t czxid = 0;
  std::int64_t mzxid = 0;
  std::int64_t ctime = 0;  // ms since 1970
  std::int64_t mtime = 0;
  std::int32_t version = 0;
  std::int32_t cversion = 0;
  std::int32_t aversion = 0;
  std::int64_t ephemeral_owner = 0;
  std::int32_t data_length = 0;
  std::int32_t num_children = 0;
  std::int64_t pzxid = 0;

  friend bool operator==(const Stat&, const Stat&) = default;
};

// A buffer that may be null on the wire (length -1).
using Buffer = std::optional<Bytes>;

// --- handshake

struct ConnectRequest {
  std::int32_t protocol_version = 0;
  std::int64_t last_zxid_seen = 0;
  std::int32_t timeout_ms = 0;
  std::int64_t session_id = 0;  // 0: a new session
  Bytes password;
  std::optional<bool> read_only;  // absent in old clients

  friend bool operator==(const ConnectRequest&, const ConnectRequest&) = default;
};

struct ConnectResponse {
  std::int32_t protocol_version = 0;
  std::int32_t timeout_ms = 0;  // 0 or less: the session is refused (expired)
  std::int64_t session_id = 0;
  Bytes password;                 // always 16 bytes
  std::optional<bool> read_only;  // present if the request had it

  friend bool operator==(const ConnectResponse&, const ConnectResponse&) = default;
};

// --- headers

struct RequestHeader {
  std::int32_t xid = 0;
  std::int32_t type = 0;  // an OpCode, if known

  friend bool operator==(const RequestHeader&, const RequestHeader&) = default;
};

struct ReplyHeader {
  std::int32_t xid = 0;
  std::int64_t zxid = 0;
  std::int32_t err = 0;  // a Code

  friend bool operator==(const ReplyHeader&, const ReplyHeader&) = default;
};

// --- requests

// create, create2, createContainer, createTTL (the only one that carries ttl on the wire).
struct CreateRequest {
  std::string path;
  Buffer data;
  AclList acl;
  std::int32_t flags = 0;
  std::int64_t ttl_ms = -1;

  friend bool operator==(const CreateRequest&, const CreateRequest&) = default;
};

// delete, check.
struct PathVersionRequest {
  std::string path;
  std::int32_t version = -1;

  friend bool operator==(const PathVersionRequest&, const PathVersionRequest&) = default;
};

struct SetDataRequest {
  std::string path;
  Buffer data;
  std::int32_t version = -1;

  friend bool operator==(const SetDataRequest&, const SetDataRequest&) = default;
};

struct SetAclRequest {
  std::string path;
  AclList acl;
  std::int32_t version = -1;

  friend bool operator==(const SetAclRequest&, const SetAclRequest&) = default;
};

// exists, getData, getChildren, getChildren2.
struct PathWatchRequest {
  std::string path;
  bool watch = false;

  friend bool operator==(const PathWatchRequest&, const PathWatchRequest&) = default;
};

// getACL, sync, deleteContainer, getEphemerals, getAllChildrenNumber.
struct PathRequest {
  std::string path;

  friend bool operator==(const PathRequest&, const PathRequest&) = default;
};

// addWatch (mode), checkWatches and removeWatches (type).
struct PathNumberRequest {
  std::string path;
  std::int32_t number = 0;

  friend bool operator==(const PathNumberRequest&, const PathNumberRequest&) = default;
};

// setWatches leaves the last two lists empty.
struct SetWatchesRequest {
  std::int64_t relative_zxid = 0;
  std::vector<std::string> data_watches;
  std::vector<std::string> exist_watches;
  std::vector<std::string> child_watches;
  std::vector<std::string> persistent_watches;
  std::vector<std::string> persistent_recursive_watches;

  friend bool operator==(const SetWatchesRequest&, const SetWatchesRequest&) = default;
};

struct AuthRequest {
  std::int32_t type = 0;  // ignored
  std::string scheme;
  Buffer auth;

  friend bool operator==(const AuthRequest&, const AuthRequest&) = default;
};

struct SaslRequest {
  Buffer token;

  friend bool operator==(const SaslRequest&, const SaslRequest&) = default;
};

struct ReconfigRequest {
  std::string joining;
  std::string leaving;
  std::string new_members;
  std::int64_t current_config_id = -1;

  friend bool operator==(const ReconfigRequest&, const ReconfigRequest&) = default;
};

// ping, closeSession, whoAmI.
struct EmptyRequest {
  friend bool operator==(const EmptyRequest&, const EmptyRequest&) = default;
};

// One part of a multi. `type` is create, create2, create_container, create_ttl, remove, set_data or
// check, after the rules by which create flags change it.
struct MultiPart {
  OpCode type = OpCode::error;
  std::variant<CreateRequest, PathVersionRequest, SetDataRequest> request;

  friend bool operator==(const MultiPart&, const MultiPart&) = default;
};

struct MultiRequest {
  std::vector<MultiPart> parts;

  friend bool operator==(const MultiRequest&, const MultiRequest&) = default;
};

// One part of a multiRead: get_data or get_children.
struct MultiReadPart {
  OpCode type = OpCode::error;
  PathWatchRequest request;

  friend bool operator==(const MultiReadPart&, const MultiReadPart&) = default;
};

struct MultiReadRequest {
  std::vector<MultiReadPart> parts;

  friend bool operator==(const MultiReadRequest&, const MultiReadRequest&) = default;
};

using Request =
    std::variant<EmptyRequest, CreateRequest, PathVersionRequest, SetDataRequest, SetAclRequest,
                 PathWatchRequest, PathRequest, PathNumberRequest, SetWatchesRequest, AuthRequest,
                 SaslRequest, ReconfigRequest, MultiRequest, MultiReadRequest>;

// --- replies: the bodies after a ReplyHeader with err 0

struct PathReply {  // create, sync
  std::string path;
  friend bool operator==(const PathReply&, const PathReply&) = default;
};
struct PathStatReply {  // create2, createContainer, createTTL
  std::string path;
  Stat stat;
  friend bool operator==(const PathStatReply&, const PathStatReply&) = default;
};
struct StatReply {  // exists, setData, setACL
  Stat stat;
  friend bool operator==(const StatReply&, const StatReply&) = default;
};
struct DataReply {  // getData, reconfig
  Buffer data;
  Stat stat;
  friend bool operator==(const DataReply&, const DataReply&) = default;
};
struct AclReply {  // getACL
  AclList acl;
  Stat stat;
  friend bool operator==(const AclReply&, const AclReply&) = default;
};
struct ChildrenReply {  // getChildren, getEphemerals
  std::vector<std::string> children;
  friend bool operator==(const ChildrenReply&, const ChildrenReply&) = default;
};
struct ChildrenStatReply {  // getChildren2
  std::vector<std::string> children;
  Stat stat;
  friend bool operator==(const ChildrenStatReply&, const ChildrenStatReply&) = default;
};
struct NumberReply {  // getAllChildrenNumber; addWatch (always 0)
  std::int32_t number = 0;
  friend bool operator==(const NumberReply&, const NumberReply&) = default;
};
struct ClientInfo {
  std::string scheme;
  std::string user;
  friend bool operator==(const ClientInfo&, const ClientInfo&) = default;
};
struct WhoAmIReply {
  std::vector<ClientInfo> clients;
  friend bool operator==(const WhoAmIReply&, const WhoAmIReply&) = default;
};
struct SaslReply {
  Buffer token;
  friend bool operator==(const SaslReply&, const SaslReply&) = default;
};

// One result of a multi or multiRead.
struct MultiResult {
  OpCode type = OpCode::error;  // error: only `code` counts (it may be ok: "not tried, not failed")
  Code code = Code::ok;
  std::string path;                   // create, create2
  Stat stat;                          // create2, set_data, get_data
  Buffer data;                        // get_data
  std::vector<std::string> children;  // get_children

  friend bool operator==(const MultiResult&, const MultiResult&) = default;
};
struct MultiReply {
  std::vector<MultiResult> results;
  friend bool operator==(const MultiReply&, const MultiReply&) = default;
};

struct EmptyReply {
  friend bool operator==(const EmptyReply&, const EmptyReply&) = default;
};

using Reply =
    std::variant<EmptyReply, PathReply, PathStatReply, StatReply, DataReply, AclReply,
                 ChildrenReply, ChildrenStatReply, NumberReply, WhoAmIReply, SaslReply, MultiReply>;

// --- events

// Frozen.
enum class EventType : std::int32_t {
  none = -1,
  node_created = 1,
  node_deleted = 2,
  node_data_changed = 3,
  node_children_changed = 4,
};

// Frozen. The server sends sync_connected only.
enum class KeeperState : std::int32_t {
  expired = -112,
  disconnected = 0,
  sync_connected = 3,
  auth_failed = 4,
  connected_read_only = 5,
};

struct WatcherEvent {
  EventType type = EventType::none;
  KeeperState state = KeeperState::sync_connected;
  std::string path;

  friend bool operator==(const WatcherEvent&, const WatcherEvent&) = default;
};

}  // namespace synod::zkwire
