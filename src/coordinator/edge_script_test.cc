// Text scripts over one Edge (testdata/edge/*.txt), with an engine that applies at once or when
// told.
//
//   connect NAME [session=OTHER] [timeout=MS] [zxid=N] [password=wrong] [host=IP] [old]
//   word NAME four        raw NAME hex        eof NAME        reads NAME on|off (takes its output)
//   auth NAME scheme data
//   create|delete|set|exists|get|ls|sync|ping|close|add_watch|remove_watch|whoami|set_watches|opcode
//            NAME [PATH] [data=] [flags=] [watch] [xid=] [acl=] [number=]
//   engine hold|go|lose|renew|gap    what happens to writes that were submitted
//   edge linearizable              another one, with that option, or
//   edge limit BYTES               with that limit of the state;  edge drain
//   expire NAME;  serving on|off;  after MS;  snapshot
// Every command prints what clients received and which connections ended.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "coordinator/edge.h"
#include "coordinator/edge_world_test.h"
#include "test/script/script.h"
#include "zkwire/frame.h"

namespace synod::coordinator {
namespace {

using zkwire::OpCode;

class Conversation final : public script::Handler {
 public:
  Conversation() : shared_(gate_, 1) {
    shared_.view.serving = true;
    shared_.view.role = paxos::Role::leader;
    shared_.view.voters = 3;
    options_.session_timeout_ms_min = 4000;
    options_.session_timeout_ms_max = 40000;
    options_.requests_outstanding_max = 5;
    options_.connections_per_address_max = 4;
    options_.connection_buffer_bytes_max = 2000;
    options_.events_unread_bytes_max = 3000;
    options_.four_letter_words = {"ruok", "stat", "mntr", "isro", "wchs", "wchc", "conf"};
    options_.super_digest = "super:D/InIHSb7yEEbrWz8b9l71RjZJU=";
    options_.configuration = {{"clientPort", "2181"}};
    make_edge();
  }
  ~Conversation() override {
    edge_.reset();
    lane_.drain();
  }

  std::string run(const script::Command& c) override {
    const std::string& verb = c.verb();
    if (verb == "engine") {
      engine(c.word(0));
    } else if (verb == "edge" && c.word(0) == "linearizable") {
      options_.linearizable_reads = true;
      make_edge();
    } else if (verb == "edge" && c.word(0) == "limit") {
      options_.state_limit_bytes = std::stoull(c.word(1));
      make_edge();
    } else if (verb == "edge") {
      edge_->drain([this] { note_ = "drained\n"; });
    } else if (verb == "serving") {
      shared_.view.serving = c.word(0) == "on";
    } else if (verb == "after") {
      lane_.advance(Duration::millis(std::stoll(c.word(0))));
    } else if (verb == "snapshot") {
      push(StateReplaced{shared_.state.last_zxid()});
    } else if (verb == "expire") {
      const SessionId session(clients_[c.word(0)].session);
      znode::Command command{session, {}, {}, {}, {}};
      const znode::Session* known = shared_.state.find_session(session);
      command.request = znode::ExpireSession{known == nullptr ? Generation() : known->generation};
      apply(command, 0);
    } else {
      client_command(c);
    }
    settle();
    return report();
  }

 private:
  void make_edge() {
    edge_ = std::make_unique<Edge>(
        lane_, shared_,
        ports::Sender<EdgeMessage>(lane_, [this](EdgeMessage m) { hear(std::move(m)); }), options_);
  }

  // --- the engine
  void hear(EdgeMessage message) {
    if (auto* submit = std::get_if<Submit>(&message)) {
      if (mode_ == "lose") {
        return;
      }
      waiting_.push_back(std::move(*submit));
      if (mode_ == "go") {
        apply_waiting();
      }
    } else if (auto* sync = std::get_if<SyncRequest>(&message)) {
      syncs_.push_back(sync->ticket);
      if (mode_ == "go") {
        apply_waiting();
      }
    } else {
      touches_ += std::get<Touch>(message).sessions.size();
    }
  }

