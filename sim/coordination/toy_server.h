// Servers for tests of the client, the workload and the checkers: they share one state in memory,
// so they are as consistent as an ensemble can be, unless told to lie.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ports/network.h"
#include "ports/scope.h"
#include "sim/coordination/history.h"
#include "sim/machine.h"
#include "sim/world.h"
#include "zkwire/frame.h"
#include "znode/reads.h"
#include "znode/state.h"
#include "znode/watch_table.h"

namespace synod::sim::coordination {

using zkwire::Code;
using zkwire::EventType;
using zkwire::OpCode;

enum class Lie { none, lose_write, apply_twice, stale_read, late_event, drop_event };

struct Toy;

// Sessions and tree of all servers; outlives their processes, as a disk would.
struct Store {
  znode::State state;
  std::map<std::int64_t, Generation> generations;
  std::int64_t session_next = 0x100000001;
  std::uint64_t nonce_next = 1;
  Lie lie = Lie::none;
  int countdown = 60;                     // the lie comes after so many writes
  std::vector<Toy*> toys;                 // in the order of their starts
  std::map<std::int64_t, Instant> heard;  // in the world's time

  bool lies(Lie kind) { return lie == kind && --countdown == 0; }
};

class Connection;

struct Toy {
  Toy(SimProcess& the_process, Store& the_store);
  ~Toy() { std::erase(store.toys, this); }
  void fire(const std::vector<znode::Trigger>& triggers);
  void fire_here(const std::vector<znode::Trigger>& triggers);
  void expire();
  void drop_others(std::int64_t session, const Connection* keep);

  SimProcess& process;
  Store& store;
  znode::WatchTable watches;
  std::map<znode::Watcher, std::unique_ptr<Connection>> connections;
  std::uint64_t watcher_next = 1;
  std::unique_ptr<ports::Listener> listener;
  ports::Scope scope;
};

class Connection final : public ports::StreamHandler {
 public:
  Connection(Toy& toy, znode::Watcher watcher, std::unique_ptr<ports::Stream> stream)
      : toy_(toy), watcher_(watcher), stream_(std::move(stream)) {
    stream_->attach(toy.process.main_lane(), *this);
  }

  void send_event(std::int64_t zxid, EventType type, const std::string& path) {
    zkwire::WatcherEvent event;
    event.type = type;
    event.path = path;
    stream_->write(zkwire::frame(zkwire::encode_event(zxid, event)));
  }
  std::int64_t session() const { return session_; }
  // The session ended or moved.
  void drop() {
    closing_ = true;
    stream_->close();
  }

 private:
  void on_bytes(ByteView bytes) override {
    toy_.store.heard[session_] = toy_.process.world().here();
    reader_.feed(bytes);
    while (auto body = reader_.next()) {
      if (closing_) {
        return;
      }
      if (session_ == 0) {
        greet(*body);
      } else {
        request(*body);
      }
    }
  }
  void on_eof() override { stream_->close(); }
  void on_closed(const Error&) override { toy_.watches.drop(watcher_); }

  znode::Effects apply(znode::Command command) {
    znode::BatchHeader header;
    header.time = toy_.process.main_lane().wall();
    const znode::Effects effects = toy_.store.state.apply(header, command);
    toy_.fire(effects.triggers);
    return effects;
  }

  void greet(ByteView body) {
    const auto request = zkwire::decode_connect_request(body);
    zkwire::ConnectResponse response;
    response.password = Bytes(16, '\0');
    response.read_only = false;
    znode::Command command;
    if (request->session_id == 0) {
      command.session = SessionId(toy_.store.session_next++);
      znode::CreateSession create;
      create.minter = 1;
      create.timeout_ms = request->timeout_ms;
      create.password = response.password;
      create.nonce = toy_.store.nonce_next++;
      command.request = create;
    } else {
      command.session = SessionId(request->session_id);
      command.request =
          znode::AttachSession{response.password, request->timeout_ms, toy_.store.nonce_next++};
    }
    const znode::Effects effects = apply(command);
    if (effects.outcome.code == Code::ok) {
      response.session_id = session_ = command.session.value();
      response.timeout_ms = request->timeout_ms;
      toy_.store.generations[session_] = effects.outcome.generation;
      toy_.store.heard[session_] = toy_.process.world().here();
      for (Toy* toy : toy_.store.toys) {
        toy->drop_others(session_, this);
      }
    }
    stream_->write(zkwire::frame(zkwire::encode(response)));
  }

