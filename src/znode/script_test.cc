// Text scripts over one State and one WatchTable (testdata/*.txt).
//
//   session NAME [timeout=MS]      makes a session; names stand for ids from 0x1000001
//   identity NAME scheme:id        what its connection has proved
//   create|create2|container|ttl NAME PATH [data= flags= ttl= acl=perms:scheme:id,...]
//   delete|check|set|setacl NAME PATH [version= data= acl=]
//   multi NAME op:path[:argument] ...    create, ephemeral, sequential, create2, delete, set, check
//   close|attach|expire NAME       [seq= gen= nonce=] on any write replace what would be sent
//   exists|get|ls|ls2|getacl|count|ephemerals NAME PATH
//   watch NAME data|child|persistent|recursive PATH;  unwatch NAME children|data|any|... PATH
//   settings KEY VALUE
//   time MS;  epoch;  switch NAME on|off;  raw NAME code (a write that fails with the code)
//   verify                         check(), and snapshot -> load -> snapshot is the same
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "test/script/script.h"
#include "znode/reads.h"
#include "znode/state.h"
#include "znode/watch_table.h"

namespace synod::znode {
namespace {

using zkwire::Code;
using zkwire::OpCode;

std::string show(const zkwire::Stat& s) {
  return fmt::format(
      "czxid={:x} mzxid={:x} pzxid={:x} ctime={} mtime={} v={} cv={} av={} owner={:x} len={} "
      "children={}",
      s.czxid, s.mzxid, s.pzxid, s.ctime, s.mtime, s.version, s.cversion, s.aversion,
      s.ephemeral_owner, s.data_length, s.num_children);
}

std::string show(const zkwire::Buffer& data) {
  return data.has_value() ? "'" + *data + "'" : "null";
}

std::string join(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) {
    all += (all.empty() ? "" : ",") + name;
  }
  return "[" + all + "]";
}

std::string show(const zkwire::AclList& acl) {
  std::vector<std::string> entries;
  for (const zkwire::Acl& e : acl) {
    entries.push_back(fmt::format("{}:{}:{}", e.perms, e.id.scheme, e.id.id));
  }
  return join(entries);
}

std::string show(const zkwire::MultiResult& r) {
  if (r.type == OpCode::error) {
    return fmt::format("error({})", zkwire::to_string(r.code));
  }
  std::string text = zkwire::to_string(r.type);
  text += r.path.empty() ? "" : " " + r.path;
  const bool with_stat = r.type == OpCode::create2 || r.type == OpCode::set_data;
  return text + (with_stat ? fmt::format(" v={} czxid={:x}", r.stat.version, r.stat.czxid) : "");
}

struct ShowReply {
  std::string operator()(const zkwire::EmptyReply&) const { return ""; }
  std::string operator()(const zkwire::PathReply& r) const { return " " + r.path; }
  std::string operator()(const zkwire::PathStatReply& r) const {
    return " " + r.path + " " + show(r.stat);
  }
  std::string operator()(const zkwire::StatReply& r) const { return " " + show(r.stat); }
  std::string operator()(const zkwire::DataReply& r) const {
    return " " + show(r.data) + " " + show(r.stat);
  }
  std::string operator()(const zkwire::AclReply& r) const {
    return fmt::format(" {} av={}", show(r.acl), r.stat.aversion);
  }
  std::string operator()(const zkwire::ChildrenReply& r) const { return " " + join(r.children); }
  std::string operator()(const zkwire::ChildrenStatReply& r) const {
    return " " + join(r.children) + " " + show(r.stat);
  }
  std::string operator()(const zkwire::NumberReply& r) const {
    return fmt::format(" {}", r.number);
  }
  std::string operator()(const zkwire::WhoAmIReply&) const { return ""; }
  std::string operator()(const zkwire::SaslReply&) const { return ""; }
  std::string operator()(const zkwire::MultiReply& r) const {
    std::string text;
    for (const zkwire::MultiResult& result : r.results) {
      text += "\n  " + show(result);
    }
    return text;
  }
};

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::size_t at = 0;
  for (;;) {
    const std::size_t end = text.find(by, at);
    parts.push_back(text.substr(at, end - at));
    if (end == std::string::npos) {
      return parts;
    }
    at = end + 1;
  }
}

