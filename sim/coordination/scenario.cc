#include "sim/coordination/scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "sim/coordination/checker.h"
#include "sim/coordination/flood.h"
#include "sim/coordination/parameters.h"
#include "sim/coordination/prober.h"
#include "sim/coordination/reconfigurer.h"
#include "sim/coordination/workload.h"
#include "sim/faults.h"
#include "sim/network.h"
#include "sim/world.h"

namespace synod::sim::coordination {
namespace {

constexpr Duration ready_max = Duration::seconds(30);
// After the last fault: elections, stale connections, sessions that end, then all is well again.
constexpr Duration recovery_max = Duration::seconds(40);
// Where disks forget or rot, one server may wait for another that cannot answer: so long, and then
// it goes on (decision 0132).
constexpr Duration doubt_max = Duration::seconds(60);
// A partial partition: after this long whoever is in the midst serves, and goes on to.
constexpr Duration partial_bound = Duration::seconds(6);
// The end of a connection is noticed, then a way around is looked for, then a session is opened.
constexpr Duration far_bound = Duration::seconds(9);
constexpr int leaders_max = 5;
// While some ask for much too much, one that asks for little is answered within this; and within
// normal_max once nobody has asked for too much for overload_over_max.
constexpr Duration overloaded_max = Duration::seconds(2);
constexpr Duration overload_over_max = Duration::seconds(30);
constexpr Duration normal_max = Duration::millis(500);
// A session that ends takes so long at most to hear of it, once all is calm.
constexpr Duration told_max = Duration::seconds(2);

WorldOptions world_options(const ScenarioOptions& options, const Parameters& parameters) {
  WorldOptions result;
  result.seed = options.seed;
  result.trace = options.trace;
  result.log_level = options.trace != nullptr ? LogLevel::debug : LogLevel::info;
  result.lane_tasks_max = parameters.lane_tasks_max;
  return result;
}

class Run {
 public:
  Run(const ScenarioOptions& options, const StartServer& start)
      : options_(options),
        start_(start),
        parameters_(draw_parameters(options)),
        world_(world_options(options, parameters_)) {
    world_.network().options() = parameters_.network;
    world_.note(show(parameters_));
  }

  Verdict run() {
    build();
    if (prepare()) {
      storm();
      if (settle()) {
        audit();
        compare_snapshots();
      }
      const Findings judged = check_history(history_);
      for (const std::string& finding : judged.all()) {
        findings_.add(finding);
      }
    }
    Verdict verdict;
    verdict.findings = findings_.all();
    verdict.digest = world_.digest();
    verdict.events = world_.events();
    verdict.simulated = world_.now() - Instant();
    verdict.parameters = show(parameters_);
    verdict.summary = fmt::format("{} operations,", history_.operations.size());
    verdict.summary += changes_ == 0 ? "" : fmt::format(" {} changes of members", changes_);
    verdict.summary += stands_still_ ? " stood still: a second disk was lost in a change" : "";
    if (faults_ != nullptr) {
      verdict.strikes = faults_->strikes();
      for (const auto& [kind, count] : faults_->counts()) {
        verdict.summary += fmt::format(" {} {}", count, kind);
      }
    }
    if (!verdict.good() && options_.logs != nullptr) {
      world_.print_logs(*options_.logs);
    }
    return verdict;
  }

