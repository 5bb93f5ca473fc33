// The client, the workload and the checkers against a server of one process that can be told to
// misbehave: every checker must be quiet about the honest one and find its own kind of lie.
#include "sim/coordination/checker.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "sim/coordination/workload.h"
#include "sim/network.h"
#include "znode/reads.h"
#include "znode/state.h"
#include "znode/watch_table.h"

namespace synod::sim::coordination {
namespace {

using zkwire::Code;
using zkwire::EventType;
using zkwire::OpCode;

enum class Lie { none, lose_write, apply_twice, stale_read, late_event, drop_event };

// Sessions, tree and watches of one server; outlives its process, as a disk would.
struct Store {
  znode::State state;
  std::map<std::int64_t, Generation> generations;
  std::int64_t session_next = 0x100000001;
  std::uint64_t nonce_next = 1;
  Lie lie = Lie::none;
  int countdown = 60;  // the lie comes after so many writes

  bool lies(Lie kind) { return lie == kind && --countdown == 0; }
};

class Connection;

struct Toy {
  Toy(SimProcess& the_process, Store& the_store);
  void fire(const std::vector<znode::Trigger>& triggers);

  SimProcess& process;
  Store& store;
  znode::WatchTable watches;
  std::map<znode::Watcher, std::unique_ptr<Connection>> connections;
  std::uint64_t watcher_next = 1;
  std::unique_ptr<ports::Listener> listener;
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

 private:
  void on_bytes(ByteView bytes) override {
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

Toy::Toy(SimProcess& the_process, Store& the_store) : process(the_process), store(the_store) {
  auto result = process.network().listen(
      process.main_lane(), {"0.0.0.0", 2181}, {}, [this](std::unique_ptr<ports::Stream> stream) {
        const znode::Watcher watcher(watcher_next++);
        connections[watcher] = std::make_unique<Connection>(*this, watcher, std::move(stream));
      });
  listener = std::move(result).value();
}

void Toy::fire(const std::vector<znode::Trigger>& triggers) {
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

Findings run(std::uint64_t seed, Lie lie, std::size_t* operations = nullptr) {
  WorldOptions world_options;
  world_options.seed = seed;
  World world(world_options);
  Store store;
  store.lie = lie;
  if (lie == Lie::late_event || lie == Lie::drop_event) {
    store.countdown = 8;
  }
  SimMachine& server =
      world.add_machine({.name = "server", .address = "10.0.0.1", .disk = {}, .clock_offset = {}});
  SimMachine& clients =
      world.add_machine({.name = "clients", .address = "10.0.0.2", .disk = {}, .clock_offset = {}});
  auto start_server = [&] {
    server.start("toy", [&](SimProcess& process) { return std::make_shared<Toy>(process, store); });
  };
  start_server();
  History history;
  ClientOptions client;
  client.servers = {{"10.0.0.1", 2181}};
  client.number = 100;
  SimProcess& ground = clients.start("groundwork", [&](SimProcess& process) {
    return std::make_shared<Groundwork>(process, history, client, 3);
  });
  EXPECT_TRUE(world.run_until(world.now() + Duration::seconds(10), [&] {
    return ground.program<Groundwork>() != nullptr && ground.program<Groundwork>()->done();
  }));
  std::vector<SimProcess*> working;
  for (int number = 0; number < 3; ++number) {
    WorkloadOptions options;
    options.client = client;
    options.client.number = number;
    options.clients = 3;
    working.push_back(&clients.start("client", [&history, options](SimProcess& process) {
      return std::make_shared<Workload>(process, history, options);
    }));
  }
  for (int i = 0; i < 6; ++i) {
    world.run_for(Duration::millis(300));
    if (i % 2 == 0) {
      world.network().break_any_stream();
    } else {
      server.processes().back()->kill();
      world.run_for(Duration::millis(5));
      start_server();
    }
  }
  EXPECT_TRUE(world.run_until(world.now() + Duration::seconds(60), [&] {
    for (SimProcess* process : working) {
      if (!process->program<Workload>()->done()) {
        return false;
      }
    }
    return true;
  }));
  client.number = 101;
  SimProcess& audit = clients.start("audit", [&](SimProcess& process) {
    return std::make_shared<Audit>(process, history, client);
  });
  EXPECT_TRUE(world.run_until(world.now() + Duration::seconds(10), [&] {
    return audit.program<Audit>() != nullptr && audit.program<Audit>()->done();
  }));
  if (operations != nullptr) {
    *operations = history.operations.size();
  }
  return check_history(history);
}

TEST(Checkers, are_quiet_about_an_honest_server) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    std::size_t operations = 0;
    const Findings findings = run(seed, Lie::none, &operations);
    EXPECT_GT(operations, 400u);
    for (const std::string& finding : findings.all()) {
      ADD_FAILURE() << "seed " << seed << ": " << finding;
    }
  }
}

void expect_found(Lie lie) {
  int found = 0;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    found += run(seed, lie).none() ? 0 : 1;
  }
  EXPECT_GE(found, 3);
}

TEST(Checkers, find_a_lost_write) { expect_found(Lie::lose_write); }
TEST(Checkers, find_a_write_applied_twice) { expect_found(Lie::apply_twice); }
TEST(Checkers, find_a_read_that_goes_back) { expect_found(Lie::stale_read); }
TEST(Checkers, find_an_event_after_the_change_was_seen) { expect_found(Lie::late_event); }
TEST(Checkers, find_an_event_that_never_came) { expect_found(Lie::drop_event); }

}  // namespace
}  // namespace synod::sim::coordination