const char* name_of(zkwire::EventType type) {
  switch (type) {
    case zkwire::EventType::node_created: return "NodeCreated";
    case zkwire::EventType::node_deleted: return "NodeDeleted";
    case zkwire::EventType::node_data_changed: return "NodeDataChanged";
    case zkwire::EventType::node_children_changed: return "NodeChildrenChanged";
    default: return "None";
  }
}

const char* name_of(Outcome::Kind kind) {
  static constexpr const char* names[] = {"applied", "repeat", "moved", "gap", "stale", "ignored"};
  return names[static_cast<std::size_t>(kind)];
}

struct Client {
  SessionId id;
  Generation generation{1};
  Sequence next{1};
  Identities identities;
};

class Conversation final : public script::Handler {
 public:
  std::string run(const script::Command& c) override {
    const std::string& verb = c.verb();
    if (verb == "time") {
      header_.time.millis = std::stoll(c.word(0));
      return "";
    }
    if (verb == "switch") {
      return set_switch(c);
    }
    if (verb == "epoch") {
      return write(Command{{}, {}, {}, {}, OpenEpoch{}});
    }
    if (verb == "settings") {
      return write(Command{{}, {}, {}, {}, UpdateSettings{{{c.word(0), c.word(1)}}}});
    }
    if (verb == "verify") {
      return verify();
    }
    if (verb == "container_due") {
      return write(Command{{}, {}, {}, {}, DeleteContainer{c.word(0)}});
    }
    if (verb == "session") {
      Client& client = clients_[c.word(0)];
      client.id = SessionId(c.number("id", static_cast<std::int64_t>(0x1000000 + clients_.size())));
      CreateSession request{7, static_cast<std::int32_t>(c.number("timeout", 4000)), Bytes(16, 'p'),
                            static_cast<std::uint64_t>(c.number("nonce", 1))};
      return write(Command{client.id, {}, {}, {}, std::move(request)});
    }
    const auto found = clients_.find(c.word(0));
    if (found == clients_.end()) {
      return "no such session: " + c.word(0) + "\n";
    }
    return run_for(c, found->second);
  }

 private:
  std::string run_for(const script::Command& c, Client& client) {
    const std::string& verb = c.verb();
    if (verb == "identity") {
      const std::size_t colon = c.word(1).find(':');
      client.identities.push_back({c.word(1).substr(0, colon), c.word(1).substr(colon + 1)});
      return "";
    }
    if (verb == "attach") {
      Command command{client.id,
                      {},
                      {},
                      {},
                      AttachSession{c.text("password", std::string(16, 'p')), 5000, next_nonce(c)}};
      const std::string said = write(command);
      client.generation = outcome_.generation;
      client.next = Sequence(1);
      return said;
    }
    if (verb == "expire") {
      const auto generation =
          Generation(static_cast<std::uint32_t>(c.number("gen", client.generation.value())));
      return write(Command{client.id, {}, {}, {}, ExpireSession{generation}});
    }
    if (verb == "watch" || verb == "unwatch") {
      return watch(c, client);
    }
    std::string said;
    if (read(c, client, said)) {
      return said;
    }
    CommandRequest request = NoOp{};
    if (!build(c, request)) {
      return "unknown verb: " + verb + "\n";
    }
    Command command{client.id, client.generation, client.next, client.identities,
                    std::move(request)};
    if (c.has("seq")) {
      command.sequence = Sequence(static_cast<std::uint64_t>(c.number("seq", 0)));
    } else {
      client.next = client.next.next();
    }
    if (c.has("gen")) {
      command.generation = Generation(static_cast<std::uint32_t>(c.number("gen", 0)));
    }
    return write(command);
  }

