#include "sim/faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace synod::sim {
namespace {

constexpr Duration short_life = Duration::seconds(3);
constexpr int exits_max = 6;
constexpr int sigterm = 15;
constexpr Duration stop_max = Duration::seconds(5);

}  // namespace

Faults::Faults(World& world, std::vector<SimMachine*> targets, std::vector<SimMachine*> others,
               FaultOptions options, Start start)
    : world_(world),
      prng_(world.prng().fork()),
      targets_(std::move(targets)),
      others_(std::move(others)),
      options_(options),
      start_(std::move(start)) {}

SimMachine& Faults::draw_target() {
  return *targets_[static_cast<std::size_t>(prng_.below(targets_.size()))];
}

SimMachine& Faults::draw_any() {
  const auto index = static_cast<std::size_t>(prng_.below(targets_.size() + others_.size()));
  return index < targets_.size() ? *targets_[index] : *others_[index - targets_.size()];
}

// Short spans are likelier: what matters often happens within milliseconds.
Duration Faults::draw_span(Duration most) {
  const std::int64_t divisor = std::int64_t{1} << prng_.below(8);
  return Duration::nanos(
      prng_.between(1'000'000, std::max<std::int64_t>(2'000'000, most.nanos() / divisor)));
}

SimProcess* Faults::process(const SimMachine& machine) const {
  auto it = processes_.find(machine.name());
  return it != processes_.end() && it->second->alive() ? it->second : nullptr;
}

void Faults::start(SimMachine& machine) {
  machine.power_on();
  if (process(machine) == nullptr) {
    SimProcess& started = start_(machine);
    processes_[machine.name()] = &started;
    started.on_end([this, &machine, since = world_.now()](SimProcess& ended) {
      if (!ended.status()->code || !machine.powered()) {
        return;
      }
      // One that cannot live with its disk is given another, as it asks for.
      int& exits = exits_[machine.name()];
      exits = world_.now() - since < short_life ? exits + 1 : 1;
      exits = ended.status()->code == 0 ? 0 : exits;
      if (options_.operator_replaces && exits >= exits_max && replace_disk(machine)) {
        exits = 0;
      }
      start_later(machine, Duration::millis(prng_.between(50, 500)));
    });
  }
}

void Faults::start_all() {
  for (SimMachine* machine : targets_) {
    start(*machine);
  }
}

void Faults::start_later(SimMachine& machine, Duration delay) {
  world_.at(world_.now() + delay, [this, &machine] { start(machine); });
}

void Faults::begin(Instant until) {
  until_ = until;
  calm_ = false;
  next();
}

void Faults::next() {
  const auto gap =
      Duration::nanos(prng_.between(options_.gap_min.nanos(), options_.gap_max.nanos()));
  if (world_.now() + gap > until_) {
    return;
  }
  world_.after(gap, [this] {
    if (!calm_) {
      strike();
      next();
    }
  });
}

void Faults::calm() {
  calm_ = true;
  quick_ = nullptr;
  world_.note("calm");
  world_.network().heal_all();
  for (SimMachine* machine : targets_) {
    machine->disk().faults() = {};
    machine->disk().set_capacity(DiskOptions{}.capacity_bytes);
    start(*machine);
    machine->disk().lose_power_at_operation(0);
    if (SimProcess* running = process(*machine)) {
      running->resume();
    }
  }
}

void Faults::strike() {
  struct Kind {
    const char* name;
    std::uint64_t weight;
    void (Faults::*act)();
  };
  const Kind kinds[] = {
      {"kill", options_.kill, &Faults::kill},
      {"stop", options_.stop, &Faults::stop},
      {"power", options_.power, &Faults::power},
      {"power_at_operation", options_.power_at_operation, &Faults::power_at_operation},
      {"power_all", options_.power_all, &Faults::power_all},
      {"pause", options_.pause, &Faults::pause},
      {"isolate", options_.isolate, &Faults::isolate},
      {"cut_links", options_.cut_links, &Faults::cut_links},
      {"break_streams", options_.break_streams, nullptr},
      {"slow_disk", options_.slow_disk, &Faults::slow_disk},
      {"slow_link", options_.slow_link, &Faults::slow_link},
      {"take_turns", options_.take_turns, &Faults::take_turns},
      {"flap", options_.flap, &Faults::flap},
      {"jump_clock", options_.jump_clock, &Faults::jump_clock},
      {"fail_flush", options_.fail_flush, &Faults::fail_flush},
      {"fail_io", options_.fail_io, &Faults::fail_io},
      {"full_disk", options_.full_disk, &Faults::full_disk},
      {"corrupt", options_.corrupt, &Faults::corrupt},
      {"lost_writes", options_.lost_writes, &Faults::lost_writes},
      {"wipe", options_.wipe, &Faults::wipe},
      {"depose", options_.depose, &Faults::depose},
      {"usurp", options_.usurp, &Faults::usurp},
      {"doze", options_.doze, &Faults::doze},
      {"forget", options_.forget, &Faults::forget},
      {"amnesia", options_.amnesia, &Faults::amnesia},
      {"shuffle_disks", options_.shuffle_disks, &Faults::shuffle_disks},
  };
  std::uint64_t sum = 0;
  for (const Kind& kind : kinds) {
    sum += kind.weight;
  }
  if (sum == 0) {
    return;
  }
  std::uint64_t draw = prng_.below(sum);
  // Its own draws, so that skipping it does not change the others.
  Prng own = prng_.fork();
  if (!counts_strike()) {
    return;
  }
  std::swap(own, prng_);
  for (const Kind& kind : kinds) {
    if (draw < kind.weight) {
      ++counts_[kind.name];
      if (kind.act != nullptr) {
        (this->*kind.act)();
      } else {
        world_.network().break_any_stream();
      }
      break;
    }
    draw -= kind.weight;
  }
  std::swap(own, prng_);
}

