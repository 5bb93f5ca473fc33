#include "sim/resources/scenario.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "sim/faults.h"
#include "sim/network.h"
#include "sim/resources/framework.h"
#include "sim/resources/meddler.h"
#include "sim/resources/wire_check.h"
#include "sim/resources/witness.h"
#include "sim/world.h"

namespace synod::sim::resources {
namespace {

constexpr int coordinators_count = 3;
constexpr int masters_count = 2;
constexpr int agents_count = 2;
constexpr int late_agents_count = 6;     // join during coups,
constexpr int late_agents_together = 3;  // so many at a time
constexpr Duration ready_max = Duration::seconds(60);
constexpr Duration recovery_max = Duration::seconds(120);

struct Parameters {
  int tasks = 12;
  Duration storm;
  NetworkOptions network;
  FaultOptions coordinators;
  FaultOptions masters;
  FaultOptions agents;
  int coups = 0;
};

FaultOptions draw_faults(Prng& prng, std::int64_t gap_ms) {
  FaultOptions faults;
  faults.gap_min = Duration::millis(gap_ms / 4);
  faults.gap_max = Duration::millis(gap_ms);
  faults.outage_max = Duration::millis(prng.between(1000, 8000));
  for (std::uint64_t* weight :
       {&faults.kill, &faults.power, &faults.power_at_operation, &faults.pause, &faults.isolate,
        &faults.cut_links, &faults.break_streams, &faults.slow_disk, &faults.slow_link,
        &faults.take_turns}) {
    if (prng.chance(1, 3)) {
      *weight = 0;
    }
  }
  faults.kill += 1;
  return faults;
}

Parameters draw_parameters(Prng prng) {
  Parameters p;
  p.tasks = static_cast<int>(prng.between(4, 16));
  p.storm = Duration::millis(prng.between(5000, 25000));
  p.network.latency_max = Duration::micros(prng.between(100, 5000));
  p.network.chunk_lost_once_in = prng.chance(1, 3) ? 100 + prng.below(500) : 0;
  p.network.give_up_max = Duration::seconds(prng.between(2, 20));
  p.coordinators = draw_faults(prng, prng.between(2000, 12000));
  p.coordinators.power_all = 0;
  p.masters = draw_faults(prng, prng.between(800, 8000));
  p.agents = draw_faults(prng, prng.between(1500, 12000));
  // Power takes the tasks with it: seldom, so that most live through everything.
  p.agents.power = prng.chance(1, 4) ? 2 : 0;
  p.agents.power_at_operation = prng.chance(1, 4) ? 3 : 0;
  p.agents.power_all = 0;
  p.coups = static_cast<int>(prng.between(0, 3));
  return p;
}

std::string show(const Parameters& p) {
  return fmt::format("tasks={} storm={}ms latency={}us gaps={}/{}/{}ms agent_power={} coups={}",
                     p.tasks, p.storm.millis(), p.network.latency_max.micros(),
                     p.coordinators.gap_max.millis(), p.masters.gap_max.millis(),
                     p.agents.gap_max.millis(), p.agents.power, p.coups);
}

WorldOptions world_options(const coordination::ScenarioOptions& options) {
  WorldOptions result;
  result.seed = options.seed;
  result.trace = options.trace;
  result.log_level = options.trace != nullptr ? LogLevel::debug : LogLevel::info;
  return result;
}

class Run {
 public:
  Run(const coordination::ScenarioOptions& options, const Starters& starters)
      : options_(options),
        starters_(starters),
        parameters_(draw_parameters(Prng(options.seed).fork())),
        world_(world_options(options)),
        witness_(world_, FrameworkOptions{}.agent_total),
        wire_({"a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"}) {
    world_.network().set_tap([this](const SimNetwork::Tapped& tapped) { wire_.see(tapped); });
    world_.network().options() = parameters_.network;
    world_.note(show(parameters_));
    starters_.programs(world_);
  }

  Verdict run() {
    build();
    start_framework();
    if (prepare()) {
      storm();
      settle();
    }
    judge_all();
    Verdict verdict;
    verdict.findings = findings_;
    verdict.digest = world_.digest();
    verdict.events = world_.events();
    verdict.simulated = world_.now() - Instant();
    verdict.parameters = show(parameters_);
    verdict.summary = summary();
    if (!verdict.good() && options_.logs != nullptr) {
      world_.print_logs(*options_.logs);
    }
    return verdict;
  }

 private:
  std::vector<SimMachine*> add_machines(const std::string& prefix, const std::string& network,
                                        int count) {
    std::vector<SimMachine*> machines;
    for (int i = 1; i <= count; ++i) {
      MachineOptions machine;
      machine.name = fmt::format("{}{}", prefix, i);
      machine.address = fmt::format("{}.{}", network, i);
      machine.clock_offset = Duration::millis(world_.prng().between(0, 3'600'000));
      machine.clock_drift_ppm = world_.prng().between(-10'000, 10'000);
      machines.push_back(&world_.add_machine(machine));
    }
    return machines;
  }