  std::string write(const Command& command) {
    // As the log does: what is applied went through bytes.
    const Bytes bytes = encode_batch(header_, {encode_command(command)});
    const Result<Batch> batch = decode_batch(bytes);
    EXPECT_TRUE(batch.ok());
    const Effects effects = state_.apply(batch->header, batch->commands.front());
    outcome_ = effects.outcome;
    std::string text = name_of(outcome_.kind);
    if (outcome_.kind == Outcome::Kind::applied) {
      text = zkwire::to_string(outcome_.code);
    } else if (outcome_.code != Code::ok) {
      text += fmt::format(" {}", zkwire::to_string(outcome_.code));
    }
    text += fmt::format(" zxid={:x}", outcome_.zxid.value());
    if (outcome_.kind == Outcome::Kind::gap) {
      text += fmt::format(" wanted={}", outcome_.wanted.value());
    }
    if (outcome_.generation.value() != 0) {
      text += fmt::format(" generation={} timeout={}", outcome_.generation.value(),
                          outcome_.timeout_ms);
    }
    text += std::visit(ShowReply{}, outcome_.reply) + "\n";
    for (const Trigger& t : effects.triggers) {
      for (const Watcher& watcher : watches_.fire(t.type, t.path)) {
        text += fmt::format("  {} <- {} {}\n", watcher_name(watcher), name_of(t.type), t.path);
      }
    }
    for (const SessionEffect& e : effects.sessions) {
      static constexpr const char* names[] = {"created", "attached", "closed", "expired"};
      text += fmt::format("  session {:x} {}\n", e.session.value(),
                          names[static_cast<std::size_t>(e.kind)]);
    }
    return text;
  }

  bool read(const script::Command& c, const Client& client, std::string& said) {
    const std::string& verb = c.verb();
    const Reader reader{client.identities, header_.switches};
    ReadResult result;
    if (verb == "exists") {
      result = read_exists(state_, c.word(1), reader);
    } else if (verb == "get") {
      result = read_data(state_, c.word(1), reader);
    } else if (verb == "ls") {
      result = read_children(state_, c.word(1), reader);
    } else if (verb == "ls2") {
      result = read_children2(state_, c.word(1), reader);
    } else if (verb == "getacl") {
      result = read_acl(state_, c.word(1), reader);
    } else if (verb == "count") {
      result = read_all_children_number(state_, c.word(1), reader);
    } else if (verb == "ephemerals") {
      result = read_ephemerals(state_, client.id, c.text("prefix"));
    } else {
      return false;
    }
    said = zkwire::to_string(result.code) + std::visit(ShowReply{}, result.reply) + "\n";
    return true;
  }

  static zkwire::AclList acl_of(const script::Command& c) {
    zkwire::AclList acl;
    if (!c.has("acl")) {
      return zkwire::open_acl();
    }
    for (const std::string& entry : split(c.text("acl"), ',')) {
      const std::vector<std::string> parts = split(entry, ':');
      if (parts.size() < 3) {
        continue;
      }
      std::string id = parts[2];
      for (std::size_t i = 3; i < parts.size(); ++i) {
        id += ":" + parts[i];
      }
      acl.push_back({std::stoi(parts[0]), {parts[1], id}});
    }
    return acl;
  }

  static zkwire::CreateRequest create_of(const script::Command& c) {
    zkwire::CreateRequest r;
    r.path = c.word(1);
    if (c.has("data")) {
      r.data = c.text("data");
    }
    r.acl = acl_of(c);
    r.flags = static_cast<std::int32_t>(c.number("flags", 0));
    r.ttl_ms = c.number("ttl", -1);
    return r;
  }

  static bool build(const script::Command& c, CommandRequest& out) {
    const std::string& verb = c.verb();
    const auto version = static_cast<std::int32_t>(c.number("version", -1));
    static const std::map<std::string, OpCode> creates = {{"create", OpCode::create},
                                                          {"create2", OpCode::create2},
                                                          {"container", OpCode::create_container},
                                                          {"ttl", OpCode::create_ttl}};
    const auto create = creates.find(verb);
    if (create != creates.end()) {
      out = ClientWrite{create->second, create_of(c)};
    } else if (verb == "delete") {
      out = ClientWrite{OpCode::remove, zkwire::PathVersionRequest{c.word(1), version}};
    } else if (verb == "set") {
      zkwire::SetDataRequest r{c.word(1), std::nullopt, version};
      if (c.has("data")) {
        r.data = c.text("data");
      }
      out = ClientWrite{OpCode::set_data, r};
    } else if (verb == "setacl") {
      out = ClientWrite{OpCode::set_acl, zkwire::SetAclRequest{c.word(1), acl_of(c), version}};
    } else if (verb == "multi") {
      out = ClientWrite{OpCode::multi, multi_of(c)};
    } else if (verb == "close") {
      out = CloseSession{};
    } else if (verb == "raw") {
      out = FailWrite{static_cast<Code>(std::stoi(c.word(1)))};
    } else {
      return false;
    }
    return true;
  }