  void engine(const std::string& how) {
    if (how == "renew") {
      push(PathRenewed{++path_});
    } else if (how == "touches") {
      note_ = fmt::format("touches: {}\n", touches_ > 0 ? "some" : "none");
      touches_ = 0;
    } else if (how == "gap") {  // the first of what waits is lost, the rest is applied
      waiting_.pop_front();
      apply_waiting();
    } else {
      mode_ = how;
      if (how == "go") {
        apply_waiting();
      }
    }
  }

  void apply_waiting() {
    while (!waiting_.empty()) {
      const Submit submit = std::move(waiting_.front());
      waiting_.pop_front();
      apply(znode::decode_command(submit.command).value(), submit.nonce);
    }
    for (const std::uint64_t ticket : std::exchange(syncs_, {})) {
      push(Synced{ticket, true});
    }
  }

  void apply(const znode::Command& command, std::uint64_t nonce) {
    const ports::WriteHold hold(gate_);
    znode::Effects effects =
        shared_.state.apply({WallTime{77}, znode::rules_version_max, shared_.switches}, command);
    for (znode::Trigger& trigger : effects.triggers) {
      push(Fired{std::move(trigger), effects.outcome.zxid});
    }
    for (const znode::SessionEffect& effect : effects.sessions) {
      push(SessionChanged{effect});
    }
    push(Applied{command.session, command.generation, command.sequence, nonce,
                 std::move(effects.outcome)});
  }

  void push(InboxItem item) { shared_.inboxes[0].items.push_back(std::move(item)); }

  // --- clients
  void client_command(const script::Command& c) {
    Client& client = clients_[c.word(0)];
    client.name = c.word(0);
    const std::string& verb = c.verb();
    if (verb == "connect") {
      connect(c, client);
    } else if (verb == "word") {
      dial(client, c.text("host", "10.0.0.1"));
      client.old = true;
      send(client, c.word(1));
    } else if (verb == "raw") {
      if (client.handler == nullptr && !client.closed) {
        dial(client, "10.0.0.1");
      }
      send(client, from_hex(c.word(1)));
    } else if (verb == "eof") {
      client.handler->on_eof();
    } else if (verb == "reads") {
      client.reads = c.word(1) == "on";
      if (client.reads && client.handler != nullptr) {
        client.handler->on_drained();
      }
    } else {
      request(c, client);
    }
  }

  void dial(Client& client, const std::string& host) {
    const std::string name = client.name;
    const std::int64_t session = client.session;
    const Bytes password = client.password;
    client = Client{};
    client.name = name;
    client.session = session;
    client.password = password;
    edge_->accept(std::make_unique<FakeStream>(client, ports::Peer{{host, 4711}, ""}));
  }

  void connect(const script::Command& c, Client& client) {
    dial(client, c.text("host", "10.0.0.1"));
    zkwire::ConnectRequest request;
    request.timeout_ms = static_cast<std::int32_t>(c.number("timeout", 10000));
    request.last_zxid_seen = c.number("zxid", 0);
    request.password = Bytes(16, '\0');
    if (c.has("session")) {
      request.session_id = clients_[c.text("session")].session;
      request.password = clients_[c.text("session")].password;
    }
    if (c.has("password")) {
      request.password = c.text("password");
    }
    client.old = c.words.size() > 2;
    if (!client.old) {
      request.read_only = false;
    }
    send(client, zkwire::frame(zkwire::encode(request)));
  }