  void build() {
    const auto coordinators = add_machines("n", "10.0.0", coordinators_count);
    const auto masters = add_machines("m", "10.0.2", masters_count);
    auto agents = add_machines("a", "10.0.3", agents_count + late_agents_count);
    late_agents_.assign(agents.begin() + agents_count, agents.end());
    agents.resize(agents_count);
    client_ = add_machines("f", "10.0.4", 1).front();
    coordinators_ = coordinators;
    std::vector<ports::Address> peers;
    for (SimMachine* machine : coordinators) {
      addresses_.push_back({machine->address(), 2181});
      peers.push_back({machine->address(), 2888});
    }
    for (SimMachine* machine : masters) {
      masters_.push_back({machine->address(), 5050});
    }
    std::vector<SimMachine*> others = masters;
    others.insert(others.end(), agents.begin(), agents.end());
    add_faults(coordinators, others, parameters_.coordinators, [this, peers](SimMachine& machine) {
      coordination::ServerPlan plan;
      plan.id = machine.name()[1] - '0';
      plan.peers = peers;
      return Main(
          [this, plan](SimProcess& process) { return starters_.coordinator(process, plan); });
    });
    others = agents;
    others.push_back(client_);
    add_faults(masters, others, parameters_.masters, [this](SimMachine& machine) {
      MasterPlan plan;
      plan.name = machine.name();
      plan.coordinators = addresses_;
      plan.listen = {machine.address(), 5050};
      plan.planted = options_.planted;
      return Main([this, plan](SimProcess& process) { return starters_.master(process, plan); });
    });
    const auto make_agent = [this](SimMachine& machine) {
      AgentPlan plan;
      plan.name = machine.name();
      plan.coordinators = addresses_;
      plan.listen = {machine.address(), 5051};
      plan.resources = "cpus:4;mem:4000;disk:10000;ports:[31000-31100]";
      plan.planted = options_.planted;
      return Main([this, plan](SimProcess& process) { return starters_.agent(process, plan); });
    };
    add_faults(agents, masters, parameters_.agents, make_agent);
    for (const auto& faults : faults_) {
      faults->start_all();
    }
    // Only started, and started again if they exit.
    for (SimMachine* machine : late_agents_) {
      add_faults({machine}, {}, FaultOptions{}, make_agent);
    }
  }

  void add_faults(const std::vector<SimMachine*>& targets, const std::vector<SimMachine*>& others,
                  const FaultOptions& options, std::function<Main(SimMachine&)> make) {
    faults_.push_back(
        std::make_unique<Faults>(world_, targets, others, options,
                                 [make = std::move(make)](SimMachine& machine) -> SimProcess& {
                                   return machine.start(machine.name(), make(machine));
                                 }));
  }

  void start_framework() {
    FrameworkOptions framework;
    framework.masters = masters_;
    framework.tasks = parameters_.tasks;
    framework.running = [this](const std::string& hostname) { return witness_.running(hostname); };
    process_ = &client_->start("framework", [framework](SimProcess& process) {
      return std::make_shared<Framework>(process, framework);
    });
    coordination::ClientOptions client;
    client.servers = addresses_;
    client.session_timeout_ms = 6000;
    meddler_ = &client_->start("meddler", [client](SimProcess& process) {
      return std::make_shared<Meddler>(process, client);
    });
    auditor_ = &client_->start("auditor", [this, client](SimProcess& process) {
      return std::make_shared<Auditor>(process, client, masters_);
    });
    world_.run_for(Duration::millis(50));
  }

  Framework& framework() const { return *process_->program<Framework>(); }

  bool prepare() {
    const bool ready =
        world_.run_until(world_.now() + ready_max, [this] { return !witness_.runs().empty(); });
    if (!ready) {
      findings_.push_back("liveness: no task ran within 60 s of a quiet start: " +
                          framework().waits_for());
    }
    return ready;
  }

  void storm() {
    const Instant end = world_.now() + parameters_.storm;
    for (std::size_t i = 0; i < 3; ++i) {
      faults_[i]->begin(end);
    }
    for (int i = 0; i < parameters_.coups; ++i) {
      world_.after(Duration::millis(world_.prng().between(500, parameters_.storm.millis())),
                   [this] { coup(); });
    }
    world_.run_until(end);
    // Late agents that no coup has called stay away.
    const std::size_t started = 3 + static_cast<std::size_t>(late_agents_started_);
    for (std::size_t i = 0; i < started; ++i) {
      faults_[i]->calm();
    }
  }

  // Removes the leader behind its back: it is kept from hearing of it for a while.
  void coup() {
    auto* meddler = meddler_->program<Meddler>();
    const std::uint64_t kind = world_.prng().below(3);
    // The processes it runs in belong to nobody: what follows is the world's doing.
    meddler->find_leader([this, kind](const std::string& path, const Bytes& data) {
      world_.at(world_.here(), [this, kind, path, data] {
        for (const ports::Address& master : masters_) {
          if (data.find(master.host) == std::string::npos) {
            continue;
          }
          SimMachine& leader = *world_.find_machine(master.host);
          if (kind == 0) {
            race(leader, path);
          } else {
            strike(leader, path, data, kind == 1);
          }
        }
      });
    });
  }