  static zkwire::MultiRequest multi_of(const script::Command& c) {
    zkwire::MultiRequest multi;
    for (std::size_t i = 2; i < c.words.size(); ++i) {
      const std::vector<std::string> p = split(c.words[i], ':');
      const std::string argument = p.size() > 2 ? p[2] : "";
      const std::int32_t version = argument.empty() ? -1 : std::atoi(argument.c_str());
      static const std::map<std::string, std::pair<OpCode, std::int32_t>> creates = {
          {"create", {OpCode::create, 0}},
          {"ephemeral", {OpCode::create, 1}},
          {"sequential", {OpCode::create, 2}},
          {"create2", {OpCode::create2, 0}},
          {"container", {OpCode::create, 4}}};
      const auto create = creates.find(p[0]);
      if (create != creates.end()) {
        multi.parts.push_back(
            {create->second.first, zkwire::CreateRequest{p[1], Bytes(argument), zkwire::open_acl(),
                                                         create->second.second, -1}});
      } else if (p[0] == "set") {
        multi.parts.push_back(
            {OpCode::set_data, zkwire::SetDataRequest{p[1], Bytes(argument), -1}});
      } else {
        multi.parts.push_back({p[0] == "delete" ? OpCode::remove : OpCode::check,
                               zkwire::PathVersionRequest{p[1], version}});
      }
    }
    return multi;
  }

  std::string watch(const script::Command& c, const Client& client) {
    const Watcher watcher(static_cast<std::uint64_t>(client.id.value()));
    if (c.verb() == "watch") {
      static const std::map<std::string, WatchTable::Kind> kinds = {
          {"data", WatchTable::Kind::data},
          {"child", WatchTable::Kind::child},
          {"persistent", WatchTable::Kind::persistent},
          {"recursive", WatchTable::Kind::persistent_recursive}};
      watches_.add(kinds.at(c.word(1)), c.word(2), watcher);
      return "";
    }
    static const std::map<std::string, WatchTable::Type> types = {
        {"children", WatchTable::Type::children},
        {"data", WatchTable::Type::data},
        {"any", WatchTable::Type::any},
        {"persistent", WatchTable::Type::persistent},
        {"recursive", WatchTable::Type::persistent_recursive}};
    const bool held = watches_.contains(types.at(c.word(1)), c.word(2), watcher);
    const bool removed = watches_.remove(types.at(c.word(1)), c.word(2), watcher);
    return fmt::format("{}{} left={}\n", removed ? "OK" : "NOWATCHER",
                       held == removed ? "" : " (contains differs)", watches_.count());
  }

  std::string set_switch(const script::Command& c) {
    Switches& s = header_.switches;
    const std::map<std::string, bool*> fields = {{"skip_acl", &s.skip_acl},
                                                 {"extended_types", &s.extended_types},
                                                 {"digest", &s.scheme_digest}};
    *fields.at(c.word(0)) = c.word(1) == "on";
    return "";
  }

  std::string verify() {
    const std::string wrong = state_.check();
    const Bytes bytes = state_.snapshot();
    Result<State> loaded = State::load(bytes);
    if (!loaded.ok()) {
      return to_string(loaded.error()) + "\n";
    }
    const bool same = loaded->snapshot() == bytes && loaded->digest() == state_.digest();
    const Counts n = state_.counts();
    return fmt::format("{}{} nodes={} ephemerals={} sessions={} watches={}\n",
                       wrong.empty() ? "good" : wrong, same ? "" : ", snapshot differs", n.nodes,
                       n.ephemerals, n.sessions, watches_.count());
  }

  std::uint64_t next_nonce(const script::Command& c) {
    return static_cast<std::uint64_t>(c.number("nonce", static_cast<std::int64_t>(++nonce_)));
  }

  std::string watcher_name(Watcher watcher) const {
    for (const auto& [name, client] : clients_) {
      if (client.id.value() == static_cast<std::int64_t>(watcher.value())) {
        return name;
      }
    }
    return "?";
  }

  State state_;
  WatchTable watches_;
  BatchHeader header_{WallTime{1000}, RulesVersion(1), {}};
  std::map<std::string, Client> clients_;
  Outcome outcome_;
  std::uint64_t nonce_ = 100;
};

TEST(Scripts, AllAgree) {
  script::run_scripts(std::string(SYNOD_SOURCE_DIR) + "/testdata",
                      [] { return std::make_unique<Conversation>(); });
}

}  // namespace
}  // namespace synod::znode
