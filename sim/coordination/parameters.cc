#include "sim/coordination/parameters.h"

#include <fmt/format.h>

#include <algorithm>

namespace synod::sim::coordination {
namespace {

struct Kind {
  const char* name;
  std::uint64_t FaultOptions::*weight;
};

constexpr Kind kinds[] = {
    {"kill", &FaultOptions::kill},
    {"stop", &FaultOptions::stop},
    {"power", &FaultOptions::power},
    {"at_operation", &FaultOptions::power_at_operation},
    {"all", &FaultOptions::power_all},
    {"pause", &FaultOptions::pause},
    {"isolate", &FaultOptions::isolate},
    {"cut", &FaultOptions::cut_links},
    {"break", &FaultOptions::break_streams},
    {"slow_disk", &FaultOptions::slow_disk},
    {"slow_link", &FaultOptions::slow_link},
    {"turns", &FaultOptions::take_turns},
    {"flap", &FaultOptions::flap},
    {"clock", &FaultOptions::jump_clock},
    {"fail_flush", &FaultOptions::fail_flush},
    {"fail_io", &FaultOptions::fail_io},
    {"full", &FaultOptions::full_disk},
    {"wipe", &FaultOptions::wipe},
    {"corrupt", &FaultOptions::corrupt},
    {"lost_writes", &FaultOptions::lost_writes},
    {"depose", &FaultOptions::depose},
    {"usurp", &FaultOptions::usurp},
    {"doze", &FaultOptions::doze},
    {"forget", &FaultOptions::forget},
    {"amnesia", &FaultOptions::amnesia},
    {"shuffle", &FaultOptions::shuffle_disks},
};

void silence(FaultOptions& faults) {
  for (const Kind& kind : kinds) {
    faults.*kind.weight = 0;
  }
}

// Some kinds at a time: a storm of one sort digs deeper than a mixture of all.
void draw_mixture(Prng& prng, FaultOptions& faults) {
  faults.gap_max = Duration::millis(prng.between(100, 2500));
  faults.flap = 5;
  faults.jump_clock = 4;
  faults.fail_flush = 5;
  faults.fail_io = 3;
  faults.full_disk = 5;
  for (const Kind& kind : kinds) {
    if (prng.chance(1, 3)) {
      faults.*kind.weight = 0;
    }
  }
  faults.kill += 1;
  const std::uint64_t loss = prng.below(4);
  faults.wipe = loss == 0 ? 6 : 0;
  faults.corrupt = loss == 1 ? 6 : 0;
  faults.lost_writes = loss == 2 ? 6 : 0;
}

// Answers on a quick network, long before disks have done their work, and then darkness.
void aim_dark(Prng& prng, Parameters& p) {
  silence(p.faults);
  p.faults.break_streams = 10;
  p.faults.slow_link = 4;
  p.faults.shuffle_disks = 20;
  p.faults.gap_max = Duration::millis(prng.between(300, 1500));
  p.faults.dark_once_in = static_cast<std::uint64_t>(prng.between(1, 8));
  p.network.latency_max = Duration::micros(prng.between(100, 500));
  // So many that a journal has seldom nothing to do: what waits for it dies with its process.
  p.clients = 6;
  p.burst_max = 30;
}

// Histories that diverge: leaders deposed while their clients go on. Clocks that drift much make an
// old leader sure of itself for longer.
void aim_depose(Prng& prng, Parameters& p) {
  p.drift_ppm_max = 50'000;
  if (prng.chance(1, 2)) {
    silence(p.faults);
    p.faults.kill = 3;
    p.faults.take_turns = 3;
    p.storm = Duration::seconds(40);
  }
  p.faults.depose = 40;
  p.faults.gap_max = Duration::millis(prng.between(300, 1500));
}

void aim_usurp(Prng& prng, Parameters& p) {
  silence(p.faults);
  p.faults.usurp = 30;
  p.faults.kill = 2;
  p.faults.slow_link = 4;
  p.drift_ppm_max = 50'000;
  p.faults.gap_max = Duration::millis(prng.between(1500, 4000));
}

void aim_amnesia(Prng& prng, Parameters& p) {
  silence(p.faults);
  p.faults.amnesia = 20;
  p.faults.take_turns = 4;
  p.faults.kill = 2;
  p.faults.gap_max = Duration::millis(prng.between(300, 2500));
}

void aim_disks(Prng& prng, Parameters& p) {
  silence(p.faults);
  p.faults.fail_flush = prng.chance(2, 3) ? 10 : 0;
  p.faults.fail_io = prng.chance(1, 3) ? 10 : 0;
  p.faults.full_disk = prng.chance(1, 2) ? 10 : 0;
  p.faults.corrupt = prng.chance(1, 2) ? 10 : 0;
  p.faults.slow_disk = 5;
  p.faults.power = 10;
  p.faults.power_all = prng.chance(1, 2) ? 4 : 0;
  p.faults.gap_max = Duration::millis(prng.between(300, 2500));
}

// A disk that says yes and forgets, and its machine restarts while the others are away in turn.
void aim_lies(Prng& prng, Parameters& p) {
  silence(p.faults);
  p.faults.lost_writes = 10;
  p.faults.amnesia = 20;
  p.faults.power = 6;
  p.faults.power_all = prng.chance(1, 2) ? 4 : 0;
  p.faults.take_turns = 6;
  p.faults.kill = 4;
  p.faults.gap_max = Duration::millis(prng.between(300, 2000));
}

void aim_clocks(Prng& prng, Parameters& p) {
  silence(p.faults);
  p.faults.jump_clock = 20;
  p.faults.pause = 10;
  p.faults.kill = 3;
  p.drift_ppm_max = 50'000;
  p.faults.gap_max = Duration::millis(prng.between(300, 2500));
}

// One end of a link is cut: what stalls there must not stall anything else.
void aim_links(Prng& prng, Parameters& p) {
  silence(p.faults);
  p.faults.cut_links = 10;
  p.faults.flap = 10;
  p.faults.slow_link = 10;
  p.faults.break_streams = 10;
  p.network.chunk_lost_once_in = 20;
  p.network.dial_hangs_once_in = 10;
  p.faults.gap_max = Duration::millis(prng.between(100, 1500));
}

// Snapshots all the time, and laggards that need them.
void aim_snapshots(Prng& prng, Parameters& p) {
  p.snapshot_count = 5 + prng.below(40);
  p.log_slots_kept = prng.below(20);
  p.faults.take_turns = 20;
  p.faults.power = 10;
}

// Members come and go all the time, among partitions and changes of leader.
void aim_members(Prng& prng, Parameters& p) {
  p.spares = 2;
  p.servers = prng.chance(3, 4) ? 3 : 5;
  p.observers = p.groups = 0;
  if (prng.chance(1, 2)) {
    silence(p.faults);
    p.faults.kill = 4;
    p.faults.isolate = 10;
    p.faults.cut_links = 10;
    p.faults.depose = 30;
    p.drift_ppm_max = 50'000;
  }
  p.faults.part_once_in = prng.chance(1, 2) ? 2 : 0;
  p.faults.gap_max = Duration::millis(prng.between(200, 2000));
}

// Leaders that sleep or are cut off while their leases end, and those that granted them restart.
void aim_leases(Prng& prng, Parameters& p) {
  silence(p.faults);
  p.tick_ms = 1000;
  p.session_timeout_ms = 6000;  // clients stay with a leader that sleeps
  p.lease_ms = static_cast<std::int32_t>(prng.between(300, 1000));
  p.storm = Duration::seconds(prng.between(12, 20));
  // Many that are idle for longer than an election takes, and then read from whoever they are with.
  p.clients = static_cast<int>(prng.between(5, 8));
  p.operations = static_cast<int>(prng.between(30, 70));
  p.servers = prng.chance(3, 4) ? 3 : 5;
  p.observers = p.groups = 0;
  p.faults.doze = 30;
  p.faults.forget = prng.chance(2, 3) ? 50 : 10;
  p.faults.depose = 4;
  p.faults.pause = 2;
  p.faults.kill = prng.chance(1, 2) ? 10 : 1;
  p.faults.slow_link = 2;
  p.drift_ppm_max = 50'000;
  p.faults.gap_max = Duration::millis(prng.between(100, 1000));
}

void aim_bursts(Prng& prng, Parameters& p) {
  p.burst_max = 200;
  p.lane_tasks_max = 64 + prng.below(1000);
  p.faults.pause = 5;
  p.faults.slow_disk = 10;
}

void aim_partial(Prng&, Parameters& p, Faults::Partial kind) {
  silence(p.faults);
  p.partial = kind;
  p.observers = p.groups = 0;
  p.servers = kind == Faults::Partial::chained ? 3 : 5;
  p.storm = Duration::seconds(15);
  p.operations = 60;
}

// Too much to do, and nothing else wrong.
void aim_overload(Prng& prng, Parameters& p) {
  silence(p.faults);
  p.floods = static_cast<int>(prng.between(2, 6));
  p.servers = 3;
  p.groups = 0;
  p.network.chunk_lost_once_in = p.network.dial_hangs_once_in = 0;
  p.storm = Duration::seconds(prng.between(8, 12));
  p.operations = 60;
}

// Between peers, docs/formats/peer.md: without leases; and the first that knows rules 2.
constexpr std::int64_t older_format_max = 4;
constexpr std::int64_t format_of_changes = 3;

// Upgraded one by one, or each there and back as it happens. Members change only on the way
// forwards: behind the first change there is no way back (decision 0142).
void draw_releases(Prng& prng, Parameters& p) {
  const int servers = p.servers + p.observers + p.spares;
  const bool forwards = p.spares != 0 || prng.chance(1, 2);
  const std::int64_t format = prng.chance(1, 2) ? 1 : prng.between(2, older_format_max);
  p.releases.older_format = static_cast<std::uint16_t>(format);
  p.releases.older_rules = format < format_of_changes ? 1 : 2;
  for (int id = 1; id <= servers; ++id) {
    if (forwards || prng.chance(1, 2)) {
      p.releases.older.insert(id);
    }
    const std::int64_t changes = forwards ? 1 : prng.between(0, 4);
    for (std::int64_t i = 0; i < changes; ++i) {
      p.releases.changes.push_back(
          {Duration::nanos(prng.between(0, p.storm.nanos() * 9 / 10)), id});
    }
  }
}

// Restarts for the sake of the release, and not much else.
void aim_releases(Prng& prng, Parameters& p) {
  silence(p.faults);
  p.faults.kill = 4;
  p.faults.break_streams = 4;
  p.faults.cut_links = 4;
  p.faults.take_turns = 4;
  p.faults.wipe = prng.chance(1, 3) ? 4 : 0;
  p.faults.gap_max = Duration::millis(prng.between(500, 4000));
  p.spares = prng.chance(1, 2) ? 2 : 0;
  p.observers = 0;
}

struct Aim {
  const char* name;
  std::uint64_t weight;
  void (*apply)(Prng&, Parameters&);
};

constexpr Aim all_aims[] = {
    {"all", 30, [](Prng&, Parameters&) {}},
    {"dark", 20, aim_dark},
    {"depose", 16, aim_depose},
    {"usurp", 6, aim_usurp},
    {"amnesia", 6, aim_amnesia},
    {"disks", 8, aim_disks},
    {"lies", 8, aim_lies},
    {"clocks", 4, aim_clocks},
    {"links", 5, aim_links},
    {"snapshots", 8, aim_snapshots},
    {"bursts", 4, aim_bursts},
    {"overload", 5, aim_overload},
    {"members", 16, aim_members},
    {"leases", 16, aim_leases},
    {"releases", 8, aim_releases},
    {"quorum_loss", 1,
     [](Prng& prng, Parameters& p) { aim_partial(prng, p, Faults::Partial::quorum_loss); }},
    {"constrained_election", 1,
     [](Prng& prng, Parameters& p) { aim_partial(prng, p, Faults::Partial::constrained); }},
    {"chained", 1,
     [](Prng& prng, Parameters& p) { aim_partial(prng, p, Faults::Partial::chained); }},
};

const Aim& draw_aim(Prng& prng, const std::string& wanted) {
  std::uint64_t sum = 0;
  for (const Aim& aim : all_aims) {
    if (wanted == aim.name) {
      return aim;
    }
    sum += aim.weight;
  }
  std::uint64_t draw = prng.below(sum);
  for (const Aim& aim : all_aims) {
    if (draw < aim.weight) {
      return aim;
    }
    draw -= aim.weight;
  }
  return all_aims[0];
}

bool is_of_leases(PlantedBug planted) {
  return planted == PlantedBug::lease_without_quorum || planted == PlantedBug::lease_from_receipt ||
         planted == PlantedBug::lease_forgotten_at_restart;
}

void draw_network(Prng& prng, NetworkOptions& network) {
  network.latency_max = Duration::micros(prng.between(100, 5000));
  network.chunk_lost_once_in = prng.chance(1, 3) ? 20 + prng.below(500) : 0;
  network.dial_hangs_once_in = prng.chance(1, 3) ? 20 : 0;
  network.window_bytes = prng.chance(1, 4) ? 4096 : 256 << 10;
  network.give_up_max = Duration::seconds(prng.between(2, 20));
}

}  // namespace

Parameters draw_parameters(const ScenarioOptions& options) {
  Prng prng = Prng(options.seed).fork();
  Parameters p;
  constexpr int sizes[] = {3, 3, 3, 3, 3, 5, 5, 7};
  p.servers = sizes[prng.below(std::size(sizes))];
  p.observers = prng.chance(1, 4) ? static_cast<int>(prng.between(1, 2)) : 0;
  p.groups = p.servers > 3 && prng.chance(1, 4) ? 3 : 0;
  p.clients = static_cast<int>(prng.between(2, 5));
  p.operations = static_cast<int>(prng.between(300, 700)) / p.clients;
  p.burst_max = prng.chance(1, 6) ? 40 : 8;
  p.data_max = prng.chance(1, 5) ? std::uint64_t{1} << prng.between(6, 16) : 0;
  p.storm = Duration::millis(prng.between(6000, 40'000));
  p.snapshot_count = prng.chance(1, 3) ? 100'000 : 20 + prng.below(300);
  p.log_slots_kept = prng.chance(1, 2) ? 20'000 : prng.below(100);
  p.edge_lanes = static_cast<int>(prng.below(5));
  p.session_timeout_ms = static_cast<std::int32_t>(prng.between(1500, 5000));
  draw_network(prng, p.network);
  draw_mixture(prng, p.faults);
  p.faults.corrupted_prefix = prng.chance(2, 3) ? "/datalog/log/segment" : "/data";
  const Aim& aim = draw_aim(prng, options.aim);
  p.aim = aim.name;
  aim.apply(prng, p);
  if (p.faults.lost_writes != 0) {
    // What it may lose is lost by one machine, and in one way.
    p.faults.operator_replaces = true;
    p.faults.wipe = p.faults.corrupt = 0;
  }
  p.linearizable_reads = prng.chance(1, 4);
  if (!p.partial.has_value() && p.spares == 0 && prng.chance(1, 5)) {
    constexpr int servers_max = 9;  // one digit names them
    p.spares =
        std::min<int>(static_cast<int>(prng.between(1, 2)), servers_max - p.servers - p.observers);
  }
  // Whoever runs without leases has none of their bugs.
  const bool leases = prng.chance(1, 4) || is_of_leases(options.planted);
  if (leases && p.lease_ms == 0) {
    p.lease_ms = static_cast<std::int32_t>(prng.between(30, p.tick_ms));
  }
  p.linearizable_reads = p.linearizable_reads || (p.lease_ms != 0 && prng.chance(1, 2));
  // Older ones grant no leases.
  const bool mixed = p.aim == "releases" || (p.aim != "leases" && prng.chance(1, 6));
  if (mixed && !p.partial.has_value() && p.floods == 0) {
    draw_releases(prng, p);
  }
  p.faults.skipped = options.less.skipped;
  p.faults.strikes_max = options.less.strikes_max;
  p.clients = std::min(p.clients, options.less.clients_max);
  p.operations = std::min(p.operations, options.less.operations_max);
  return p;
}

std::string show(const Parameters& p) {
  std::string text = fmt::format(
      "aim={} servers={} observers={} spares={} groups={} edges={} snapshots={} kept={} clients={} "
      "operations={} burst={} data={} "
      "storm={}ms session={}ms latency={}us lost={} gap={}ms",
      p.aim, p.servers, p.observers, p.spares, p.groups, p.edge_lanes, p.snapshot_count,
      p.log_slots_kept, p.clients, p.operations, p.burst_max, p.data_max, p.storm.millis(),
      p.session_timeout_ms, p.network.latency_max.micros(), p.network.chunk_lost_once_in,
      p.faults.gap_max.millis());
  text += p.floods > 0 ? fmt::format(" floods={}", p.floods) : "";
  text += p.releases.older.empty() && p.releases.changes.empty()
              ? ""
              : fmt::format(" older={} release_changes={} older_format={} older_rules={}",
                            p.releases.older.size(), p.releases.changes.size(),
                            p.releases.older_format, p.releases.older_rules);
  text += p.linearizable_reads ? " linearizable_reads" : "";
  text += p.lease_ms != 0 ? fmt::format(" lease={}ms", p.lease_ms) : "";
  for (const Kind& kind : kinds) {
    if (p.faults.*kind.weight != 0) {
      text += fmt::format(" {}={}", kind.name, p.faults.*kind.weight);
    }
  }
  return text;
}

const std::vector<std::string>& aims() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const Aim& aim : all_aims) {
      list.emplace_back(aim.name);
    }
    return list;
  }();
  return names;
}

}  // namespace synod::sim::coordination
