// One client's work: bursts of pipelined requests over the trees that the checkers can judge.
//
//   /p/<client>/<key>  set by that client alone, every set with a tag of its own
//   /c/<tag>, /q/<n>   created, plain and sequential, by all; never removed; data is the tag
//   /s/<key>, /r/<n>   set, created and removed by all, but only inside a multi that also creates
//                      /t/<tag>: what a reader sees of /t tells which multis took effect
//   /w/<key>           set by all, each set with a tag of its own; read after a sync only
//   /e/<tag>           ephemerals, removed by their makers or with their sessions
//
// Some of it fails on purpose: wrong versions, missing and existing nodes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/prng.h"
#include "sim/coordination/client.h"

namespace synod::sim::coordination {

struct WorkloadOptions {
  ClientOptions client;
  int clients = 4;
  int operations = 150;
  int burst_max = 8;
  std::uint64_t data_max = 0;  // of what keys and registers hold, beside their tag
  Duration think_max = Duration::millis(60);
};

constexpr int keys_of_client = 2;
constexpr int shared_keys = 3;
constexpr int raced_nodes = 3;
constexpr std::uint64_t raced_registers = 2;

class Workload final : public ClientListener {
 public:
  Workload(SimProcess& process, History& history, WorkloadOptions options);

  // Everything that was to be sent was sent; the session stays.
  bool done() const { return sent_ >= options_.operations && client_.unanswered() == 0; }
  // No more than what is under way.
  void finish() { options_.operations = sent_; }
  Client& client() { return client_; }

 private:
  void on_ready() override;
  void on_reply(const Operation& operation) override;

  void think();
  void burst();
  void send_one();
  void send_set();
  void send_register();
  void send_create();
  void send_multi();
  void send_read();
  void send_ephemeral();
  std::string new_tag();
  std::string new_long_tag();
  zkwire::MultiPart draw_part();

  WorkloadOptions options_;
  Prng prng_;
  SimLane& lane_;
  int sent_ = 0;
  int tags_ = 0;
  bool thinking_ = false;
  bool closing_ = false;
  std::vector<std::string> ephemerals_;  // made in the present session
  std::vector<std::int32_t> versions_;   // last seen of /s keys
  Client client_;
  ports::Scope scope_;
};

// Makes the nodes that the workload rests on; done() once all stand.
class Groundwork final : public ClientListener {
 public:
  Groundwork(SimProcess& process, History& history, const ClientOptions& options, int clients);
  bool done() const { return next_ >= paths_.size(); }

 private:
  void on_ready() override { send(); }
  void on_reply(const Operation& operation) override;
  void send();

  std::vector<std::string> paths_;
  std::size_t next_ = 0;
  Client client_;
};

// Reads everything, after a sync, from the servers of its options; done() once it has seen all.
class Audit final : public ClientListener {
 public:
  Audit(SimProcess& process, History& history, const ClientOptions& options);
  bool done() const { return done_; }
  // Nodes that were read: path and what its data and stat were, for comparing replicas.
  const std::vector<std::string>& seen() const { return seen_; }

 private:
  void on_ready() override;
  void on_reply(const Operation& operation) override;
  void send();

  std::vector<std::string> paths_;
  std::size_t next_ = 0;
  std::size_t answered_ = 0;
  bool done_ = false;
  std::vector<std::string> seen_;
  Client client_;
};

}  // namespace synod::sim::coordination