 private:
  void build() {
    history_.linearizable_reads = parameters_.linearizable_reads;
    older_ = parameters_.releases.older;
    for (int id = 1; id <= servers_all(); ++id) {
      MachineOptions machine;
      machine.name = fmt::format("n{}", id);
      machine.address = fmt::format("10.0.0.{}", id);
      machine.clock_offset = Duration::millis(world_.prng().between(0, 3'600'000));
      machine.clock_drift_ppm =
          world_.prng().between(-parameters_.drift_ppm_max, parameters_.drift_ppm_max);
      machine.disk.flush_latency_max = Duration::micros(world_.prng().between(200, 8000));
      servers_.push_back(&world_.add_machine(machine));
      addresses_.push_back({machine.address, 2181});
      peers_.push_back({machine.address, 2888});
    }
    for (int number = 0; number < parameters_.clients; ++number) {
      client_machines_.push_back(
          &world_.add_machine({.name = fmt::format("c{}", number),
                               .address = fmt::format("10.0.1.{}", number + 1),
                               .disk = {},
                               .clock_offset = {},
                               .clock_drift_ppm = world_.prng().between(-20'000, 20'000)}));
    }
    faults_ = std::make_unique<Faults>(
        world_, servers_, client_machines_, parameters_.faults,
        [this](SimMachine& machine) -> SimProcess& {
          ServerPlan plan;
          plan.id = machine.name()[1] - '0';
          plan.peers = peers_;
          plan.voters = parameters_.servers;
          plan.listed = parameters_.servers + parameters_.observers;
          plan.reconfig = parameters_.spares != 0;
          plan.groups = parameters_.groups;
          plan.snapshot_count = parameters_.snapshot_count;
          plan.log_slots_kept = parameters_.log_slots_kept;
          plan.edge_lanes = parameters_.edge_lanes;
          plan.linearizable_reads = parameters_.linearizable_reads;
          plan.tick_ms = parameters_.tick_ms;
          plan.lease_ms = parameters_.lease_ms;
          plan.small_queues = parameters_.floods > 0;
          if (older_.count(plan.id) != 0) {
            plan.rules = parameters_.releases.older_rules;
            plan.peer_format = parameters_.releases.older_format;
          }
          // One that runs other rules than the others is what that bug is about.
          const bool other = options_.planted == PlantedBug::other_rules && plan.id != 1;
          plan.planted = other ? PlantedBug::none : options_.planted;
          return machine.start("coordinator",
                               [this, plan](SimProcess& process) { return start_(process, plan); });
        });
    faults_->set_leads(options_.leads);
    faults_->set_lacks(options_.lacks_voter);
    history_.on_completed = [this](const Operation& operation) {
      if (is_write(operation.op) && operation.header.err == 0) {
        world_.at(world_.here(), [this] { faults_->answered(); });
      }
    };
    faults_->start_all();
  }

  int servers_all() const {
    return parameters_.servers + parameters_.observers + parameters_.spares;
  }

  ClientOptions client_options(int number) const {
    ClientOptions client;
    client.number = number;
    client.servers = addresses_;
    client.session_timeout_ms = parameters_.session_timeout_ms;
    return client;
  }

  // True once `process` runs a T that is done.
  template <typename T>
  static bool is_done(const SimProcess& process) {
    const T* program = process.program<T>();
    return program != nullptr && program->done();
  }

  bool prepare() {
    SimProcess& ground = client_machines_[0]->start("groundwork", [this](SimProcess& process) {
      return std::make_shared<Groundwork>(process, history_, client_options(100),
                                          parameters_.clients);
    });
    if (!world_.run_until(world_.now() + ready_max, [&] { return is_done<Groundwork>(ground); })) {
      findings_.add("liveness: a fresh ensemble took no writes within 30 s");
      return false;
    }
    ground.kill();
    return true;
  }

  void storm() {
    for (int number = 0; number < parameters_.clients; ++number) {
      WorkloadOptions workload;
      workload.client = client_options(number);
      workload.clients = parameters_.clients;
      workload.operations = parameters_.operations;
      workload.burst_max = parameters_.burst_max;
      workload.data_max = parameters_.data_max;
      // Such that the work lasts for about as long as the storm.
      workload.think_max = parameters_.storm * parameters_.burst_max / parameters_.operations;
      clients_.push_back(&client_machines_[static_cast<std::size_t>(number)]->start(
          "client", [this, workload](SimProcess& process) {
            return std::make_shared<Workload>(process, history_, workload);
          }));
    }
    const Instant end = world_.now() + parameters_.storm;
    if (parameters_.floods > 0) {
      overload(end);
    } else if (parameters_.partial.has_value() && options_.leads) {
      hold_partial(*parameters_.partial, end);
    } else {
      SimProcess* reconfigurer = parameters_.spares == 0 ? nullptr : &start_reconfigurer();
      change_releases();
      faults_->begin(end);
      world_.run_until(end);
      if (reconfigurer != nullptr) {
        const auto* done = reconfigurer->program<Reconfigurer>();
        changes_ = done == nullptr ? 0 : done->changes();
        reconfigurer->kill();
      }
    }
    faults_->calm();
  }

