// `./dev bench coordination`: Synod's coordinators, Apache ZooKeeper and a server that does almost
// nothing, side by side under one load. --help lists the options.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "bench/coordination/do_nothing.h"
#include "bench/coordination/drive.h"
#include "bench/coordination/figures.h"
#include "bench/coordination/footprint.h"
#include "bench/coordination/stop.h"
#include "bench/coordination/watches.h"

namespace synod::bench {
namespace {

constexpr const char* help = R"(coordination_bench: the coordination service beside its measures

Every point is measured in alternating rounds: a round of each system, then the next round.
Printed: the median of the rounds (worst-best), the servers' CPU for an operation, ratios of ours to
the others' beside both, latencies over all rounds. All servers flush before they answer.

  --quick               few points, three short rounds
  --servers=N[,N]       sizes of the ensemble (1,3)
  --systems=A[,B]       of synod, zookeeper, do-nothing (all; the last serves alone only)
  --work=A[,B]          only these: read, write, 90/10, 50/50, create+delete, ephemeral, multi-10,
                        children
  --payload=N           only this payload, in bytes
  --points=SxO[,SxO]    only these numbers of sessions and of requests under way
  --rounds=N            (5; quick: 3)
  --seconds=X           of one round (2; quick: 1)
  --warm=X              seconds of load before the first round (10; quick: 4)
  --rate=N              an open loop of so many operations a second
  --footprint           not speed: start, idle CPU, memory of sessions and of znodes
  --watches             not speed: fan-out, memory and restoring of watches
  --drive=PORT[,PORT]   starts no server: one load of writes (--points, --rate, --seconds, --warm)
                        on these, told in JSON
  --fill=N              of --drive: makes so many znodes first
  --prepared            of --drive: these servers were driven before
  --synod=FILE          (build/synod)
  --directory=DIR       where the servers keep their files ($TMPDIR or /tmp)
  --tsv=FILE            the figures, a line for each point and system
)";

struct Options {
  bool quick = false;
  bool footprint = false;
  bool watches = false;
  bool prepared = false;
  int fill = 0;
  std::vector<std::string> driven;
  std::vector<std::string> systems{"synod", "zookeeper", "do-nothing"};
  std::vector<std::string> servers{"1", "3"};
  std::vector<std::string> works;
  std::vector<std::string> points;
  int payload = 0;
  int rounds = 5;
  double seconds = 2;
  double warm = 10;
  double rate = 0;
  std::string synod = "build/synod";
  std::string directory;
  std::string tsv;
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t at = 0;
  while (at <= text.size()) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    parts.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return parts;
}

bool contains(const std::vector<std::string>& list, const std::string& item) {
  return list.empty() || std::find(list.begin(), list.end(), item) != list.end();
}

void set_option(Options& options, const std::string& name, const std::string& value) {
  if (name == "--servers") {
    options.servers = split(value);
  } else if (name == "--systems") {
    options.systems = split(value);
  } else if (name == "--work") {
    options.works = split(value);
  } else if (name == "--points") {
    options.points = split(value);
  } else if (name == "--payload") {
    options.payload = std::stoi(value);
  } else if (name == "--rounds") {
    options.rounds = std::stoi(value);
  } else if (name == "--seconds") {
    options.seconds = std::stod(value);
  } else if (name == "--warm") {
    options.warm = std::stod(value);
  } else if (name == "--rate") {
    options.rate = std::stod(value);
  } else if (name == "--synod") {
    options.synod = value;
  } else if (name == "--directory") {
    options.directory = value;
  } else if (name == "--tsv") {
    options.tsv = value;
  } else if (name == "--drive") {
    options.driven = split(value);
  } else if (name == "--fill") {
    options.fill = std::stoi(value);
  } else if (name == "--prepared") {
    options.prepared = true;
  } else if (name == "--footprint") {
    options.footprint = true;
  } else if (name == "--watches") {
    options.watches = true;
  } else if (name != "--quick") {
    throw std::invalid_argument("unknown option " + name);
  }
}

Options parse(const std::vector<std::string>& arguments) {
  Options options;
  if (std::find(arguments.begin(), arguments.end(), "--quick") != arguments.end()) {
    options.quick = true;
    options.rounds = 3;
    options.seconds = 1;
    options.warm = 4;
  }
  for (const std::string& argument : arguments) {
    const std::size_t equals = std::min(argument.find('='), argument.size());
    set_option(options, argument.substr(0, equals),
               argument.substr(std::min(equals + 1, argument.size())));
  }
  if (options.directory.empty()) {
    const char* set = std::getenv("TMPDIR");
    options.directory = set != nullptr ? set : "/tmp";
  }
  return options;
}

std::vector<Point> plan(const Options& options) {
  struct Shape {
    int sessions;
    int outstanding;
  };
  const std::vector<Shape> few = {{1, 1}, {16, 1}, {128, 1}, {512, 1}, {128, 32}};
  std::vector<Shape> many = few;
  for (const Shape shape : {Shape{2, 1}, {1, 32}, {2, 32}, {16, 32}, {512, 32}}) {
    many.push_back(shape);
  }
  std::vector<Point> points;
  const auto add = [&](Work work, int payload, const std::vector<Shape>& shapes) {
    for (const Shape shape : shapes) {
      const std::string text =
          std::to_string(shape.sessions) + "x" + std::to_string(shape.outstanding);
      if (contains(options.works, to_string(work)) && contains(options.points, text) &&
          (options.payload == 0 || options.payload == payload)) {
        points.push_back({work, payload, shape.sessions, shape.outstanding});
      }
    }
  };
  constexpr int small = 100;
  const bool all = !options.quick || !options.works.empty();
  const std::vector<Shape>& main_shapes = options.quick ? few : many;
  add(Work::write, small, main_shapes);
  add(Work::read, small, main_shapes);
  if (all) {
    add(Work::write, 1024, main_shapes);
    add(Work::read, 1024, main_shapes);
    for (const Work work : {Work::mix_90_10, Work::mix_50_50, Work::create_delete, Work::ephemeral,
                            Work::multi_ten, Work::children}) {
      add(work, small, few);
    }
  }
  return points;
}

// "16x1": sessions and requests under way of each.
int drive_servers(const Options& options) {
  DriveOptions what;
  for (const std::string& port : options.driven) {
    what.ports.push_back(std::stoi(port));
  }
  what.fill = options.fill;
  what.prepared = options.prepared;
  what.load.work = Work::write;
  what.load.rate = options.rate;
  what.load.seconds = options.seconds;
  what.load.warm_seconds = options.warm;
  const std::string point = options.points.empty() ? "16x1" : options.points.front();
  const std::size_t x = point.find('x');
  what.load.sessions = std::stoi(point);
  what.load.outstanding = x == std::string::npos ? 1 : std::stoi(point.substr(x + 1));
  return drive(what);
}

class Bench {
 public:
  Bench(Options options, std::string self)
      : options_(std::move(options)), self_(std::move(self)), tsv_(options_.tsv) {
    std::string made = options_.directory + "/synod_bench_XXXXXX";
    if (::mkdtemp(made.data()) == nullptr) {
      throw std::runtime_error("cannot make a directory in " + options_.directory);
    }
    directory_ = made;
  }
  ~Bench() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  int run() {
    std::fputs(describe_machine(directory_).c_str(), stdout);
    if (options_.footprint) {
      footprint();
      return 0;
    }
    if (options_.watches) {
      watches();
      return 0;
    }
    for (const std::string& count : options_.servers) {
      if (!stopped()) {
        run_ensembles(std::stoi(count));
      }
    }
    return failed_ ? 1 : 0;
  }

