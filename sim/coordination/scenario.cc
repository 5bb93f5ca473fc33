#include "sim/coordination/scenario.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "sim/coordination/checker.h"
#include "sim/coordination/workload.h"
#include "sim/faults.h"
#include "sim/network.h"
#include "sim/world.h"

namespace synod::sim::coordination {
namespace {

constexpr Duration ready_max = Duration::seconds(30);
// After the last fault: elections, stale connections, sessions that end, then all is well again.
constexpr Duration recovery_max = Duration::seconds(40);

struct Parameters {
  std::string aim = "all";
  int servers = 3;
  int clients = 4;
  int operations = 100;
  Duration storm;
  std::int32_t session_timeout_ms = 4000;
  std::uint64_t snapshot_count = 200;
  int edge_lanes = 0;
  NetworkOptions network;
  FaultOptions faults;
  std::size_t lane_tasks_max = limits::lane_tasks_max;
};

// Half of all runs aim at one weakness.
void aim_faults(Prng& prng, Parameters& p) {
  switch (prng.below(4)) {
    case 0:
      // Answers on a quick network, long before disks have done their work, and then darkness.
      p.aim = "dark";
      p.faults = FaultOptions{.power_all = 0};
      for (std::uint64_t* weight :
           {&p.faults.kill, &p.faults.power, &p.faults.power_at_operation, &p.faults.pause,
            &p.faults.isolate, &p.faults.cut_links, &p.faults.slow_disk, &p.faults.take_turns}) {
        *weight = 0;
      }
      p.faults.shuffle_disks = 20;
      p.faults.gap_max = Duration::millis(prng.between(300, 1500));
      p.faults.dark_once_in = static_cast<std::uint64_t>(prng.between(1, 8));
      p.network.latency_max = Duration::micros(prng.between(100, 500));
      p.storm = Duration::millis(prng.between(8000, 20000));
      break;
    case 1:
      // Histories that diverge: leaders deposed while their clients go on.
      p.aim = "depose";
      p.faults.depose = 40;
      p.faults.gap_max = Duration::millis(prng.between(300, 2500));
      p.storm = Duration::millis(prng.between(8000, 20000));
      break;
    default: break;
  }
}

Parameters draw_parameters(Prng prng) {
  Parameters p;
  p.servers = prng.chance(1, 4) ? 5 : 3;
  p.clients = static_cast<int>(prng.between(2, 4));
  p.operations = static_cast<int>(prng.between(60, 160));
  p.storm = Duration::millis(prng.between(3000, 15000));
  p.snapshot_count = prng.chance(1, 3) ? 100'000 : 20 + prng.below(300);
  p.edge_lanes = static_cast<int>(prng.below(3));
  p.session_timeout_ms = static_cast<std::int32_t>(prng.between(1500, 5000));
  p.network.latency_max = Duration::micros(prng.between(100, 5000));
  p.network.chunk_lost_once_in = prng.chance(1, 3) ? 50 + prng.below(500) : 0;
  p.network.dial_hangs_once_in = prng.chance(1, 3) ? 20 : 0;
  p.network.window_bytes = prng.chance(1, 4) ? 4096 : 256 << 10;
  p.network.give_up_max = Duration::seconds(prng.between(2, 20));
  p.faults.gap_max = Duration::millis(prng.between(100, 2500));
  // Some kinds at a time: a storm of one sort digs deeper than a mixture of all.
  for (std::uint64_t* weight :
       {&p.faults.kill, &p.faults.power, &p.faults.power_at_operation, &p.faults.power_all,
        &p.faults.pause, &p.faults.isolate, &p.faults.cut_links, &p.faults.break_streams,
        &p.faults.slow_disk, &p.faults.slow_link, &p.faults.take_turns}) {
    if (prng.chance(1, 3)) {
      *weight = 0;
    }
  }
  p.faults.kill += 1;
  p.faults.wipe = prng.chance(1, 3) ? 6 : 0;
  aim_faults(prng, p);
  return p;
}

std::string show(const Parameters& p) {
  return fmt::format(
      "aim={} servers={} edges={} snapshots={} clients={} operations={} storm={}ms session={}ms "
      "latency={}us lost={} gap={}ms "
      "kill={} power={} at_operation={} all={} pause={} isolate={} cut={} break={} disk={} link={} "
      "turns={} wipe={}",
      p.aim, p.servers, p.edge_lanes, p.snapshot_count, p.clients, p.operations, p.storm.millis(),
      p.session_timeout_ms, p.network.latency_max.micros(), p.network.chunk_lost_once_in,
      p.faults.gap_max.millis(), p.faults.kill, p.faults.power, p.faults.power_at_operation,
      p.faults.power_all, p.faults.pause, p.faults.isolate, p.faults.cut_links,
      p.faults.break_streams, p.faults.slow_disk, p.faults.slow_link, p.faults.take_turns,
      p.faults.wipe);
}

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
        parameters_(draw_parameters(Prng(options.seed).fork())),
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
    if (faults_ != nullptr) {
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
    for (int id = 1; id <= parameters_.servers; ++id) {
      MachineOptions machine;
      machine.name = fmt::format("n{}", id);
      machine.address = fmt::format("10.0.0.{}", id);
      machine.clock_offset = Duration::millis(world_.prng().between(0, 3'600'000));
      machine.clock_drift_ppm = world_.prng().between(-20'000, 20'000);
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
          plan.snapshot_count = parameters_.snapshot_count;
          plan.edge_lanes = parameters_.edge_lanes;
          plan.planted = options_.planted;
          return machine.start("coordinator",
                               [this, plan](SimProcess& process) { return start_(process, plan); });
        });
    faults_->set_leads(options_.leads);
    history_.on_completed = [this](const Operation& operation) {
      if (is_write(operation.op) && operation.header.err == 0) {
        world_.at(world_.here(), [this] { faults_->answered(); });
      }
    };
    faults_->start_all();
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
      workload.think_max = parameters_.storm / parameters_.operations * 6;
      clients_.push_back(&client_machines_[static_cast<std::size_t>(number)]->start(
          "client", [this, workload](SimProcess& process) {
            return std::make_shared<Workload>(process, history_, workload);
          }));
    }
    const Instant end = world_.now() + parameters_.storm;
    faults_->begin(end);
    world_.run_until(end);
    faults_->calm();
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
    if (!world_.run_until(world_.now() + recovery_max, all_served)) {
      findings_.add("liveness: not every client is served 40 s after the last fault");
      return false;
    }
    for (SimProcess* client : clients_) {
      if (world_.prng().chance(1, 2)) {
        client->kill();
      } else {
        client->program<Workload>()->client().submit(zkwire::OpCode::close_session,
                                                     zkwire::EmptyRequest{});
        world_.after(Duration::seconds(1), [client] { client->kill(); });
      }
    }
    world_.run_for(Duration::millis(parameters_.session_timeout_ms) * 3 + Duration::seconds(3));
    return true;
  }

  // Reads everything from each replica by itself: no ephemeral is left, and all are equal.
  void audit() {
    std::vector<std::string> first;
    for (int id = 1; id <= parameters_.servers; ++id) {
      ClientOptions client = client_options(100 + id);
      client.servers = {addresses_[static_cast<std::size_t>(id - 1)]};
      client.session_timeout_ms = 5000;
      SimProcess& process = client_machines_[0]->start("audit", [this, client](SimProcess& self) {
        return std::make_shared<Audit>(self, history_, client);
      });
      if (!world_.run_until(world_.now() + recovery_max, [&] { return is_done<Audit>(process); })) {
        findings_.add(fmt::format("liveness: replica {} cannot be read 40 s after the calm", id));
        return;
      }
      const std::vector<std::string>& seen = process.program<Audit>()->seen();
      for (const std::string& line : seen) {
        if (line.starts_with("/e/")) {
          findings_.add("ephemerals: left behind by its session: " + line);
        }
      }
      if (id == 1) {
        first = seen;
      } else if (seen != first) {
        compare(first, seen, id);
      }
      process.kill();
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
};

}  // namespace

Verdict run_scenario(const ScenarioOptions& options, const StartServer& start) {
  return Run(options, start).run();
}

}  // namespace synod::sim::coordination
