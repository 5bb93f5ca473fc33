// Whole coordinators on simulated machines, one client that creates nodes for ever, and what the
// tests of lost power and of damaged disks ask of them.
//
// Threads  One; the simulated world runs all.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "coordinator/node.h"
#include "sim/coordination/client.h"
#include "sim/machine.h"
#include "sim/world.h"

namespace synod::coordinator {

namespace zk = sim::coordination;

// Creates /n<number>, one after the other, for ever; an answer that never came is not repeated.
class Writer final : public zk::ClientListener {
 public:
  Writer(sim::SimProcess& process, zk::History& history, zk::ClientOptions options)
      : client_(process, history, *this, std::move(options)) {}

  void on_ready() override { send(); }
  void on_reply(const zk::Operation& operation) override {
    if (operation.op == zkwire::OpCode::reconfig) {
      change = static_cast<zkwire::Code>(operation.header.err);
    } else if (operation.succeeded()) {
      acknowledged.insert(operation.tag);
    }
    send();
  }
  void pause() { paused_ = true; }
  void resume() {
    paused_ = false;
    send();
  }

  // False: not connected just now.
  bool reconfigure(const zkwire::ReconfigRequest& request) {
    change.reset();
    if (client_.ready()) {
      client_.submit(zkwire::OpCode::reconfig, request);
    }
    return client_.ready();
  }

  std::set<std::string> acknowledged;
  std::optional<zkwire::Code> change;  // what a reconfig was answered

 private:
  void send() {
    while (!paused_ && client_.ready() && client_.unanswered() < 4) {
      zkwire::CreateRequest request;
      request.path = fmt::format("/n{}", next_++);
      request.data = "data of " + request.path;
      request.acl = {zkwire::Acl{31, {"world", "anyone"}}};
      const std::string tag = request.path;
      client_.submit(zkwire::OpCode::create, request, tag);
    }
  }

  bool paused_ = false;
  int next_ = 0;
  zk::Client client_;
};

class RestartedEnsemble {
 public:
  RestartedEnsemble(std::uint64_t seed, int size) : world_(with_seed(seed)), size_(size) {
    for (int id = 1; id <= size; ++id) {
      sim::MachineOptions options;
      options.name = fmt::format("m{}", id);
      options.address = address(id);
      machines_.push_back(&world_.add_machine(options));
    }
    sim::MachineOptions options;
    options.name = "client";
    options.address = "10.0.1.1";
    client_machine_ = &world_.add_machine(options);
  }

  static std::string address(int id) { return fmt::format("10.0.0.{}", id); }

  void start(int id) {
    processes_[id] = &machine(id).start("coordinator", [this, id](sim::SimProcess& process) {
      NodeOptions options;
      options.config = config(id);
      options.log = small_log();
      options.boot_id = process.host().boot_id();
      options.release = releases[id];
      options.config.snapshot_count = 60;
      options.log_slots_kept = 10;
      options.on_quarantined = [&process](const Error&) { process.exit(1); };
      options.on_failed = [this, id](const Error& error) { failures[id] = error.message; };
      NodePorts ports{process.main_lane(),    process.add_lane("journal"),
                      {&process.main_lane()}, process.network(),
                      process.disk(),         process.gate()};
      return std::make_shared<Node>(std::move(ports), std::move(options));
    });
  }
  void start_all() {
    for (int id = 1; id <= size_; ++id) {
      start(id);
    }
  }
  void start_client() {
    client_machine_->start("writer", [this](sim::SimProcess& process) {
      zk::ClientOptions options;
      options.number = 1;
      for (int id = 1; id <= size_; ++id) {
        options.servers.push_back({address(id), 2181});
      }
      auto made = std::make_shared<Writer>(process, history_, options);
      writer_ = made.get();
      return made;
    });
  }

  // By server; those that are not here are of the present one.
  std::map<int, Release> releases;
  std::map<int, std::string> failures;  // what servers said that take no part any more
  std::string more_config;

  sim::World& world() { return world_; }
  int size() const { return size_; }
  sim::SimMachine& machine(int id) { return *machines_.at(static_cast<std::size_t>(id - 1)); }
  sim::SimProcess& process(int id) { return *processes_.at(id); }
  Writer& writer() { return *writer_; }
  std::size_t written() const { return writer_ == nullptr ? 0 : writer_->acknowledged.size(); }
  void restart(int id) {
    if (machine(id).powered()) {
      machine(id).power_off();
    }
    machine(id).power_on();
    start(id);
  }

  bool write_more(std::size_t count) {
    const std::size_t target = written() + count;
    return world_.run_until(world_.now() + Duration::seconds(60),
                            [&] { return written() >= target; });
  }

  // nullptr while the process has ended or recovers.
  const Node* node(int id) {
    sim::SimProcess* process = processes_[id];
    return process->alive() ? process->program<Node>() : nullptr;
  }
  Slot applied(int id) {
    const Node* found = node(id);
    return found == nullptr ? Slot() : found->shared().view.applied;
  }
  // All members have applied the same, and have the same state.
  bool agree() {
    for (int id = 2; id <= size_; ++id) {
      if (node(id) == nullptr || node(1) == nullptr ||
          node(id)->shared().state.digest() != node(1)->shared().state.digest()) {
        return false;
      }
    }
    return applied(1).value() > 0;
  }
  // What was acknowledged and is not there.
  std::string missing(int id) {
    for (const std::string& path : writer_->acknowledged) {
      const znode::Node* found = node(id)->shared().state.tree().find(path);
      if (found == nullptr || found->data() != "data of " + path) {
        return path;
      }
    }
    return "";
  }
  bool settle() {
    writer_->pause();
    return world_.run_until(world_.now() + Duration::seconds(60), [this] {
      if (size_ == 1) {
        return node(1) != nullptr && node(1)->shared().view.serving;
      }
      return agree();
    });
  }

 private:
  static sim::WorldOptions with_seed(std::uint64_t seed) {
    sim::WorldOptions options;
    options.seed = seed;
    return options;
  }
  static storage::LogOptions small_log() {
    storage::LogOptions options;
    options.first_segment_size_bytes = 32 << 10;
    options.segment_size_bytes = 64 << 10;
    return options;
  }
  ZooConfig config(int id) const {
    std::string text =
        fmt::format("tickTime=500\ndataDir=/data\nclientPort=2181\nclientPortAddress={}\n{}",
                    address(id), more_config);
    if (size_ > 1) {
      for (int peer = 1; peer <= size_; ++peer) {
        text += fmt::format("server.{}={}:2888:3888\n", peer, address(peer));
      }
    }
    auto parsed = parse_zoo_config(text);
    EXPECT_TRUE(parsed.ok());
    EXPECT_TRUE(complete_zoo_config(*parsed, std::to_string(id)).ok());
    return std::move(parsed).value();
  }

  sim::World world_;
  int size_;
  std::vector<sim::SimMachine*> machines_;
  sim::SimMachine* client_machine_ = nullptr;
  std::map<int, sim::SimProcess*> processes_;
  zk::History history_;
  Writer* writer_ = nullptr;
};

}  // namespace synod::coordinator
