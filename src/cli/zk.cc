// `synod zk ls|get|set|create|rm|stat|watch|config|reconfig`: a small ZooKeeper client.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>

#include "base/nearest.h"
#include "cli/cluster_view.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/session.h"
#include "cli/zk_session.h"
#include "http/json.h"
#include "zkclient/client.h"

namespace synod::cli {
namespace {

using http::Json;
using zkclient::Answer;

// Longer than this to get a connection is worth a word.
constexpr Duration connect_told_after = Duration::millis(40);

// For how long a session is asked to live between commands.
constexpr Duration kept_for = Duration::seconds(30);

struct ZkFlags {
  TargetOptions target;
  Duration timeout = Duration::seconds(10);
  bool create_parents = false;
  bool ephemeral = false;
  bool sequential = false;
  bool recursive = false;
  std::int64_t version = -1;
  std::string auth;  // scheme:text
  // reconfig
  std::string add;
  std::string remove;
  std::string members;
  std::string from;
  std::vector<std::string> words;
};

// One connection, one verb.
class ZkCommand {
 public:
  ZkCommand(Session& session, const ZkFlags& flags, const Target& target)
      : session_(session), flags_(flags), target_(target) {}

  int run(const std::string& verb);

 private:
  std::optional<Error> connect();
  bool may_keep() const;
  void tell_connected();
  // Closes the session, or keeps it for the next command.
  void leave();
  // Turns until `*done`; false after --timeout or Ctrl-C.
  bool turn_until(const std::function<bool()>& done, Duration timeout);
  // Waits for the answer of a request.
  template <typename T>
  Result<T> await(const std::function<void(zkclient::Done<T>)>& request);
  int told(const Error& error) const;
  bool json() const { return flags_.target.output == "json"; }
  std::string path() const {
    return flags_.words.size() < 2 ? "/zookeeper/config" : flags_.words[1];
  }
  // The data of `set` and `create`; "-" reads standard input.
  Bytes data_from(std::size_t word) const;

  int list();
  int get();
  int set();
  int create();
  int remove();
  int stat();
  int watch();
  int config();
  int reconfig();
  Result<void> remove_tree(const std::string& path);
  Result<void> make_parents(const std::string& path);