  void request(ByteView body) {
    ByteView rest = body;
    const auto header = zkwire::decode_request_header(rest);
    const auto op = static_cast<OpCode>(header->type);
    const auto decoded = zkwire::decode_request_body(op, rest);
    zkwire::ReplyHeader reply_header{header->xid, toy_.store.state.last_zxid().value(), 0};
    if (is_write(op)) {
      write(op, *decoded, reply_header);
    } else {
      read(op, *decoded, reply_header);
    }
  }

  znode::Command make_write(OpCode op, const zkwire::Request& decoded) {
    znode::Command command;
    command.session = SessionId(session_);
    command.generation = toy_.store.generations[session_];
    command.sequence = toy_.store.state.find_session(command.session)->next_sequence;
    command.request = znode::ClientWrite{op, decoded};
    if (op == OpCode::close_session) {
      command.request = znode::CloseSession{};
    }
    return command;
  }

  void write(OpCode op, const zkwire::Request& decoded, zkwire::ReplyHeader header) {
    Store& store = toy_.store;
    if (op == OpCode::set_data && store.lies(Lie::lose_write)) {
      // Answered as if done: from a copy of the state that nobody keeps.
      auto copy = znode::State::load(store.state.snapshot());
      const auto effects = copy->apply({}, make_write(op, decoded));
      header.zxid = effects.outcome.zxid.value();
      stream_->write(zkwire::frame(zkwire::encode_reply(header, effects.outcome.reply)));
      return;
    }
    const znode::Effects effects = apply(make_write(op, decoded));
    header.zxid = effects.outcome.zxid.value();
    header.err = static_cast<std::int32_t>(effects.outcome.code);
    if (op == OpCode::set_data && store.lies(Lie::apply_twice)) {
      apply(make_write(op, decoded));
    }
    stream_->write(zkwire::frame(zkwire::encode_reply(header, effects.outcome.reply)));
    if (op == OpCode::close_session) {
      closing_ = true;
      stream_->close();
    }
  }

  void read(OpCode op, const zkwire::Request& decoded, zkwire::ReplyHeader header) {
    const znode::Identities nobody;
    const znode::Switches switches;
    const znode::Reader reader{nobody, switches};
    if (op == OpCode::set_watches) {
      set_watches(std::get<zkwire::SetWatchesRequest>(decoded));
      stream_->write(zkwire::frame(zkwire::encode_reply(header, zkwire::EmptyReply{})));
      return;
    }
    znode::ReadResult result;
    if (const auto* path = std::get_if<zkwire::PathRequest>(&decoded)) {
      result.reply = zkwire::PathReply{path->path};
    } else if (const auto* read = std::get_if<zkwire::PathWatchRequest>(&decoded)) {
      result = answer(op, read->path, reader);
      if (read->watch && (result.code == Code::ok || op == OpCode::exists)) {
        const bool child = op == OpCode::get_children || op == OpCode::get_children2;
        toy_.watches.add(child ? znode::WatchTable::Kind::child : znode::WatchTable::Kind::data,
                         read->path, watcher_);
      }
    }
    header.err = static_cast<std::int32_t>(result.code);
    if (op == OpCode::get_data && toy_.store.lies(Lie::stale_read)) {
      header.zxid -= 20;
    }
    stream_->write(zkwire::frame(zkwire::encode_reply(header, result.reply)));
  }

  znode::ReadResult answer(OpCode op, const std::string& path, const znode::Reader& reader) {
    const znode::State& state = toy_.store.state;
    switch (op) {
      case OpCode::get_data: return read_data(state, path, reader);
      case OpCode::exists: return read_exists(state, path, reader);
      case OpCode::get_children: return read_children(state, path, reader);
      default: return read_children2(state, path, reader);
    }
  }