 private:
  std::vector<Kind> coordinators() const {
    std::vector<Kind> kinds;
    for (const Kind kind : {Kind::synod, Kind::zookeeper}) {
      if (contains(options_.systems, to_string(kind))) {
        kinds.push_back(kind);
      }
    }
    return kinds;
  }

  void watches() {
    WatchesOptions what;
    what.rounds = options_.rounds;
    if (options_.quick) {
      what.fan_out_sessions = 1'000;
      what.shared_paths = 100;
      what.restored_paths = 10'000;
    }
    print_watches(coordinators(), what, [this](Kind kind) { return launch(kind, 1); });
  }

  void footprint() {
    FootprintOptions what;
    if (options_.quick) {
      what = {5, 2'000, 100'000};
    }
    print_footprint(coordinators(), what,
                    [this](Kind kind, int count) { return launch(kind, count); });
  }

  std::unique_ptr<Servers> launch(Kind kind, int count) {
    ServersOptions servers;
    servers.synod = options_.synod;
    servers.self = self_;
    servers.directory = directory_ + "/" + to_string(kind) + std::to_string(count);
    servers.count = count;
    return std::make_unique<Servers>(kind, servers);
  }

  void run_ensembles(int count) {
    std::vector<std::unique_ptr<Servers>> systems;
    for (const Kind kind : {Kind::synod, Kind::zookeeper, Kind::do_nothing}) {
      if (contains(options_.systems, to_string(kind)) && (kind != Kind::do_nothing || count == 1)) {
        systems.push_back(start(kind, count));
      }
    }
    print_head(count);
    for (const Point& point : plan(options_)) {
      std::vector<Series> all;
      for (const auto& system : systems) {
        all.push_back({system->kind(), count, point, {}, {}, {}, 0});
      }
      for (int round = 0; round < options_.rounds && !stopped(); ++round) {
        for (std::size_t i = 0; i < systems.size() && !stopped(); ++i) {
          run_round(*systems[i], round, all[i]);
        }
      }
      if (!stopped()) {
        print_point(all);
      }
      for (const Series& one : all) {
        tsv_.add(one);
      }
    }
  }

