// The master's rules without their face: the launches of Mesos' baseline (reference:
// mesos-baseline.md), where the whole master does 815 to 1,451 tasks a second.
//
// One iteration: every offer is accepted by one call with `tasks` tasks, each of which runs, ends
// and has both updates acknowledged. items_per_second is tasks.
#include <benchmark/benchmark.h>

#include "bench/launches.h"

namespace synod::bench {
namespace {

void launches(benchmark::State& state) {
  Launches cluster(static_cast<std::uint64_t>(state.range(0)),
                   static_cast<std::uint64_t>(state.range(1)));
  std::uint64_t tasks = 0;
  for (auto _ : state) {
    tasks += cluster.fill_and_drain();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(tasks));
}

BENCHMARK(launches)
    ->Unit(benchmark::kMillisecond)
    ->ArgNames({"agents", "tasks"})
    ->Args({100, 100})
    ->Args({1'000, 50})
    ->Args({10'000, 5});

}  // namespace
}  // namespace synod::bench