  void change_releases() {
    for (const Releases::Change& change : parameters_.releases.changes) {
      world_.after(change.at, [this, id = change.server] {
        const bool upgrade = older_.erase(id) != 0;
        if (!upgrade) {
          older_.insert(id);
        }
        world_.note(fmt::format("n{} is {}graded", id, upgrade ? "up" : "down"));
        faults_->restart(*servers_[static_cast<std::size_t>(id - 1)]);
      });
    }
  }

  SimProcess& start_reconfigurer() {
    ReconfigurerOptions changes;
    changes.client = client_options(300);
    changes.peers = peers_;
    const FaultOptions& faults = parameters_.faults;
    const bool loses = faults.wipe + faults.corrupt + faults.lost_writes + faults.amnesia > 0;
    changes.voters_min = loses ? 3 : 1;
    changes.whole = faults.part_once_in != 0;
    changes.on_ask = [this](const std::set<std::size_t>& voters) {
      world_.at(world_.here(), [this, voters] { faults_->change_asked(voters); });
    };
    changes.gap_max = Duration::millis(world_.prng().between(500, 5000));
    return client_machines_[0]->start("reconfigurer", [changes](SimProcess& process) {
      return std::make_shared<Reconfigurer>(process, changes);
    });
  }

  // Those that the leader takes for members; all, if none ever changed.
  std::set<int> members() {
    std::set<int> all;
    for (int id = 1; id <= servers_all(); ++id) {
      all.insert(id);
    }
    if (parameters_.spares == 0 || !options_.members) {
      return all;
    }
    world_.run_until(world_.now() + recovery(), [&] { return faults_->leader() != nullptr; });
    SimMachine* leader = faults_->leader();
    return leader == nullptr ? all : options_.members(*faults_->process(*leader));
  }

  // One that writes at one server alone.
  struct Watched {
    SimMachine* server = nullptr;
    SimProcess* prober = nullptr;
    Duration bound;
    Instant served_at = {};
  };

  Watched watch_server(SimMachine& server, int number, Duration bound) {
    ClientOptions client = client_options(number);
    client.servers = {{server.address(), 2181}};
    SimProcess& prober = client_machines_[0]->start("prober", [this, client](SimProcess& self) {
      return std::make_shared<Prober>(self, history_, client);
    });
    return {&server, &prober, bound, world_.now()};
  }

  // The partition stands until `end`. Whoever is in the midst of it must take writes soon, and go
  // on to; the others too, as soon as they have found the way through the midst; and the ensemble
  // must not change leaders all the time.
  void hold_partial(Faults::Partial kind, Instant end) {
    world_.run_until(world_.now() + Duration::seconds(2),
                     [&] { return faults_->leader() != nullptr; });
    SimMachine* midst = faults_->begin_partial(kind);
    if (midst == nullptr) {
      findings_.add("liveness: nobody leads before the partition");
      return;
    }
    // A constrained election begins with a node that falls behind.
    std::vector<Watched> watched = {watch_server(*midst, 200, partial_bound + Faults::partial_lag)};
    for (SimMachine* server : servers_) {
      if (server != midst && kind != Faults::Partial::constrained) {
        const int number = 201 + static_cast<int>(watched.size());
        watched.push_back(watch_server(*server, number, far_bound));
      }
    }
    int leaders = 0;
    SimMachine* leader = nullptr;
    while (world_.now() < end && all_are_served(watched)) {
      world_.run_for(Duration::millis(50));
      if (SimMachine* now = faults_->leader(); now != nullptr && now != leader) {
        leader = now;
        ++leaders;
      }
    }
    if (leaders > leaders_max) {
      findings_.add(fmt::format("liveness: {} changes of leader in one partition", leaders));
    }
    for (const Watched& one : watched) {
      one.prober->kill();
    }
  }