  void set_watches(const zkwire::SetWatchesRequest& request) {
    const znode::Identities nobody;
    const znode::Switches switches;
    using Kind = znode::WatchTable::Kind;
    auto stat_of = [&](const std::string& path) -> std::optional<zkwire::Stat> {
      const auto result = read_exists(toy_.store.state, path, {nobody, switches});
      if (result.code != Code::ok) {
        return std::nullopt;
      }
      return std::get<zkwire::StatReply>(result.reply).stat;
    };
    const std::int64_t since = request.relative_zxid;
    for (const std::string& path : request.data_watches) {
      const auto stat = stat_of(path);
      if (!stat) {
        send_event(-1, EventType::node_deleted, path);
      } else if (stat->mzxid > since) {
        send_event(-1, EventType::node_data_changed, path);
      } else {
        toy_.watches.add(Kind::data, path, watcher_);
      }
    }
    for (const std::string& path : request.exist_watches) {
      if (stat_of(path)) {
        send_event(-1, EventType::node_created, path);
      } else {
        toy_.watches.add(Kind::data, path, watcher_);
      }
    }
    for (const std::string& path : request.child_watches) {
      const auto stat = stat_of(path);
      if (!stat) {
        send_event(-1, EventType::node_deleted, path);
      } else if (stat->pzxid > since) {
        send_event(-1, EventType::node_children_changed, path);
      } else {
        toy_.watches.add(Kind::child, path, watcher_);
      }
    }
  }

  Toy& toy_;
  znode::Watcher watcher_;
  std::int64_t session_ = 0;
  bool closing_ = false;
  zkwire::FrameReader reader_;
  std::unique_ptr<ports::Stream> stream_;
};

inline Toy::Toy(SimProcess& the_process, Store& the_store)
    : process(the_process), store(the_store) {
  auto result = process.network().listen(
      process.main_lane(), {"0.0.0.0", 2181}, {}, [this](std::unique_ptr<ports::Stream> stream) {
        const znode::Watcher watcher(watcher_next++);
        connections[watcher] = std::make_unique<Connection>(*this, watcher, std::move(stream));
      });
  listener = std::move(result).value();
  store.toys.push_back(this);
  expire();
}

inline void Toy::drop_others(std::int64_t session, const Connection* keep) {
  for (auto& [watcher, connection] : connections) {
    if (connection->session() == session && connection.get() != keep) {
      connection->drop();
    }
  }
}

inline void Toy::expire() {
  std::vector<std::pair<SessionId, Generation>> due;
  for (const auto& [id, session] : store.state.sessions()) {
    const Duration silent = process.world().here() - store.heard[id.value()];
    if (silent > Duration::millis(session.timeout_ms)) {
      due.push_back({id, session.generation});
    }
  }
  for (const auto& [id, generation] : due) {
    znode::Command command;
    command.session = id;
    command.request = znode::ExpireSession{generation};
    fire(store.state.apply({}, command).triggers);
    for (Toy* toy : store.toys) {
      toy->drop_others(id.value(), nullptr);
    }
  }
  process.main_lane().after(Duration::millis(200), scope.wrap([this] { expire(); }));
}

inline void Toy::fire(const std::vector<znode::Trigger>& triggers) {
  for (Toy* toy : store.toys) {
    toy->fire_here(triggers);
  }
}

inline void Toy::fire_here(const std::vector<znode::Trigger>& triggers) {
  const std::int64_t zxid = store.state.last_zxid().value();
  for (const znode::Trigger& trigger : triggers) {
    for (const znode::Watcher watcher : watches.fire(trigger.type, trigger.path)) {
      Connection* connection = connections.at(watcher).get();
      if (store.lies(Lie::drop_event)) {
        continue;
      }
      if (store.lies(Lie::late_event)) {
        process.main_lane().after(Duration::millis(30), [connection, trigger, zxid] {
          connection->send_event(zxid, trigger.type, trigger.path);
        });
        continue;
      }
      connection->send_event(zxid, trigger.type, trigger.path);
    }
  }
}

}  // namespace synod::sim::coordination