  Session& session_;
  const ZkFlags& flags_;
  const Target& target_;
  std::unique_ptr<zkclient::Client> client_;
  std::optional<KeptSession> kept_;  // by an earlier command
  Duration connect_took_;
  bool told_connected_ = false;
};

Json to_json(const zkwire::Stat& s) {
  return Json::object({{"czxid", s.czxid},
                       {"mzxid", s.mzxid},
                       {"pzxid", s.pzxid},
                       {"ctime", s.ctime},
                       {"mtime", s.mtime},
                       {"version", s.version},
                       {"cversion", s.cversion},
                       {"aversion", s.aversion},
                       {"ephemeralOwner", s.ephemeral_owner},
                       {"dataLength", s.data_length},
                       {"numChildren", s.num_children}});
}

Error to_error(const zkclient::Failure& failure, const std::string& path) {
  switch (failure.code) {
    case zkwire::Code::no_node: return {ErrorCode::not_found, "no node " + path};
    case zkwire::Code::node_exists: return {ErrorCode::already_exists, path + " exists already"};
    case zkwire::Code::not_empty:
      return {ErrorCode::invalid_argument, path + " has children; -r removes them too"};
    case zkwire::Code::bad_version:
      return {ErrorCode::internal, path + " has another version than --version says"};
    case zkwire::Code::connection_loss:
    case zkwire::Code::operation_timeout:
      return {ErrorCode::unreachable, zkclient::to_string(failure)};
    case zkwire::Code::reconfig_disabled:
      return {ErrorCode::internal, "the servers' zoo.cfg does not say reconfigEnabled=true"};
    case zkwire::Code::unimplemented:
      return {ErrorCode::internal,
              path +
                  ": not known to a server of the ensemble (one of an older release? its log "
                  "says more)"};
    case zkwire::Code::new_config_no_quorum:
      return {ErrorCode::internal,
              "no quorum of the new members is connected and has caught up: are the joiners "
              "running, with a zoo.cfg that lists the present servers and themselves?"};
    case zkwire::Code::reconfig_in_progress:
      return {ErrorCode::internal, "another change of members is under way"};
    default: return {ErrorCode::internal, path + ": " + zkclient::to_string(failure)};
  }
}

bool ZkCommand::turn_until(const std::function<bool()>& done, Duration timeout) {
  const Instant deadline = session_.lane().now() + timeout;
  while (!done()) {
    if (session_.lane().now() >= deadline || !session_.wait(Duration::millis(2))) {
      return done();
    }
  }
  return true;
}

template <typename T>
Result<T> ZkCommand::await(const std::function<void(zkclient::Done<T>)>& request) {
  // Shared with the callback, which may come after we gave up.
  auto answer = std::make_shared<std::optional<Answer<T>>>();
  request([answer](Answer<T> a) { answer->emplace(std::move(a)); });
  if (!turn_until([&] { return answer->has_value(); }, flags_.timeout)) {
    return Error{ErrorCode::timed_out,
                 fmt::format("no answer within {} ms; outcome unknown", flags_.timeout.millis())};
  }
  if (!(*answer)->ok()) {
    return to_error((*answer)->error(), path());
  }
  if constexpr (std::is_void_v<T>) {
    return {};
  } else {
    return std::move((*answer)->value());
  }
}

// Whether the session may serve the next command too: ephemeral nodes and watches are this one's.
bool ZkCommand::may_keep() const {
  return target_.file.has_value() && !flags_.ephemeral && flags_.auth.empty() &&
         flags_.words.front() != "watch";
}

std::optional<Error> ZkCommand::connect() {
  zkclient::ClientOptions options;
  std::string servers;
  for (const std::string& address : target_.coordinators) {
    servers += (servers.empty() ? "" : ",") + address;
  }
  const auto connect = zkclient::parse_connect_string(servers);
  if (!connect.ok()) {
    return Error{ErrorCode::invalid_argument,
                 "no coordinators are known; name them by --zk zk://host:port,..."};
  }
  options.connect = *connect;
  if (!flags_.auth.empty()) {
    const std::size_t colon = std::min(flags_.auth.find(':'), flags_.auth.size());
    options.auth.push_back({flags_.auth.substr(0, colon),
                            flags_.auth.substr(std::min(colon + 1, flags_.auth.size()))});
  }
  options.dialling = zkclient::Dialling::all_at_once;
  if (may_keep()) {
    options.session_timeout = kept_for;
  }
  if (may_keep()) {
    kept_ = take_session(target_.directory, session_.lane().wall());
  }
  if (kept_) {
    options.attach = kept_->credentials;
  }
  const Instant started = session_.lane().now();
  const auto settled = [&] {
    const zkclient::State state = client_->state();
    return state == zkclient::State::connected || state == zkclient::State::expired;
  };
  const auto begin = [&] {
    client_ = std::make_unique<zkclient::Client>(session_.lane(), session_.machine().network(),
                                                 options, [](zkclient::State) {});
    return turn_until(settled, flags_.timeout);
  };
  bool done = begin();
  if (done && client_->state() == zkclient::State::expired) {
    kept_.reset();
    options.attach.reset();
    done = begin();
  }
  if (!done || client_->state() != zkclient::State::connected) {
    return Error{ErrorCode::unreachable, fmt::format("no coordinator of {} answers within {} ms",
                                                     servers, flags_.timeout.millis())};
  }
  connect_took_ = session_.lane().now() - started;
  const bool server_gone = kept_ && !session_.machine().processes().alive(kept_->process);
  if (connect_took_ >= connect_told_after || server_gone) {
    tell_connected();
  }
  return std::nullopt;
}

// Worth a word: what took long, and a session that outlived its server or the leader.
void ZkCommand::tell_connected() {
  const std::string server = name_of(target_, client_->server());
  const auto took = static_cast<long long>(connect_took_.millis());
  if (kept_) {
    std::fprintf(stderr, "reconnected to %s after %lld ms; session kept\n", server.c_str(), took);
  } else {
    std::fprintf(stderr, "connected to %s after %lld ms\n", server.c_str(), took);
  }
  told_connected_ = true;
}

void ZkCommand::leave() {
  if (!may_keep() || client_->state() != zkclient::State::connected) {
    bool closed = false;
    client_->close([&](const Answer<void>&) { closed = true; });
    turn_until([&] { return closed; }, Duration::seconds(1));
    return;
  }
  KeptSession next;
  next.credentials = client_->credentials();
  next.server = client_->server();
  next.zxid = std::max(client_->last_zxid(), kept_ ? kept_->zxid : Zxid());
  if (const ClusterProcess* process = target_.file->find(next.server)) {
    next.process = process->process;
  }
  next.timeout = client_->session_timeout();
  next.used_at = session_.lane().wall();
  keep_session(target_.directory, next);
}

int ZkCommand::told(const Error& error) const { return fail("zk", error); }

Bytes ZkCommand::data_from(std::size_t word) const {
  if (word >= flags_.words.size()) {
    return "";
  }
  if (flags_.words[word] != "-") {
    return flags_.words[word];
  }
  Bytes data;
  char piece[4096];
  for (std::size_t n = 0; (n = std::fread(piece, 1, sizeof(piece), stdin)) > 0;) {
    data.append(piece, n);
  }
  return data;
}

int ZkCommand::list() {
  auto children = await<zkclient::Children>(
      [&](auto done) { client_->get_children(path(), nullptr, std::move(done)); });
  if (!children.ok()) {
    return told(children.error());
  }
  std::sort(children->names.begin(), children->names.end());
  Json names = Json::array();
  for (const std::string& name : children->names) {
    names.push(name);
    if (!json()) {
      std::printf("%s\n", name.c_str());
    }
  }
  if (json()) {
    std::printf("%s\n", http::to_string(names).c_str());
  }
  return exit_success;
}

int ZkCommand::get() {
  const auto data = await<zkclient::Data>(
      [&](auto done) { client_->get_data(path(), nullptr, std::move(done)); });
  if (!data.ok()) {
    return told(data.error());
  }
  if (json()) {
    std::printf(
        "%s\n",
        http::to_string(
            Json::object({{"path", path()}, {"data", data->data}, {"stat", to_json(data->stat)}}))
            .c_str());
    return exit_success;
  }
  std::fwrite(data->data.data(), 1, data->data.size(), stdout);
  if (data->data.empty() || data->data.back() != '\n') {
    std::fputc('\n', stdout);
  }
  return exit_success;
}

Result<void> ZkCommand::make_parents(const std::string& child) {
  const std::string parent = child.substr(0, child.rfind('/'));
  if (parent.empty()) {
    return {};
  }
  return await<void>([&](auto done) { client_->create_path(parent, std::move(done)); });
}

int ZkCommand::set() {
  if (flags_.words.size() != 3) {
    return fail("zk", Error{ErrorCode::invalid_argument, "set what, and to what?"},
                "synod zk set [-c] /path data");
  }
  const Bytes data = data_from(2);
  const auto version = static_cast<std::int32_t>(flags_.version);
  auto done_set = await<zkwire::Stat>(
      [&](auto done) { client_->set_data(path(), data, version, std::move(done)); });
  if (!done_set.ok() && done_set.error().code == ErrorCode::not_found && flags_.create_parents) {
    if (const auto made = make_parents(path()); !made.ok()) {
      return told(made.error());
    }
    const auto created = await<zkclient::Created>([&](auto done) {
      client_->create(path(), data, zkclient::CreateMode::persistent, std::move(done));
    });
    return created.ok() ? exit_success : told(created.error());
  }
  if (!done_set.ok()) {
    return fail(
        "zk", done_set.error(),
        done_set.error().code == ErrorCode::not_found ? "synod zk set -c " + path() + " ..." : "");
  }
  return exit_success;
}

int ZkCommand::create() {
  zkclient::CreateMode mode = zkclient::CreateMode::persistent;
  if (flags_.ephemeral) {
    mode = flags_.sequential ? zkclient::CreateMode::ephemeral_sequential
                             : zkclient::CreateMode::ephemeral;
  } else if (flags_.sequential) {
    mode = zkclient::CreateMode::persistent_sequential;
  }
  if (flags_.create_parents) {
    if (const auto made = make_parents(path()); !made.ok()) {
      return told(made.error());
    }
  }
  const auto created = await<zkclient::Created>(
      [&](auto done) { client_->create(path(), data_from(2), mode, std::move(done)); });
  if (!created.ok()) {
    return told(created.error());
  }
  std::printf("%s\n", created->path.c_str());
  std::fflush(stdout);
  if (flags_.ephemeral) {
    std::fprintf(stderr, "it lives as long as this command: Ctrl-C ends both\n");
    session_.machine().run();
  }
  return exit_success;
}

// Children first. Depth is bounded by the length of paths, which the protocol bounds.
Result<void> ZkCommand::remove_tree(const std::string& root) {
  std::vector<std::string> all = {root};
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string parent = all[i];
    SYNOD_TRY_ASSIGN(const auto children, await<zkclient::Children>([&](auto done) {
                       client_->get_children(parent, nullptr, std::move(done));
                     }));
    for (const std::string& name : children.names) {
      all.push_back((parent == "/" ? "" : parent) + "/" + name);
    }
  }
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    SYNOD_TRY(await<void>([&](auto done) { client_->remove(*it, -1, std::move(done)); }));
  }
  return {};
}