  bool all_are_served(std::vector<Watched>& watched) {
    for (Watched& one : watched) {
      const Prober* prober = one.prober->program<Prober>();
      one.served_at =
          prober == nullptr ? one.served_at : std::max(one.served_at, prober->served_at());
      if (world_.now() - one.served_at > one.bound) {
        findings_.add(
            fmt::format("liveness: {} took no write for {} ms in a partition with a "
                        "server in its midst",
                        one.server->name(), one.bound.millis()));
        return false;
      }
    }
    return true;
  }

  // Until `end` some ask for all they can. Whoever asks for little is served all the time, nobody
  // is cut off, and soon after the end all is as it was.
  void overload(Instant end) {
    std::vector<SimProcess*> floods;
    for (int i = 0; i < parameters_.floods; ++i) {
      FloodOptions flood;
      flood.client = client_options(300 + i);
      SimMachine& machine =
          *client_machines_[static_cast<std::size_t>(i) % client_machines_.size()];
      floods.push_back(&machine.start(
          "flood", [flood](SimProcess& self) { return std::make_shared<Flood>(self, flood); }));
    }
    SimProcess& process = client_machines_[0]->start("prober", [this](SimProcess& self) {
      return std::make_shared<Prober>(self, history_, client_options(200));
    });
    world_.run_for(Duration::seconds(3));  // all have their sessions
    Prober& prober = *process.program<Prober>();
    watch(prober, end, overloaded_max, "while others ask for too much");
    std::uint64_t answered = 0;
    for (SimProcess* flood : floods) {
      Flood& program = *flood->program<Flood>();
      answered += program.answered();
      for (const std::string& complaint : program.complaints()) {
        findings_.add("overload: " + complaint);
      }
      if (program.answered() == 0) {
        findings_.add("overload: one that asks for too much is answered nothing at all");
      }
    }
    world_.note(fmt::format("floods were answered {} times", answered));
    for (std::size_t i = 0; i < floods.size(); ++i) {
      if (i % 2 == 0) {
        floods[i]->kill();
      } else {
        floods[i]->program<Flood>()->stop();
      }
    }
    world_.run_for(overload_over_max);
    watch(prober, world_.now() + Duration::seconds(3), normal_max,
          "30 s after others asked for too much");
    for (std::size_t i = 1; i < floods.size(); i += 2) {
      floods[i]->kill();
    }
    process.kill();
  }

  void watch(Prober& prober, Instant end, Duration bound, const char* when) {
    (void)prober.take_slowest();
    while (world_.now() < end) {
      world_.run_for(Duration::millis(50));
      const Duration slowest = std::max(prober.take_slowest(),
                                        world_.now() - prober.served_at() - Duration::millis(100));
      if (slowest > bound) {
        findings_.add(
            fmt::format("overload: {} a single write took {} ms", when, slowest.millis()));
        return;
      }
    }
  }

  Duration recovery() const {
    const FaultOptions& faults = parameters_.faults;
    return faults.lost_writes > 0 || faults.corrupt > 0 ? recovery_max + doubt_max : recovery_max;
  }

  // The storm takes one disk at a time, and none while a voter is missing that was never heard of.
  // But a leader that has not noticed yet may make a voter of one that lost its disk just before,
  // beside such a one: that is a second loss, and to go on then would be a fault.
  bool beyond_repair() const {
    if (!options_.lost || parameters_.spares == 0 || !faults_->wiped()) {
      return false;
    }
    std::map<int, const SimProcess*> running;
    for (SimMachine* machine : servers_) {
      if (const SimProcess* process = faults_->process(*machine)) {
        running[machine->name()[1] - '0'] = process;
      }
    }
    return running.size() == servers_.size() && options_.lost(running);
  }

