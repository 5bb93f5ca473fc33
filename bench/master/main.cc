// A master over real connections: `./dev bench master` with simulated agents, `./dev bench launch`
// with a real one. One coordinator and one master of the release binary, on free ports of
// 127.0.0.1, in a temporary directory.
//
// Source  the shapes and rules under which genuine Mesos was measured: simulated agents in one
//         process, a scheduler with at most 256 calls unanswered, k tasks an ACCEPT; time runs from
//         the first ACCEPT to the last FINISHED received; all share two cores.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>

#include "bench/coordination/servers.h"
#include "bench/coordination/session.h"
#include "bench/coordination/stop.h"
#include "bench/master/agents.h"
#include "bench/master/process.h"
#include "bench/master/scheduler.h"

namespace synod::bench {
namespace {

constexpr std::int64_t seconds = 1'000'000'000;
constexpr std::size_t registering_max = 1'000;

struct Options {
  std::string synod = "build/synod";
  std::string directory;
  int runs = 3;
  std::size_t window = 256;
  std::uint64_t tasks = 200;  // launch
  std::uint64_t flood = 100'000;
  bool launch = false;
  bool suppress = true;
  std::string only;  // of the shapes; all if empty
};

struct Shape {
  const char* name;
  std::size_t agents;
  std::uint64_t tasks;
  std::uint64_t tasks_per_offer;
  double mesos_tasks_per_second;
  double mesos_cpu_us;
  double mesos_register_ms;
  double mesos_peak_mb;
};

constexpr Shape shapes[] = {
    {"100", 100, 10'000, 100, 1'451, 830, 41, 73},
    {"1000", 1'000, 50'000, 50, 1'351, 880, 320, 257},
    {"10000", 10'000, 0, 0, 0, 0, 4'700, 245},
};

double seconds_of(std::int64_t nanos) { return static_cast<double>(nanos) / 1e9; }

// Turns the loop until `done`; throws when it takes too long.
void until(Loop& loop, const std::string& what, double limit, const std::function<bool()>& done) {
  const std::int64_t deadline = now_nanos() + static_cast<std::int64_t>(limit * 1e9);
  while (!done()) {
    loop.turn(50);
    if (stopped() || now_nanos() > deadline) {
      throw std::runtime_error("no " + what + " in time");
    }
  }
}

// A coordinator and a master that leads.
class Cluster {
 public:
  Cluster(const Options& options, int run)
      : directory_(options.directory + "/" + std::to_string(run)),
        coordinators_(Kind::synod, {options.synod, "", directory_ + "/zk", 1}),
        port_(free_port()) {
    zk_ = "zk://127.0.0.1:" + std::to_string(coordinators_.ports()[0]) + "/mesos";
    master_ = std::make_unique<Process>(
        std::vector<std::string>{options.synod, "master", "--zk=" + zk_,
                                 "--port=" + std::to_string(port_), "--logging_level=WARNING"},
        directory_ + "/master.log");
    wait_until_leading();
  }
  ~Cluster() {
    master_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  int port() const { return port_; }
  const std::string& zk() const { return zk_; }
  const std::string& directory() const { return directory_; }
  const Process& master() const { return *master_; }

  // Status of GET /state; 0 if there was no answer.
  int ask_state() {
    Loop loop;
    int answer = 0;
    bool lost = false;
    Connection::Handlers handlers;
    handlers.answer = [&](int status, std::string_view, std::string_view) { answer = status; };
    handlers.lost = [&](const std::string&) { lost = true; };
    Connection connection(loop, port_, std::move(handlers));
    connection.get("/state");
    const std::int64_t deadline = now_nanos() + 30 * seconds;
    while (answer == 0 && !lost && now_nanos() < deadline) {
      loop.turn(50);
    }
    return answer;
  }

 private:
  void wait_until_leading() {
    const std::int64_t deadline = now_nanos() + 60 * seconds;
    while (ask_state() != 200) {
      if (stopped() || now_nanos() > deadline || !master_->alive()) {
        throw std::runtime_error("the master does not lead\n" + master_->log_end());
      }
      ::usleep(2000);
    }
  }

  std::string directory_;
  Servers coordinators_;
  int port_;
  std::string zk_;
  std::unique_ptr<Process> master_;
};

struct Result {
  double register_ms = 0;
  double register_cpu_us = 0;  // an agent
  double idle_mb = 0;
  double tasks_per_second = 0;
  double running_seconds = 0;
  double finished_seconds = 0;
  double cpu_us = 0;         // of the master, a task
  double driver_cpu_us = 0;  // of this program, a task
  double peak_mb = 0;
  double offers = 0;
  double p50_ms = 0;
  double p99_ms = 0;
};

double own_cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

Result run_shape(const Options& options, const Shape& shape, int run) {
  Cluster cluster(options, run);
  Result result;
  Loop loop;
  Agents agents(loop, cluster.port(), shape.agents);
  double cpu = cluster.master().cpu_seconds();
  const std::int64_t began = now_nanos();
  until(loop, "registration", 120, [&] {
    agents.open_more(registering_max);
    return agents.registered() == shape.agents;
  });
  result.register_ms = seconds_of(now_nanos() - began) * 1e3;
  result.register_cpu_us =
      (cluster.master().cpu_seconds() - cpu) * 1e6 / static_cast<double>(shape.agents);
  result.idle_mb = cluster.master().resident_mb();
  result.peak_mb = cluster.master().peak_mb();
  if (shape.tasks == 0) {
    return result;
  }
  Workload work;
  work.tasks = shape.tasks;
  work.tasks_per_offer = shape.tasks_per_offer;
  work.window = options.window;
  work.suppress = options.suppress;
  Scheduler scheduler(loop, cluster.port(), work);
  scheduler.subscribe();
  until(loop, "offers", 60, [&] { return scheduler.offers() == shape.agents; });
  cpu = cluster.master().cpu_seconds();
  const double own = own_cpu_seconds();
  scheduler.start();
  until(loop, "end of all tasks", 600, [&] {
    return scheduler.finished() == shape.tasks && scheduler.quiet() && agents.unanswered() == 0;
  });
  const auto tasks = static_cast<double>(shape.tasks);
  result.cpu_us = (cluster.master().cpu_seconds() - cpu) * 1e6 / tasks;
  result.driver_cpu_us = (own_cpu_seconds() - own) * 1e6 / tasks;
  result.running_seconds = seconds_of(scheduler.last_running() - scheduler.first_accept());
  result.finished_seconds = seconds_of(scheduler.last_finished() - scheduler.first_accept());
  result.tasks_per_second = tasks / result.finished_seconds;
  result.peak_mb = cluster.master().peak_mb();
  result.offers = static_cast<double>(scheduler.offers_heard());
  result.p50_ms = scheduler.to_running().percentile_us(50) / 1e3;
  result.p99_ms = scheduler.to_running().percentile_us(99) / 1e3;
  if (cluster.ask_state() != 200) {
    throw std::runtime_error("/state is not served afterwards");
  }
  return result;
}

// "5.1 (4.0-6.2)"
std::string spread(const std::vector<Result>& results, double Result::*member, int digits) {
  std::vector<double> values;
  for (const Result& result : results) {
    values.push_back(result.*member);
  }
  std::sort(values.begin(), values.end());
  char text[96];
  std::snprintf(text, sizeof(text), "%.*f (%.*f-%.*f)", digits, values[values.size() / 2], digits,
                values.front(), digits, values.back());
  return text;
}

std::string load() {
  double average[1] = {0};
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f", ::getloadavg(average, 1) == 1 ? average[0] : 0);
  return text;
}

void print_shape(const Shape& shape, const std::vector<Result>& results) {
  struct Row {
    const char* name;
    double Result::*member;
    int digits;
    double mesos;
  };
  const Row rows[] = {
      {"registered, ms", &Result::register_ms, 0, shape.mesos_register_ms},
      {"master CPU an agent registered, us", &Result::register_cpu_us, 0, 0},
      {"master memory then, MB", &Result::idle_mb, 1, 0},
      {"tasks/s", &Result::tasks_per_second, 0, shape.mesos_tasks_per_second},
      {"master CPU a task, us", &Result::cpu_us, 0, shape.mesos_cpu_us},
      {"driver CPU a task, us", &Result::driver_cpu_us, 0, 0},
      {"all RUNNING after, s", &Result::running_seconds, 2, 0},
      {"all FINISHED after, s", &Result::finished_seconds, 2, 0},
      {"ACCEPT to RUNNING p50, ms", &Result::p50_ms, 0, 0},
      {"ACCEPT to RUNNING p99, ms", &Result::p99_ms, 0, 0},
      {"offers heard", &Result::offers, 0, 0},
      {"master memory at most, MB", &Result::peak_mb, 1, shape.mesos_peak_mb},
  };
  std::printf("\n| %zu agents, %llu tasks | synod | Mesos |\n| --- | --- | --- |\n", shape.agents,
              static_cast<unsigned long long>(shape.tasks));
  for (const Row& row : rows) {
    if (shape.tasks == 0 && row.member == &Result::tasks_per_second) {
      break;
    }
    std::printf("| %s | %s | ", row.name, spread(results, row.member, row.digits).c_str());
    row.mesos > 0 ? std::printf("%.0f |\n", row.mesos) : std::printf("- |\n");
  }
  std::fflush(stdout);
}

void bench_master(const Options& options) {
  std::printf("load at the start %s; window %zu; %s\n", load().c_str(), options.window,
              options.suppress ? "the framework suppresses after its last task"
                               : "the framework never suppresses");
  int run = 0;
  for (const Shape& shape : shapes) {
    if (!options.only.empty() && options.only != shape.name) {
      continue;
    }
    std::vector<Result> results;
    for (int i = 0; i < options.runs; ++i) {
      results.push_back(run_shape(options, shape, ++run));
    }
    print_shape(shape, results);
  }
}

// A client that pipelines without limit: every call is answered, and the master lives.
void bench_flood(const Options& options) {
  Cluster cluster(options, 0);
  Loop loop;
  Workload work;
  work.window = 0;
  Scheduler scheduler(loop, cluster.port(), work);
  scheduler.subscribe();
  until(loop, "subscription", 60, [&] { return scheduler.subscribed(); });
  scheduler.start();
  const double cpu = cluster.master().cpu_seconds();
  const std::int64_t began = now_nanos();
  scheduler.acknowledge_many(options.flood);
  until(loop, "answers to the flood", 300, [&] { return scheduler.quiet(); });
  std::printf(
      "\n%llu calls pipelined without limit on one connection: all answered 202 in %.1f s, "
      "%.1f us of master CPU each, peak %.1f MB, /state answers %d afterwards\n",
      static_cast<unsigned long long>(options.flood), seconds_of(now_nanos() - began),
      (cluster.master().cpu_seconds() - cpu) * 1e6 / static_cast<double>(options.flood),
      cluster.master().peak_mb(), cluster.ask_state());
}

void bench_launch(const Options& options) {
  Cluster cluster(options, 0);
  const Process agent(
      {options.synod, "agent", "--master=" + cluster.zk(),
       "--work_dir=" + cluster.directory() + "/agent", "--ip=127.0.0.1", "--port=0",
       "--hostname=localhost", "--resources=cpus:1;mem:256;disk:1024;ports:[31000-31100]",
       "--disk_reserve_mb=0", "--logging_level=WARNING"},
      cluster.directory() + "/agent.log");
  Loop loop;
  Workload work;
  work.tasks = options.tasks;
  work.cpus = 1;  // all there is: the end of a task brings the next offer
  work.mem = 128;
  work.one_by_one = true;
  Scheduler scheduler(loop, cluster.port(), work);
  scheduler.subscribe();
  const std::string start_load = load();
  try {
    until(loop, "offer", 60, [&] { return scheduler.offers() > 0; });
    scheduler.start();
    until(loop, "end of all tasks", 600, [&] { return scheduler.finished() == work.tasks; });
  } catch (const std::exception& error) {
    throw std::runtime_error(std::string(error.what()) + "\n" + agent.log_end());
  }
  std::printf(
      "load %s; %llu command tasks, one after the other; ACCEPT sent to TASK_RUNNING "
      "received, ms\n\n| p10 | p25 | p50 | p75 | p90 | p99 | max |\n"
      "| --- | --- | --- | --- | --- | --- | --- |\n|",
      start_load.c_str(), static_cast<unsigned long long>(work.tasks));
  for (const double percent : {10.0, 25.0, 50.0, 75.0, 90.0, 99.0, 99.9999}) {
    std::printf(" %.1f |", scheduler.to_running().percentile_us(percent) / 1e3);
  }
  std::printf("\n");
}

int usage(int code) {
  std::printf(
      "master_bench [--synod=build/synod] [--runs=3] [--window=256] [--only=AGENTS]\n"
      "  --no-suppress     the framework goes on to decline offers after its last task\n"
      "  --flood=CALLS     calls pipelined without limit, at the end (0: none)\n"
      "  --launch [--tasks=200]   ACCEPT to TASK_RUNNING on a real agent instead\n"
      "A window of 0 limits nothing.\n");
  return code;
}

bool read_option(const std::string& argument, Options& options) {
  const std::size_t cut = argument.find('=');
  const std::string name = argument.substr(0, cut);
  const std::string value = cut == std::string::npos ? "" : argument.substr(cut + 1);
  const auto number = [&] { return std::strtoull(value.c_str(), nullptr, 10); };
  if (name == "--synod") {
    options.synod = value;
  } else if (name == "--runs") {
    options.runs = static_cast<int>(std::max(number(), 1ULL));
  } else if (name == "--window") {
    options.window = number();
  } else if (name == "--only") {
    options.only = value;
  } else if (name == "--tasks") {
    options.tasks = number();
  } else if (name == "--flood") {
    options.flood = number();
  } else if (name == "--no-suppress") {
    options.suppress = false;
  } else if (name == "--launch") {
    options.launch = true;
  } else {
    return false;
  }
  return true;
}

int run(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    if (!read_option(argv[i], options)) {
      return usage(std::strcmp(argv[i], "--help") == 0 ? 0 : 2);
    }
  }
  stop_on_signals();
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;  // the master inherits it
  ::setrlimit(RLIMIT_NOFILE, &files);
  std::string directory = std::filesystem::temp_directory_path().string() + "/synod-bench-XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) {
    std::perror("mkdtemp");
    return 1;
  }
  options.directory = directory;
  int code = 0;
  try {
    if (options.launch) {
      bench_launch(options);
    } else {
      bench_master(options);
      if (options.flood > 0) {
        bench_flood(options);
      }
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "master_bench: %s\n", error.what());
    code = 1;
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  return code;
}

}  // namespace
}  // namespace synod::bench

int main(int argc, char** argv) { return synod::bench::run(argc, argv); }