// False: this one is left out.
bool Faults::counts_strike() {
  ++strikes_;
  return strikes_ <= options_.strikes_max && options_.skipped.count(strikes_) == 0;
}

void Faults::kill() {
  SimMachine& machine = draw_target();
  if (SimProcess* running = process(machine)) {
    running->kill();
    start_later(machine, draw_span(options_.outage_max));
  }
}

void Faults::stop() {
  if (SimProcess* running = process(draw_target())) {
    end_orderly(*running);
  }
}

// Told to end, as for a restart; killed if it takes longer than a supervisor waits.
void Faults::end_orderly(SimProcess& running) {
  if (!running.take_signal(sigterm)) {
    return;
  }
  world_.after(stop_max, [this, &machine = running.machine(), told = &running] {
    if (process(machine) == told) {
      told->kill();
      start_later(machine, draw_span(options_.outage_max));
    }
  });
}

void Faults::restart(SimMachine& machine) {
  SimProcess* running = process(machine);
  if (running == nullptr) {
    return;
  }
  ++counts_["restart"];
  if (prng_.chance(1, 2)) {
    end_orderly(*running);
  } else {
    running->kill();
    start_later(machine, draw_span(options_.outage_max));
  }
}

void Faults::power() {
  SimMachine& machine = draw_target();
  machine.power_off();
  start_later(machine, draw_span(options_.outage_max));
}

void Faults::power_at_operation() {
  SimMachine& machine = draw_target();
  if (machine.powered()) {
    machine.power_off_at_operation(1 + prng_.below(40));
    // It may not come to that many operations: then the plan is dropped with the outage.
    const Duration span = draw_span(options_.outage_max);
    world_.after(span, [this, &machine] {
      machine.disk().lose_power_at_operation(0);
      start(machine);
    });
  }
}

// The whole room: whoever comes back first must do with what is on the disks.
void Faults::power_all() {
  for (SimMachine* machine : targets_) {
    machine->power_off();
  }
  for (SimMachine* machine : targets_) {
    start_later(*machine, draw_span(options_.outage_max));
  }
}

void Faults::pause() {
  if (SimProcess* running = process(draw_target())) {
    running->pause();
    world_.note(fmt::format("pause {}", running->machine().name()));
    world_.after(draw_span(options_.outage_max * 2), [running] { running->resume(); });
  }
}

void Faults::isolate() {
  SimMachine& machine = draw_target();
  const bool all = prng_.chance(1, 2);
  std::vector<SimMachine*> cut;
  for (SimMachine* other : targets_) {
    if (other != &machine) {
      cut.push_back(other);
    }
  }
  if (all) {
    cut.insert(cut.end(), others_.begin(), others_.end());
  }
  for (SimMachine* other : cut) {
    world_.network().cut_both(machine.name(), other->name());
  }
  world_.after(draw_span(options_.outage_max), [this, &machine, cut] {
    for (SimMachine* other : cut) {
      world_.network().heal(machine.name(), other->name());
      world_.network().heal(other->name(), machine.name());
    }
  });
}

// Any set of links, each in one direction: partial and one-way partitions.
void Faults::cut_links() {
  const std::uint64_t count = 1 + prng_.below(4);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string from = draw_target().name();
    const std::string to = draw_any().name();
    if (from == to) {
      continue;
    }
    const bool back = prng_.chance(1, 2);
    const bool both = prng_.chance(1, 3);
    const std::string& a = back ? to : from;
    const std::string& b = back ? from : to;
    world_.network().cut(a, b);
    if (both) {
      world_.network().cut(b, a);
    }
    world_.after(draw_span(options_.outage_max), [this, a, b] {
      world_.network().heal(a, b);
      world_.network().heal(b, a);
    });
  }
}

// One is cut off from its peers, and comes back just as others go: who comes back must be told what
// happened meanwhile by whoever is left.
void Faults::take_turns() {
  SimMachine& away = draw_target();
  for (SimMachine* other : targets_) {
    if (other != &away) {
      world_.network().cut_both(away.name(), other->name());
    }
  }
  const Duration span = Duration::millis(prng_.between(300, 2500));
  world_.after(span, [this, &away] {
    heal(away);
    for (SimMachine* other : targets_) {
      if (other == &away) {
        continue;
      }
      if (prng_.chance(1, 2) && process(*other) != nullptr) {
        process(*other)->kill();
        start_later(*other, draw_span(options_.outage_max));
      }
    }
  });
}

void Faults::slow_disk() {
  SimMachine& machine = draw_target();
  machine.disk().faults().slowness = std::int64_t{1} << prng_.between(2, 8);
  world_.after(draw_span(options_.outage_max * 2),
               [&machine] { machine.disk().faults().slowness = 1; });
}

void Faults::slow_link() {
  const std::string a = draw_target().name();
  const std::string b = draw_any().name();
  const Duration more = draw_span(Duration::millis(300));
  world_.network().slow(a, b, more);
  world_.after(draw_span(options_.outage_max),
               [this, a, b] { world_.network().slow(a, b, Duration()); });
}

}  // namespace synod::sim