  // Agents that join just now are admitted by one of two masters.
  void start_late_agents(std::int64_t within_ms) {
    for (int i = 0; i < late_agents_together && late_agents_started_ < late_agents_count; ++i) {
      Faults& faults = *faults_[3 + static_cast<std::size_t>(late_agents_started_++)];
      world_.after(Duration::millis(world_.prng().between(0, within_ms)),
                   [&faults] { faults.start_all(); });
    }
  }

  // The leader loses its place while agents come to it, and the coordinators are slow: what it
  // still writes comes into the log about when the next one looks at the registry.
  void race(SimMachine& leader, const std::string& path) {
    world_.note("race against " + leader.name());
    start_late_agents(150);
    const Duration lag = Duration::millis(world_.prng().between(20, 150));
    const Duration lead = Duration::millis(world_.prng().between(10, 120));
    world_.after(lead, [this, &leader, path, lag] {
      for (SimMachine* coordinator : coordinators_) {
        world_.network().cut(coordinator->name(), leader.name());
        for (SimMachine* other : coordinators_) {
          if (other != coordinator) {
            world_.network().slow(coordinator->name(), other->name(), lag);
          }
        }
      }
      meddler_->program<Meddler>()->remove(path);
    });
    world_.after(lead + Duration::seconds(2), [this, &leader] {
      for (SimMachine* coordinator : coordinators_) {
        world_.network().heal(coordinator->name(), leader.name());
        for (SimMachine* other : coordinators_) {
          world_.network().slow(coordinator->name(), other->name(), Duration());
        }
      }
    });
  }

  void strike(SimMachine& leader, const std::string& path, const Bytes& data, bool goes_back) {
    world_.note("coup against " + leader.name());
    for (SimMachine* coordinator : coordinators_) {
      world_.network().cut(coordinator->name(), leader.name());
      if (goes_back) {
        world_.network().cut(leader.name(), coordinator->name());
      }
    }
    const Duration apart = Duration::millis(world_.prng().between(50, 1500));
    auto* meddler = meddler_->program<Meddler>();
    if (!goes_back) {
      start_late_agents(40);
    }
    world_.after(Duration::millis(world_.prng().between(0, 40)),
                 [meddler, path] { meddler->remove(path); });
    if (goes_back) {
      world_.after(apart, [meddler, path, data] { meddler->put(path, data); });
      world_.after(apart * 2, [meddler, path] { meddler->remove(path); });
    }
    world_.after(apart * 3, [this, &leader] {
      for (SimMachine* coordinator : coordinators_) {
        world_.network().heal(coordinator->name(), leader.name());
        world_.network().heal(leader.name(), coordinator->name());
      }
    });
  }

  void settle() {
    framework().finish();
    if (!world_.run_until(world_.now() + recovery_max, [this] { return framework().done(); })) {
      findings_.push_back("liveness: not all is told 120 s after the last fault: " +
                          framework().waits_for());
    }
    // What was told last may still be contradicted.
    world_.run_for(Duration::seconds(10));
  }

  void judge_all() {
    for (const std::vector<std::string>& found :
         {judge(witness_, framework().tasks()), framework().complaints(), wire_.complaints(),
          auditor_->program<Auditor>()->complaints()}) {
      findings_.insert(findings_.end(), found.begin(), found.end());
    }
    if (findings_.size() > 20) {
      findings_.resize(20);
    }
  }

  std::string summary() const {
    std::string text =
        fmt::format("{} tasks, {} ran, {} subscriptions, {} calls of agents, {} audits,",
                    framework().tasks().size(), witness_.runs().size(), framework().subscriptions(),
                    wire_.calls(), auditor_->program<Auditor>()->audits());
    for (const auto& faults : faults_) {
      for (const auto& [kind, count] : faults->counts()) {
        text += fmt::format(" {} {}", count, kind);
      }
      text += ";";
    }
    return text;
  }

  const coordination::ScenarioOptions& options_;
  const Starters& starters_;
  Parameters parameters_;
  std::vector<std::string> findings_;
  World world_;
  Witness witness_;
  WireCheck wire_;
  std::vector<ports::Address> addresses_;
  std::vector<ports::Address> masters_;
  SimMachine* client_ = nullptr;
  SimProcess* process_ = nullptr;
  SimProcess* meddler_ = nullptr;
  SimProcess* auditor_ = nullptr;
  std::vector<SimMachine*> coordinators_;
  std::vector<SimMachine*> late_agents_;
  int late_agents_started_ = 0;
  std::vector<std::unique_ptr<Faults>> faults_;
};

}  // namespace

Verdict run_scenario(const coordination::ScenarioOptions& options, const Starters& starters) {
  return Run(options, starters).run();
}

}  // namespace synod::sim::resources
