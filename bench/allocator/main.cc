// The allocator beside genuine Mesos, in the shapes of Mesos' own benchmarks: `./dev bench
// allocator`. Each shape runs in a process of its own, so that its memory is its own; times are CPU
// time of the one thread there is, since other work on the machine must not count.
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bench/allocator/baseline.h"
#include "bench/allocator/cluster.h"
#include "resources/text.h"

namespace synod::bench {
namespace {

constexpr int cycles = 10;
constexpr int idle_cycles = 5;
constexpr int suppress_rounds = 5;
constexpr Duration for_good = Duration::seconds(2'000'000'000);

double cpu_ms() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

double resident_mb() {
  std::ifstream file("/proc/self/statm");
  double all = 0;
  double resident = 0;
  file >> all >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6;
}

double peak_mb() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024 / 1e6;
}

// What was measured, by name.
using Samples = std::map<std::string, std::vector<double>>;

class Clock {
 public:
  explicit Clock(Samples& samples) : samples_(samples) {}
  template <typename Work>
  void time(const char* name, Work work) {
    const double began = cpu_ms();
    work();
    samples_[name].push_back(cpu_ms() - began);
  }

 private:
  Samples& samples_;
};

// Runs `work` in a child and takes over what it measured.
void in_child(Samples& into, const std::function<void(Samples&)>& work) {
  int ends[2];
  if (::pipe(ends) != 0) {
    std::perror("pipe");
    std::exit(1);
  }
  std::fflush(stdout);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(ends[0]);
    Samples samples;
    work(samples);
    FILE* out = ::fdopen(ends[1], "w");
    for (const auto& [name, values] : samples) {
      for (const double value : values) {
        std::fprintf(out, "%s %.6f\n", name.c_str(), value);
      }
    }
    std::fclose(out);
    ::_exit(0);
  }
  ::close(ends[1]);
  FILE* in = ::fdopen(ends[0], "r");
  char name[64];
  double value = 0;
  while (std::fscanf(in, "%63s %lf", name, &value) == 2) {
    into[name].push_back(value);
  }
  std::fclose(in);
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (status != 0) {
    std::fprintf(stderr, "allocator_bench: a shape ended with status %d\n", status);
    std::exit(1);
  }
}

void expect_offers(const Cluster& cluster, std::uint64_t wanted) {
  if (cluster.offers() != wanted) {
    std::fprintf(stderr, "allocator_bench: %zu offers instead of %llu\n", cluster.offers(),
                 static_cast<unsigned long long>(wanted));
    ::_exit(1);
  }
}

void fill(Cluster& cluster, Clock& clock) {
  clock.time("add_frameworks", [&] { cluster.add_frameworks(); });
  clock.time("add_agents", [&] { cluster.add_agents(); });
}

void steady(const Plan& plan, Samples& samples) {
  Clock clock(samples);
  Cluster cluster(plan);
  fill(cluster, clock);
  samples["resting_mb"].push_back(resident_mb());
  for (int i = 0; i < idle_cycles; ++i) {
    clock.time("idle", [&] { cluster.cycle(); });
  }
  for (int i = 0; i < cycles; ++i) {
    expect_offers(cluster, plan.agents);
    clock.time("give_back", [&] { cluster.give_back(std::nullopt); });
    clock.time("steady", [&] { cluster.cycle(); });
  }
  samples["peak_mb"].push_back(peak_mb());
}

void decline(Plan plan, Samples& samples) {
  plan.used = used_part(2014);
  Samples ignored;
  Clock unnoted(ignored);
  Clock clock(samples);
  Cluster cluster(plan);
  fill(cluster, unnoted);
  for (int i = 0; i < cycles && cluster.offers() > 0; ++i) {
    clock.time("refuse", [&] { cluster.give_back(for_good); });
    clock.time("decline", [&] { cluster.cycle(); });
  }
}

void suppress(const Plan& plan, Samples& samples) {
  Samples ignored;
  Clock unnoted(ignored);
  Clock clock(samples);
  Cluster cluster(plan);
  fill(cluster, unnoted);
  for (std::uint64_t i = 0; i < suppress_rounds; ++i) {
    const std::uint64_t all = plan.frameworks;
    cluster.suppress(i * all / suppress_rounds, (i + 1) * all / suppress_rounds);
    cluster.give_back(std::nullopt);
    clock.time(i + 1 < suppress_rounds ? "suppress" : "all_suppressed", [&] { cluster.cycle(); });
  }
  expect_offers(cluster, 0);
  clock.time("revive", [&] { cluster.revive(0, plan.frameworks); });
  expect_offers(cluster, plan.agents);
}

void suppress_99(const Plan& plan, Samples& samples) {
  Samples ignored;
  Clock unnoted(ignored);
  Clock clock(samples);
  Cluster cluster(plan);
  fill(cluster, unnoted);
  cluster.suppress(0, plan.frameworks * 99 / 100);
  for (int i = 0; i < suppress_rounds; ++i) {
    cluster.give_back(std::nullopt);
    clock.time("suppressed_99", [&] { cluster.cycle(); });
  }
}

void backlog(Plan plan, Samples& samples) {
  plan.used.clear();
  Samples ignored;
  Clock unnoted(ignored);
  Clock clock(samples);
  Cluster cluster(plan);
  fill(cluster, unnoted);
  expect_offers(cluster, plan.agents);
  clock.time("backlog", [&] { cluster.revive(0, plan.frameworks); });
}

void update(Plan plan, Samples& samples) {
  plan.total = "cpus:2;mem:1024;disk:4096;ports:[31000-32000]";
  plan.used =
      "cpus:1;mem:128;disk:1024;"
      "ports:[31126-31510,31512-31623,31810-31852,31854-31964]";
  plan.revocable = true;
  Samples ignored;
  Clock unnoted(ignored);
  Clock clock(samples);
  Cluster cluster(plan);
  fill(cluster, unnoted);
  clock.time("update", [&] { cluster.update_agents(10'000); });
  expect_offers(cluster, 2 * plan.agents);
}

void accept(const Plan& plan, Samples& samples) {
  const resources::Resources task = resources::parse_resources("cpus:1;mem:128;disk:64").value();
  Samples ignored;
  Clock unnoted(ignored);
  Clock clock(samples);
  Cluster cluster(plan);
  fill(cluster, unnoted);
  for (int i = 0; i < 5; ++i) {
    clock.time("accept", [&] { cluster.accept(task); });
    clock.time("accept_cycle", [&] { cluster.cycle(); });
  }
}

// ---- what is printed

// "0.2 (0.1-0.4), 310x": median (min-max) and how much less than genuine Mesos.
std::string cell(const Samples& samples, const std::string& name, double mesos) {
  const auto found = samples.find(name);
  if (found == samples.end()) {
    return "-";
  }
  std::vector<double> values = found->second;
  std::sort(values.begin(), values.end());
  const double median = values[values.size() / 2];
  char text[96];
  const int digits = median < 10 ? (median < 0.1 ? 3 : 1) : 0;
  int size = std::snprintf(text, sizeof(text), "%.*f (%.*f-%.*f)", digits, median, digits,
                           values.front(), digits, values.back());
  if (mesos > 0 && median > 0) {
    const double ratio = mesos / median;
    std::snprintf(text + size, sizeof(text) - static_cast<std::size_t>(size),
                  ratio < 100 ? ", %.1fx" : ", %.0fx", ratio);
  }
  return text;
}

void row(const std::vector<std::string>& cells) {
  for (const std::string& text : cells) {
    std::printf("| %s ", text.c_str());
  }
  std::printf("|\n");
  std::fflush(stdout);
}

void header(const std::vector<std::string>& cells) {
  row(cells);
  row(std::vector<std::string>(cells.size(), "---"));
}

Samples measure(const Plan& plan, int passes) {
  Samples samples;
  for (int i = 0; i < passes; ++i) {
    in_child(samples, [&](Samples& into) { steady(plan, into); });
  }
  in_child(samples, [&](Samples& into) { decline(plan, into); });
  if (plan.frameworks > 1) {
    in_child(samples, [&](Samples& into) { suppress(plan, into); });
    in_child(samples, [&](Samples& into) { suppress_99(plan, into); });
  }
  in_child(samples, [&](Samples& into) { backlog(plan, into); });
  in_child(samples, [&](Samples& into) { update(plan, into); });
  return samples;
}

void one_role_tables(std::uint64_t only, int passes) {
  std::vector<std::pair<Baseline, Samples>> all;
  for (const Baseline& baseline : one_role) {
    if (only != 0 && baseline.agents != only) {
      continue;
    }
    Plan plan;
    plan.agents = baseline.agents;
    plan.frameworks = baseline.frameworks;
    plan.used = used_part(1024);
    std::fprintf(stderr, "%llu agents, %llu frameworks\n",
                 static_cast<unsigned long long>(plan.agents),
                 static_cast<unsigned long long>(plan.frameworks));
    all.emplace_back(baseline, measure(plan, passes));
  }
  std::printf(
      "One role. CPU milliseconds, median (min-max), and how often that goes into the "
      "time of genuine Mesos.\n\n");
  header({"agents", "frameworks", "steady cycle", "idle cycle", "decline cycle", "suppress cycle",
          "99 % suppressed"});
  for (const auto& [mesos, ours] : all) {
    row({std::to_string(mesos.agents), std::to_string(mesos.frameworks),
         cell(ours, "steady", mesos.steady), cell(ours, "idle", mesos.idle),
         cell(ours, "decline", mesos.decline), cell(ours, "suppress", 0),
         cell(ours, "suppressed_99", mesos.suppressed_99)});
  }
  std::printf("\n");
  header({"agents", "frameworks", "add agents", "give back", "decline offers", "update agents",
          "revive", "backlog"});
  for (const auto& [mesos, ours] : all) {
    row({std::to_string(mesos.agents), std::to_string(mesos.frameworks),
         cell(ours, "add_agents", mesos.add_agents), cell(ours, "give_back", mesos.give_back),
         cell(ours, "refuse", mesos.refuse), cell(ours, "update", mesos.update),
         cell(ours, "revive", mesos.revive), cell(ours, "backlog", mesos.backlog)});
  }
  std::printf("\nMemory in MB.\n\n");
  header({"agents", "frameworks", "after adding", "peak in steady"});
  for (const auto& [mesos, ours] : all) {
    row({std::to_string(mesos.agents), std::to_string(mesos.frameworks),
         cell(ours, "resting_mb", mesos.resting_mb), cell(ours, "peak_mb", mesos.peak_mb)});
  }
}

void many_roles_table(std::uint64_t only, int passes) {
  std::printf("\nMany roles; every offer accepted in part.\n\n");
  header({"agents", "frameworks", "roles", "add frameworks", "add agents", "steady cycle",
          "idle cycle", "accept", "MB after adding", "MB peak"});
  for (const RolesBaseline& mesos : many_roles) {
    if (only != 0 && mesos.agents != only) {
      continue;
    }
    Plan plan;
    plan.agents = mesos.agents;
    plan.frameworks = mesos.frameworks;
    plan.roles = mesos.roles;
    plan.used = used_part(1024);
    Samples ours;
    for (int i = 0; i < passes; ++i) {
      in_child(ours, [&](Samples& into) { steady(plan, into); });
    }
    in_child(ours, [&](Samples& into) { accept(plan, into); });
    row({std::to_string(mesos.agents), std::to_string(mesos.frameworks),
         std::to_string(mesos.roles), cell(ours, "add_frameworks", mesos.add_frameworks),
         cell(ours, "add_agents", mesos.add_agents), cell(ours, "steady", mesos.steady),
         cell(ours, "idle", mesos.idle), cell(ours, "accept", mesos.accept),
         cell(ours, "resting_mb", mesos.resting_mb), cell(ours, "peak_mb", mesos.peak_mb)});
  }
}

int run(int argc, char** argv) {
  std::uint64_t only = 0;
  int passes = 3;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--quick") == 0) {
      only = 1'000;
      passes = 1;
    } else if (std::strncmp(argv[i], "--agents=", 9) == 0) {
      only = std::strtoull(argv[i] + 9, nullptr, 10);
    } else {
      std::printf(
          "allocator_bench [--quick] [--agents=N]\n"
          "The allocator at the shapes of Mesos' own benchmarks, beside what genuine Mesos "
          "needs.\n  --quick  1,000 agents, one pass\n  --agents=N  only the shapes with so "
          "many\n");
      return std::strcmp(argv[i], "--help") == 0 ? 0 : 2;
    }
  }
  one_role_tables(only, passes);
  many_roles_table(only, passes);
  return 0;
}

}  // namespace
}  // namespace synod::bench

int main(int argc, char** argv) { return synod::bench::run(argc, argv); }