  // Served, prepared, and warm: a virtual machine compiles what runs often.
  std::unique_ptr<Servers> start(Kind kind, int count) {
    auto system = launch(kind, count);
    std::printf(" start   %s, %d: served after %.0f ms\n", to_string(kind), count,
                system->start_seconds() * 1000);
    std::fflush(stdout);
    const std::string error = prepare(system->ports(), 100);
    if (!error.empty()) {
      throw std::runtime_error(std::string(to_string(kind)) + ": " + error);
    }
    for (const Work work : {Work::mix_50_50, Work::read}) {
      Load load;
      load.work = work;
      load.sessions = 64;
      load.outstanding = 8;
      load.warm_seconds = options_.warm / 2;
      load.seconds = 0;
      run_load(
          system->ports(), load, [] {}, [] {});
    }
    return system;
  }

  void run_round(const Servers& system, int round, Series& series) {
    Load load;
    load.work = series.point.work;
    load.sessions = series.point.sessions;
    load.outstanding = series.point.outstanding;
    load.payload_size_bytes = series.point.payload_size_bytes;
    load.rate = options_.rate;
    load.first_server = round;
    load.seconds = options_.seconds;
    double cpu_before = 0;
    double cpu_after = 0;
    const Outcome outcome = run_load(
        system.ports(), load, [&] { cpu_before = system.cpu_seconds(); },
        [&] { cpu_after = system.cpu_seconds(); });
    if (stopped()) {
      return;
    }
    if (!outcome.error.empty()) {
      std::printf("%s, %s: %s\n", to_string(system.kind()), series.point.name().c_str(),
                  outcome.error.c_str());
      failed_ = true;
      return;
    }
    series.rates.push_back(outcome.rate());
    series.cpu_us.push_back((cpu_after - cpu_before) * 1e6 /
                            static_cast<double>(std::max<std::uint64_t>(outcome.operations, 1)));
    series.latency.merge(outcome.latency);
    series.failed += outcome.failed;
    failed_ = failed_ || outcome.failed > 0;
  }

  const Options options_;
  const std::string self_;
  Tsv tsv_;
  std::string directory_;
  bool failed_ = false;
};

int run(const std::vector<std::string>& arguments, const std::string& self) {
  stop_on_signals();
  if (arguments.size() == 3 && arguments[0] == "do-nothing") {
    return serve_nothing(std::stoi(arguments[1]), arguments[2]);
  }
  if (contains(arguments, "--help") && !arguments.empty()) {
    std::fputs(help, stdout);
    return 0;
  }
  try {
    const Options options = parse(arguments);
    return options.driven.empty() ? Bench(options, self).run() : drive_servers(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "coordination_bench: %s\n", error.what());
    return 2;
  }
}

}  // namespace
}  // namespace synod::bench

int main(int argc, char** argv) {
  return synod::bench::run({argv + 1, argv + argc},
                           std::filesystem::read_symlink("/proc/self/exe"));
}