  void request(const script::Command& c, Client& client) {
    zkwire::RequestHeader header;
    header.xid = static_cast<std::int32_t>(c.number("xid", ++client.xid));
    zkwire::Request body = zkwire::EmptyRequest{};
    const std::string path = c.words.size() > 2 ? c.words[2] : "";
    const bool watch = c.words.size() > 3 && c.words[3] == "watch";
    const auto number = static_cast<std::int32_t>(c.number("number", -1));
    const std::string& verb = c.verb();
    static const std::map<std::string, OpCode> reads = {
        {"exists", OpCode::exists}, {"get", OpCode::get_data}, {"ls", OpCode::get_children}};
    const auto read = reads.find(verb);
    OpCode op = OpCode::error;
    if (read != reads.end()) {
      op = read->second;
      body = zkwire::PathWatchRequest{path, watch};
    } else if (verb == "create") {
      op = OpCode::create;
      body = zkwire::CreateRequest{path, c.text("data"), acl_of(c),
                                   static_cast<std::int32_t>(c.number("flags", 0)), -1};
    } else if (verb == "delete") {
      op = OpCode::remove;
      body = zkwire::PathVersionRequest{path, number};
    } else if (verb == "set") {
      op = OpCode::set_data;
      body = zkwire::SetDataRequest{path, c.text("data"), number};
    } else if (verb == "sync") {
      op = OpCode::sync;
      body = zkwire::PathRequest{path};
    } else if (verb == "ping") {
      op = OpCode::ping;
    } else if (verb == "close") {
      op = OpCode::close_session;
    } else if (verb == "whoami") {
      op = OpCode::who_am_i;
    } else if (verb == "auth") {
      op = OpCode::auth;
      header.xid = -4;
      body = zkwire::AuthRequest{0, path, Bytes(c.word(2))};
    } else if (verb == "add_watch" || verb == "remove_watch" || verb == "check_watch") {
      op = verb == "add_watch"      ? OpCode::add_watch
           : verb == "remove_watch" ? OpCode::remove_watches
                                    : OpCode::check_watches;
      body = zkwire::PathNumberRequest{path, number};
    } else if (verb == "set_watches") {
      op = OpCode::set_watches2;
      header.xid = -8;
      body = zkwire::SetWatchesRequest{c.number("zxid", 0),        list(c.text("data")),
                                       list(c.text("exist")),      list(c.text("child")),
                                       list(c.text("persistent")), list(c.text("recursive"))};
    } else if (verb == "reconfig") {
      op = OpCode::reconfig;
      body = zkwire::ReconfigRequest{};
    } else if (verb == "opcode") {
      op = static_cast<OpCode>(number);
    }
    header.type = static_cast<std::int32_t>(op);
    client.expected.push_back(op);
    send(client, zkwire::frame(zkwire::encode_request(header, body)));
  }

  static zkwire::AclList acl_of(const script::Command& c) {
    if (!c.has("acl")) {
      return zkwire::open_acl();
    }
    return {{31, {c.text("acl"), c.text("id")}}};
  }

  static std::vector<std::string> list(const std::string& text) {
    return text.empty() ? std::vector<std::string>{} : std::vector<std::string>{text};
  }

  static Bytes from_hex(const std::string& hex) {
    Bytes bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
      bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    }
    return bytes;
  }

  void send(Client& client, const Bytes& bytes) {
    client.held += bytes;
    feed(client);
  }

  static bool feed(Client& client) {
    if (client.held.empty() || client.paused || client.handler == nullptr) {
      return false;
    }
    const Bytes bytes = std::exchange(client.held, {});
    client.handler->on_bytes(bytes);
    return true;
  }

  void settle() {
    for (bool moved = true; moved;) {
      lane_.drain();
      edge_->wake();
      lane_.drain();
      moved = !shared_.inboxes[0].items.empty();
      for (auto& [name, client] : clients_) {
        moved = feed(client) || moved;
        if (client.reads && !client.unread.empty()) {
          client.received += std::exchange(client.unread, {});
          moved = true;
          if (client.handler != nullptr && !client.closed) {
            client.handler->on_drained();
          }
        }
      }
    }
  }

