// A framework on the v1 scheduler API: subscribes, takes offers, launches command tasks,
// acknowledges, kills some, reconciles after every new subscription; writes down what it saw.
//
// It is partition-aware, asks for a long failover_timeout, and keeps its id across masters.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/prng.h"
#include "http/json.h"
#include "ports/scope.h"
#include "sim/machine.h"
#include "sim/resources/raw_http.h"

namespace synod::sim::resources {

struct Amount {
  std::int64_t cpus_milli = 0;
  std::int64_t mem_milli = 0;

  void add(const Amount& other) {
    cpus_milli += other.cpus_milli;
    mem_milli += other.mem_milli;
  }
  bool fits(const Amount& whole) const {
    return cpus_milli <= whole.cpus_milli && mem_milli <= whole.mem_milli;
  }
};

// One task as its framework knows it.
struct TaskRecord {
  std::string id;
  std::string agent;
  Amount amount;
  int exit_code = 0;
  bool asked = false;     // the ACCEPT was answered, or will never be
  bool accepted = false;  // it was answered 202
  bool kill_asked = false;
  bool running_seen = false;
  std::string state;     // latest; "" before any update
  std::string terminal;  // the first terminal state that came with a uuid or by reconciliation
  std::string terminal_source;
  Instant terminal_at;               // in the world's time
  std::vector<std::string> updates;  // every state heard, in order
};

struct FrameworkOptions {
  std::vector<ports::Address> masters;
  std::string name = "sim";
  int tasks = 12;
  Duration task_runs_max = Duration::seconds(6);
  Amount task_max{1500, 900'000};
  // Of every agent: what may be offered and used at once.
  Amount agent_total{4000, 4'000'000};
  // What really runs on a host now. What the framework itself was told lags behind: a master may
  // offer again what a task left whose end is still on its way.
  std::function<Amount(const std::string& hostname)> running;
};

class Framework {
 public:
  Framework(SimProcess& process, FrameworkOptions options);
  ~Framework();

  // All tasks were launched and have ended, as far as it knows.
  bool done() const;
  // No new tasks.
  void finish() { options_.tasks = launched_; }
  bool subscribed() const { return !stream_id_.empty(); }
  const std::map<std::string, TaskRecord>& tasks() const { return tasks_; }
  const std::vector<std::string>& complaints() const { return complaints_; }
  std::uint64_t subscriptions() const { return subscriptions_; }
  // What it still waits for, in words.
  std::string waits_for() const;

 private:
  struct Offer {
    std::string agent;
    std::string hostname;
    Amount amount;
  };

  void subscribe();
  void subscribe_later();
  void on_head(const HttpHead& head);
  void on_body(ByteView bytes);
  void on_record(const http::Json& event);
  void on_subscribed(const http::Json& event);
  void on_offers(const http::Json& event);
  void on_update(const http::Json& status);
  void use(const std::string& offer_id, const Offer& offer);
  void reconcile();
  void watch_stream();
  void lose_stream();
  void check_host(const std::string& hostname);
  http::Json make_call(const std::string& type) const;
  void post(http::Json call, std::function<void(int status)> answered);
  void maybe_kill();
  bool settled(const TaskRecord& task) const;

  SimProcess& process_;
  SimLane& lane_;
  FrameworkOptions options_;
  Prng prng_;
  std::string framework_id_;
  std::string stream_id_;
  std::size_t master_ = 0;  // the one to ask next
  std::uint64_t subscriptions_ = 0;
  Instant heard_at_;
  Bytes records_;
  std::map<std::string, Offer> offers_;
  std::map<std::string, TaskRecord> tasks_;
  std::vector<std::string> complaints_;
  int launched_ = 0;
  std::unique_ptr<RawHttp> stream_;
  std::map<std::uint64_t, std::unique_ptr<RawHttp>> posts_;
  std::uint64_t post_next_ = 1;
  ports::Scope stream_scope_;
  ports::Scope scope_;
};

bool is_terminal(const std::string& state);

}  // namespace synod::sim::resources