int ZkCommand::remove() {
  const auto removed = flags_.recursive ? remove_tree(path()) : await<void>([&](auto done) {
    client_->remove(path(), static_cast<std::int32_t>(flags_.version), std::move(done));
  });
  return removed.ok() ? exit_success : told(removed.error());
}

int ZkCommand::stat() {
  const auto found = await<std::optional<zkwire::Stat>>(
      [&](auto done) { client_->exists(path(), nullptr, std::move(done)); });
  if (!found.ok()) {
    return told(found.error());
  }
  if (!found->has_value()) {
    return told(Error{ErrorCode::not_found, "no node " + path()});
  }
  const Json stat = to_json(**found);
  if (json()) {
    std::printf("%s\n", http::to_string(stat).c_str());
    return exit_success;
  }
  for (const auto& [name, value] : stat.members()) {
    const bool hex = name.ends_with("zxid") || name == "ephemeralOwner";
    std::printf("%-15s %s\n", name.c_str(),
                hex ? fmt::format("0x{:x}", value.as_int()).c_str()
                    : std::to_string(value.as_int()).c_str());
  }
  return exit_success;
}

// The text ends without a newline, as ZooKeeper's does.
int ZkCommand::config() {
  const auto synced = await<void>([&](auto done) { client_->sync(path(), std::move(done)); });
  return synced.ok() ? get() : told(synced.error());
}