  std::string report() {
    std::string text = std::exchange(note_, "");
    for (auto& [name, client] : clients_) {
      read_frames(client);
      for (const std::string& line : std::exchange(client.said, {})) {
        text += name + ": " + line + "\n";
      }
      if (client.closed && !client.told) {
        client.told = true;
        text += name + ": closed\n";
      }
    }
    return text;
  }

  static void read_frames(Client& client) {
    zkwire::FrameReader frames(64U << 20);
    const bool text = client.old && !client.connected && !client.received.empty() &&
                      static_cast<std::uint8_t>(client.received[0]) >= 32;
    if (text) {
      client.said.push_back("\"" + std::exchange(client.received, {}) + "\"");
      return;
    }
    frames.feed(client.received);
    while (const std::optional<Bytes> frame = frames.next()) {
      client.said.push_back(client.connected ? reply(client, *frame) : handshake(client, *frame));
    }
    client.received = Bytes(frames.peek());
  }

  static std::string handshake(Client& client, ByteView frame) {
    const zkwire::ConnectResponse r = zkwire::decode_connect_response(frame).value();
    client.connected = true;
    if (r.timeout_ms <= 0) {
      return fmt::format("refused, {} bytes", frame.size());
    }
    client.session = r.session_id;
    client.password = r.password;
    return fmt::format("session, timeout {}, {} bytes", r.timeout_ms, frame.size());
  }

  static std::string reply(Client& client, ByteView rest) {
    const zkwire::ReplyHeader h = zkwire::decode_reply_header(rest).value();
    if (h.xid == zkwire::xid_notification) {
      const zkwire::WatcherEvent e = zkwire::decode_event_body(rest).value();
      return fmt::format("event {} {} zxid={:x}", static_cast<int>(e.type), e.path,
                         static_cast<std::uint64_t>(h.zxid));
    }
    const OpCode op = client.expected.empty() ? OpCode::error : client.expected.front();
    if (!client.expected.empty()) {
      client.expected.pop_front();
    }
    std::string text = fmt::format("{} xid={} zxid={:x} {}", zkwire::to_string(op), h.xid,
                                   static_cast<std::uint64_t>(h.zxid),
                                   zkwire::to_string(static_cast<zkwire::Code>(h.err)));
    if (h.err == 0) {
      text += body_of(zkwire::decode_reply_body(op, rest).value());
    }
    return text;
  }

  static std::string body_of(const zkwire::Reply& reply) {
    if (const auto* path = std::get_if<zkwire::PathReply>(&reply)) {
      return " " + path->path;
    }
    if (const auto* data = std::get_if<zkwire::DataReply>(&reply)) {
      return fmt::format(" '{}' v={}", data->data.value_or("null"), data->stat.version);
    }
    if (const auto* stat = std::get_if<zkwire::StatReply>(&reply)) {
      return fmt::format(" v={}", stat->stat.version);
    }
    std::string text;
    if (const auto* children = std::get_if<zkwire::ChildrenReply>(&reply)) {
      for (const std::string& child : children->children) {
        text += " " + child;
      }
    }
    if (const auto* who = std::get_if<zkwire::WhoAmIReply>(&reply)) {
      for (const zkwire::ClientInfo& info : who->clients) {
        text += " " + info.scheme + ":" + info.user;
      }
    }
    return text;
  }

  OpenGate gate_;
  ManualLane lane_;
  Shared shared_;
  EdgeOptions options_;
  std::map<std::string, Client> clients_;
  std::unique_ptr<Edge> edge_;
  std::string mode_ = "go";
  std::deque<Submit> waiting_;
  std::vector<std::uint64_t> syncs_;
  std::uint64_t path_ = 0;
  std::size_t touches_ = 0;
  std::string note_;
};

TEST(EdgeScripts, AllAgree) {
  script::run_scripts(std::string(SYNOD_SOURCE_DIR) + "/testdata/edge",
                      [] { return std::make_unique<Conversation>(); });
}

}  // namespace
}  // namespace synod::coordinator
