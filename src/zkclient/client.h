// An asynchronous ZooKeeper client: one session, everything on one Lane.
//
// Requests are sent in the order of the calls and answered in that order. While there is no
// connection they wait. What was sent and not answered when a connection broke fails with
// connection_loss and Certainty::unknown: it may have taken effect. Watches fire once and are set
// again on the next server (setWatches).
//
// Source      Apache ZooKeeper 3.9.5, ClientCnxn.java, and zkwire.
// Invariants  I1 A session is never begun anew: after expired or closed nothing more happens.
//             I2 Answers, watch events and states come in the order in which the server sent them,
//                an event before the answer that could show its change.
// Threads     Confined to its Lane; callbacks come on later turns.
// Memory      Destroying the Client drops the connection (the session lives until its timeout, or
//             close()); no callback follows. Any callback may destroy it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/instant.h"
#include "base/result.h"
#include "ports/network.h"
#include "zkclient/connect_string.h"
#include "zkwire/records.h"

namespace synod::ports {
class Lane;
}

namespace synod::zkclient {

enum class Certainty {
  not_done,  // the server refused, or never saw it
  unknown,   // sent, but the connection or session ended before the answer
};

// Why a request has no result. Codes are those of the protocol; connection_loss,
// operation_timeout, session_expired and auth_failed may come from the client itself.
struct Failure {
  zkwire::Code code = zkwire::Code::ok;
  Certainty certainty = Certainty::not_done;
  // Of a multi: which part failed.
  std::size_t part = 0;
};

// "NONODE", "CONNECTIONLOSS (outcome unknown)".
std::string to_string(const Failure& failure);

template <typename T>
using Answer = Result<T, Failure>;
template <typename T>
using Done = std::function<void(Answer<T>)>;

// What is asked of the session's server.
enum class State {
  connecting,   // no session yet
  connected,    // the session is attached to a server
  suspended,    // the connection broke; the session may live or not
  expired,      // for good
  closed,       // by close(), for good
  auth_failed,  // the server refused the credentials, for good
};
const char* to_string(State state);

enum class Dialling {
  one_by_one,   // in random order
  all_at_once,  // the first that connects is asked: for those in a hurry
};

// Enough to attach to a session from elsewhere.
struct Credentials {
  SessionId id;
  Bytes password;
};

struct Auth {
  std::string scheme;
  Bytes auth;
};

struct ClientOptions {
  ConnectString connect;  // its path is the chroot of all paths of this Client
  Duration session_timeout = Duration::seconds(10);  // asked for; the server may choose another
  Dialling dialling = Dialling::one_by_one;
  std::optional<Credentials> attach = {};  // to an existing session instead of a new one
  std::vector<Auth> auth = {};             // besides connect.digest
  ports::Tls tls = {};
};

// Fired once.
using Watch = std::function<void(const zkwire::WatcherEvent&)>;

struct Created {
  std::string path;
  zkwire::Stat stat;  // of create2 only
};
struct Data {
  Bytes data;  // null reads as ""
  zkwire::Stat stat;
};
struct Children {
  std::vector<std::string> names;  // in the server's order, which means nothing
  zkwire::Stat stat;
};

enum class CreateMode {
  persistent,
  ephemeral,
  persistent_sequential,
  ephemeral_sequential,
};

class Client {
 public:
  using OnState = std::function<void(State)>;

  // Begins to connect at once.
  Client(ports::Lane& lane, ports::Network& network, ClientOptions options, OnState on_state);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void create(const std::string& path, Bytes data, CreateMode mode, Done<Created> done,
              zkwire::AclList acl = zkwire::open_acl());
  // With the Stat; not known to servers before 3.5.
  void create2(const std::string& path, Bytes data, CreateMode mode, Done<Created> done,
               zkwire::AclList acl = zkwire::open_acl());
  // Makes the node and its missing parents, persistent and empty; node_exists is success.
  void create_path(const std::string& path, Done<void> done,
                   zkwire::AclList acl = zkwire::open_acl());
  // version -1: any.
  void remove(const std::string& path, std::int32_t version, Done<void> done);
  void set_data(const std::string& path, Bytes data, std::int32_t version, Done<zkwire::Stat> done);
  // The watch, if given, is set also when the node does not exist.
  void exists(const std::string& path, Watch watch, Done<std::optional<zkwire::Stat>> done);
  void get_data(const std::string& path, Watch watch, Done<Data> done);
  void get_children(const std::string& path, Watch watch, Done<Children> done);
  void get_acl(const std::string& path, Done<std::pair<zkwire::AclList, zkwire::Stat>> done);
  void set_acl(const std::string& path, zkwire::AclList acl, std::int32_t version,
               Done<zkwire::Stat> done);
  void sync(const std::string& path, Done<void> done);
  // All or nothing. A failed multi is a Failure with the code and the index of the part.
  void multi(std::vector<zkwire::MultiPart> parts, Done<std::vector<zkwire::MultiResult>> done);
  // Changes the members of the ensemble: some (joining, leaving), or all (new_members). `from` is
  // the version it is for, -1: any. Answers with the new text of /zookeeper/config.
  void reconfig(std::string joining, std::string leaving, std::string new_members,
                std::int64_t from, Done<Data> done);
  // Kept and sent again to every later server.
  void add_auth(Auth auth, Done<void> done);
  // Ends the session and its ephemeral nodes; State::closed follows the answer.
  void close(Done<void> done);

  State state() const;
  // Id 0 before the first connection.
  const Credentials& credentials() const;
  // As the server granted it; what was asked for before that.
  Duration session_timeout() const;
  // When the latest request that has been answered was sent: the session lives at least until then
  // plus session_timeout(), whatever has happened since. Instant() before the first connection.
  Instant confirmed_at() const;
  // The greatest zxid that an answer has shown.
  Zxid last_zxid() const;
  // The server of the present connection, for people; "" without.
  std::string server() const;

 private:
  class Session;
  std::shared_ptr<Session> session_;  // kept alive by callbacks under way
};

// Parts of a multi.
zkwire::MultiPart create_part(std::string path, Bytes data, CreateMode mode,
                              zkwire::AclList acl = zkwire::open_acl());
zkwire::MultiPart remove_part(std::string path, std::int32_t version);
zkwire::MultiPart set_data_part(std::string path, Bytes data, std::int32_t version);
zkwire::MultiPart check_part(std::string path, std::int32_t version);

}  // namespace synod::zkclient