int ZkCommand::reconfig() {
  constexpr int base = 16;
  const std::int64_t from =
      flags_.from.empty() ? -1 : std::strtoll(flags_.from.c_str(), nullptr, base);
  const auto changed = await<zkclient::Data>([&](auto done) {
    client_->reconfig(flags_.add, flags_.remove, flags_.members, from, std::move(done));
  });
  if (!changed.ok()) {
    return told(changed.error());
  }
  std::printf("%s\n", changed->data.c_str());
  return exit_success;
}

const char* word_for(zkwire::EventType type) {
  switch (type) {
    case zkwire::EventType::node_created: return "created";
    case zkwire::EventType::node_deleted: return "deleted";
    case zkwire::EventType::node_data_changed: return "data changed";
    case zkwire::EventType::node_children_changed: return "children changed";
    default: return "connection changed";
  }
}

// Prints every change of the node and its children until Ctrl-C.
int ZkCommand::watch() {
  bool armed = false;
  bool armed_children = false;
  const auto told_event = [&](const zkwire::WatcherEvent& event, bool* flag) {
    std::printf("%s %s\n", event.path.c_str(), word_for(event.type));
    std::fflush(stdout);
    *flag = false;
  };
  std::fprintf(stderr, "watching %s; Ctrl-C ends it\n", path().c_str());
  do {
    if (!armed) {
      armed = true;
      client_->exists(
          path(),
          [&](const zkwire::WatcherEvent& event) {
            told_event(event, &armed);
            // A node that was not there had no children to watch.
            armed_children = armed_children && event.type != zkwire::EventType::node_created;
          },
          [](const Answer<std::optional<zkwire::Stat>>&) {});
    }
    if (!armed_children) {
      armed_children = true;
      client_->get_children(
          path(),
          [&](const zkwire::WatcherEvent& event) {
            armed_children = false;
            if (event.type == zkwire::EventType::node_children_changed) {
              told_event(event, &armed_children);
            }
          },
          [](const Answer<zkclient::Children>&) {});
    }
    if (client_->state() == zkclient::State::expired) {
      return told(Error{ErrorCode::unreachable, "the session expired"});
    }
  } while (session_.wait(Duration::millis(20)));
  return exit_success;
}

struct Verb {
  const char* name;
  int (ZkCommand::*run)();
};