  // Every client is served again, then all sessions end: some are closed, some expire.
  bool settle() {
    for (SimProcess* client : clients_) {
      client->program<Workload>()->finish();
    }
    const auto all_served = [this] {
      for (SimProcess* client : clients_) {
        Workload* workload = client->program<Workload>();
        if (!workload->client().ready() || !workload->done()) {
          return false;
        }
      }
      return true;
    };
    if (!world_.run_until(world_.now() + recovery(), all_served)) {
      if (beyond_repair()) {
        stands_still_ = true;
        return false;
      }
      findings_.add(fmt::format("liveness: not every client is served {} s after the last fault",
                                recovery().seconds()));
      return false;
    }
    // They do nothing but ping. Who was found silent before is told so meanwhile; from then on
    // nobody's session may end.
    world_.run_for(told_max);
    history_.calm_from = world_.now();
    world_.run_for(Duration::millis(parameters_.session_timeout_ms) * 3 / 2);
    for (SimProcess* client : clients_) {
      Workload* workload = client->program<Workload>();
      if (world_.prng().chance(1, 2) || !workload->client().ready()) {
        client->kill();
      } else {
        workload->client().submit(zkwire::OpCode::close_session, zkwire::EmptyRequest{});
        world_.after(Duration::seconds(1), [client] { client->kill(); });
      }
    }
    world_.run_for(Duration::millis(parameters_.session_timeout_ms) * 3 + Duration::seconds(3));
    return true;
  }

  // Reads everything from each replica by itself: no ephemeral is left, and all are equal.
  void audit() {
    std::vector<std::string> first;
    for (const int id : members()) {
      ClientOptions client = client_options(100 + id);
      client.servers = {addresses_[static_cast<std::size_t>(id - 1)]};
      client.session_timeout_ms = 5000;
      SimProcess& process = client_machines_[0]->start("audit", [this, client](SimProcess& self) {
        return std::make_shared<Audit>(self, history_, client);
      });
      if (!world_.run_until(world_.now() + recovery(), [&] { return is_done<Audit>(process); })) {
        findings_.add(fmt::format("liveness: replica {} cannot be read {} s after the calm", id,
                                  recovery().seconds()));
        return;
      }
      history_.audited = true;
      const std::vector<std::string>& seen = process.program<Audit>()->seen();
      for (const std::string& line : seen) {
        if (line.starts_with("/e/")) {
          findings_.add("ephemerals: left behind by its session: " + line);
        }
      }
      if (first.empty()) {
        first = seen;
      } else if (seen != first) {
        compare(first, seen, id);
      }
      process.kill();
    }
  }

  // Equal states, equal bytes: snapshots of one slot are the same file everywhere.
  void compare_snapshots() {
    std::map<std::string, std::pair<std::string, Bytes>> first;  // by path: whose, what
    for (SimMachine* machine : servers_) {
      if (machine == faults_->victim()) {
        continue;  // its bits were flipped
      }
      for (auto& [path, bytes] : machine->disk().peek("/data/snapshots/snapshot-")) {
        if (path.ends_with(".damaged")) {
          continue;
        }
        const auto [it, fresh] = first.try_emplace(path, machine->name(), bytes);
        if (!fresh && it->second.second != bytes) {
          const Bytes& other = it->second.second;
          const auto apart = std::mismatch(bytes.begin(), bytes.end(), other.begin(), other.end());
          findings_.add(fmt::format("replicas: {} has other bytes on {} than on {}: from {} of {}",
                                    path, machine->name(), it->second.first,
                                    apart.first - bytes.begin(), bytes.size()));
        }
      }
    }
  }

  void compare(const std::vector<std::string>& first, const std::vector<std::string>& other,
               int id) {
    std::vector<std::string> apart;
    std::set_symmetric_difference(first.begin(), first.end(), other.begin(), other.end(),
                                  std::back_inserter(apart));
    findings_.add(fmt::format("replicas: 1 and {} differ in {} lines, first: {}", id, apart.size(),
                              apart.empty() ? "(order)" : apart.front()));
  }

  const ScenarioOptions& options_;
  const StartServer& start_;
  Parameters parameters_;
  History history_;
  Findings findings_;
  World world_;
  std::vector<SimMachine*> servers_;
  std::vector<SimMachine*> client_machines_;
  std::vector<ports::Address> addresses_;
  std::vector<ports::Address> peers_;
  std::vector<SimProcess*> clients_;
  std::unique_ptr<Faults> faults_;
  std::set<int> older_;  // servers whose next process is of the older release
  int changes_ = 0;
  bool stands_still_ = false;
};

}  // namespace

Verdict run_scenario(const ScenarioOptions& options, const StartServer& start) {
  return Run(options, start).run();
}

}  // namespace synod::sim::coordination
