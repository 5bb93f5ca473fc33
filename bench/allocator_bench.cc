// The allocator at the shapes of Mesos' own allocator benchmarks: A agents of
// `cpus:24;mem:4096;disk:4096;ports:[31000-32000]`, each with a used part that belongs to one of F
// frameworks, spread over R roles (1: all in "*").
//
// One iteration is what the name says, done to all agents:
//   steady    every offer is given back without a filter, and all is offered again
//   decline   every offer is refused for good, and goes to another framework
//   keep      every offer is split into a kept task and a refused rest
//   add       the agents are added, and their free parts offered
//   revive    every framework revives, one call each, while everything is on offer
//   idle      a wake-up with nothing to do
// The Mesos of 2024 needs 47 to 95 microseconds an offer on the machine this was written on, and
// 550 bytes for each pair of role and agent; items_per_second is offers, here and there.
#include <benchmark/benchmark.h>

#include "allocator/allocator.h"
#include "resources/text.h"

namespace synod::allocator {
namespace {

Resources amount(const std::string& text) { return resources::parse_resources(text).value(); }

class Cluster {
 public:
  Cluster(std::int64_t agents, std::int64_t frameworks, std::int64_t roles)
      : agents_(static_cast<std::uint64_t>(agents)),
        frameworks_(static_cast<std::uint64_t>(frameworks)),
        roles_(static_cast<std::uint64_t>(roles)),
        allocator_(Options()) {
    for (std::uint64_t f = 0; f < frameworks_; ++f) {
      AddFramework framework;
      framework.framework = FrameworkKey(f + 1);
      framework.roles = {role_of(f)};
      send(framework);
    }
    std::string ports = "ports:[";
    for (int port = 31000; port < 31030; port += 2) {
      ports += std::to_string(port) + "-" + std::to_string(port) + ",";
    }
    used_ = amount("cpus:16;mem:1024;disk:1024;" + ports + "31030-32000]");
    total_ = amount("cpus:24;mem:4096;disk:4096;ports:[31000-32000]");
  }

  void add_agents() {
    for (std::uint64_t a = 0; a < agents_; ++a) {
      AddAgent agent;
      agent.agent = AgentKey(a + 1);
      agent.name = "agent";
      agent.total = total_;
      agent.held.push_back({FrameworkKey(a % frameworks_ + 1), role_of(a % frameworks_), used_});
      send(std::move(agent));
    }
    settle();
  }

  void give_back(std::optional<Duration> refuse, const Resources& keep = {}) {
    std::vector<Allocation> offers;
    offers.swap(offers_);
    for (Allocation& offer : offers) {
      offer.amount.subtract(keep);
      send(Recover{offer.framework, offer.role, offer.agent, std::move(offer.amount), refuse});
    }
  }

  void revive_all() {
    for (std::uint64_t f = 0; f < frameworks_; ++f) {
      send(Revive{FrameworkKey(f + 1), {}});
    }
    settle();
  }

  void wake() {
    now_ = now_ + Duration::millis(10);
    send(Wake{});
  }

  // What gathered comes due, and turns are taken until none is asked for.
  void settle() {
    wake();
    while (continue_) {
      continue_ = false;
      send(Turn{});
    }
  }

  std::size_t offers() const { return offers_.size(); }

 private:
  std::string role_of(std::uint64_t framework) const {
    return roles_ == 1 ? "*" : "role" + std::to_string(framework % roles_);
  }

  void send(EventBody body) {
    effects_.clear();
    allocator_.step(Event{now_, std::move(body)}, effects_);
    for (Effect& effect : effects_) {
      if (auto* offer = std::get_if<Allocation>(&effect)) {
        offers_.push_back(std::move(*offer));
      } else if (std::holds_alternative<Continue>(effect)) {
        continue_ = true;
      }
    }
  }

  std::uint64_t agents_;
  std::uint64_t frameworks_;
  std::uint64_t roles_;
  Allocator allocator_;
  Resources used_;
  Resources total_;
  Effects effects_;
  std::vector<Allocation> offers_;
  bool continue_ = false;
  Instant now_;
};

Cluster full(const benchmark::State& state) {
  Cluster cluster(state.range(0), state.range(1), state.range(2));
  cluster.add_agents();
  return cluster;
}

void steady(benchmark::State& state) {
  Cluster cluster = full(state);
  std::size_t offers = 0;
  for (auto _ : state) {
    cluster.give_back(std::nullopt);
    cluster.settle();
    offers += cluster.offers();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(offers));
}

void decline(benchmark::State& state) {
  Cluster cluster = full(state);
  std::size_t offers = 0;
  for (auto _ : state) {
    cluster.give_back(Duration::seconds(1'000'000));
    cluster.settle();
    offers += cluster.offers();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(offers));
}

void keep(benchmark::State& state) {
  Cluster cluster = full(state);
  const Resources task = amount("cpus:0.001;mem:1");
  std::size_t offers = 0;
  for (auto _ : state) {
    cluster.give_back(Duration(), task);
    cluster.settle();
    offers += cluster.offers();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(offers));
}

void add(benchmark::State& state) {
  std::size_t offers = 0;
  for (auto _ : state) {
    const Cluster cluster = full(state);
    offers += cluster.offers();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(offers));
}

void revive(benchmark::State& state) {
  Cluster cluster = full(state);
  for (auto _ : state) {
    cluster.revive_all();
  }
}

void idle(benchmark::State& state) {
  Cluster cluster = full(state);
  for (auto _ : state) {
    cluster.wake();
  }
}

void shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Unit(benchmark::kMillisecond)
      ->ArgNames({"agents", "frameworks", "roles"})
      ->Args({1'000, 1, 1})
      ->Args({1'000, 200, 1})
      ->Args({10'000, 50, 1})
      ->Args({10'000, 1'000, 1})
      ->Args({10'000, 1'000, 1'000});
}

BENCHMARK(steady)->Apply(shapes);
BENCHMARK(decline)->Apply(shapes)->Iterations(10);
BENCHMARK(keep)->Apply(shapes)->Iterations(10);
BENCHMARK(add)->Apply(shapes);
BENCHMARK(revive)->Apply(shapes);
BENCHMARK(idle)->Apply(shapes);

}  // namespace
}  // namespace synod::allocator