int ZkCommand::run(const std::string& verb) {
  if (const auto error = connect()) {
    return told(*error);
  }
  static constexpr Verb verbs[] = {
      {"ls", &ZkCommand::list},          {"get", &ZkCommand::get},
      {"set", &ZkCommand::set},          {"create", &ZkCommand::create},
      {"rm", &ZkCommand::remove},        {"stat", &ZkCommand::stat},
      {"watch", &ZkCommand::watch},      {"config", &ZkCommand::config},
      {"reconfig", &ZkCommand::reconfig}};
  int code = exit_usage;
  for (const Verb& candidate : verbs) {
    if (verb == candidate.name) {
      code = (this->*candidate.run)();
    }
  }
  // The high half of a zxid names the leader's time in office.
  constexpr int epoch_shift = 32;
  if (kept_ && !told_connected_ &&
      client_->last_zxid().value() >> epoch_shift > kept_->zxid.value() >> epoch_shift) {
    tell_connected();
  }
  leave();
  return code;
}

// What can be told wrong before any server is asked; nullopt if nothing is.
std::optional<int> usage_error(const std::vector<std::string>& words) {
  static const std::vector<std::string> verbs = {"ls",   "get",   "set",    "create",  "rm",
                                                 "stat", "watch", "config", "reconfig"};
  const std::string forms =
      "synod zk ls|get|set|create|rm|stat|watch /path, synod zk config|reconfig";
  if (words.empty()) {
    return fail("zk", Error{ErrorCode::invalid_argument, "what?"}, forms);
  }
  const std::string& verb = words.front();
  if (std::find(verbs.begin(), verbs.end(), verb) == verbs.end()) {
    const auto suggestion = nearest(verb, verbs);
    const std::string hint = suggestion ? "; did you mean \"" + *suggestion + "\"?" : "";
    return fail("zk", Error{ErrorCode::invalid_argument, "unknown verb \"" + verb + "\"" + hint},
                forms);
  }
  if (verb == "config" || verb == "reconfig") {
    return words.size() == 1
               ? std::nullopt
               : std::optional(fail("zk",
                                    Error{ErrorCode::invalid_argument, verb + " takes no path"},
                                    "synod zk " + verb));
  }
  if (words.size() < 2 || !words[1].starts_with('/')) {
    return fail("zk", Error{ErrorCode::invalid_argument, "give a path that begins with /"},
                "synod zk " + verb + " /path");
  }
  return std::nullopt;
}

}  // namespace

int zk_main(const std::vector<std::string>& arguments) {
  ZkFlags zk;
  Flags flags("zk",
              "a small ZooKeeper client: ls, get, set, create, rm, stat, watch, config, reconfig");
  add_target_flags(flags, &zk.target);
  flags.duration("timeout", &zk.timeout, "how long to wait for an answer");
  flags.toggle("parents,-c", &zk.create_parents, "set, create: make what is missing");
  flags.toggle("ephemeral,-e", &zk.ephemeral, "create: for as long as this command runs");
  flags.toggle("sequential,-s", &zk.sequential, "create: with the next number");
  flags.toggle("recursive,-r", &zk.recursive, "rm: children too");
  flags.number("version", &zk.version, "set, rm: only if it has this version");
  flags.text("auth", &zk.auth, "scheme:text, as digest:user:password");
  flags.text("add", &zk.add, "reconfig: server.N=host:port:electionPort[:role];clientPort,...");
  flags.text("remove", &zk.remove, "reconfig: servers that leave: 3,4");
  flags.text("members", &zk.members, "reconfig: all lines of the new configuration, by commas");
  flags.text("from", &zk.from, "reconfig: only if this is the present version (hexadecimal)");
  flags.rest("VERB", &zk.words, "VERB PATH [DATA]; data \"-\" is read from standard input");
  if (const auto exit = flags.parse(arguments)) {
    return *exit;
  }
  if (const auto error = usage_error(zk.words)) {
    return *error;
  }
  Session session;
  const auto target = find_target(session, zk.target);
  if (!target.ok()) {
    return fail("zk", target.error());
  }
  if (target->file && !may_recover(session, *target)) {
    const bool any = std::any_of(
        target->file->processes.begin(), target->file->processes.end(),
        [&](const ClusterProcess& p) { return session.machine().processes().alive(p.process); });
    if (!any) {
      return fail("zk", Error{ErrorCode::unreachable, "nothing runs in " + target->directory +
                                                          "; start it with `synod up`"});
    }
  }
  return ZkCommand(session, zk, *target).run(zk.words.front());
}

}  // namespace synod::cli
