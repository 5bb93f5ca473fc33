// Faults that wait for their moment: what hurts is a matter of milliseconds, and chance alone finds
// it too seldom.
#include <fmt/format.h>

#include "sim/faults.h"

namespace synod::sim {
namespace {

constexpr Duration look_again = Duration::millis(5);
constexpr Duration successor_max = Duration::seconds(4);

}  // namespace

void Faults::heal(SimMachine& machine) {
  for (SimMachine* other : targets_) {
    world_.network().heal(machine.name(), other->name());
    world_.network().heal(other->name(), machine.name());
  }
}

SimMachine* Faults::leader() const {
  for (SimMachine* machine : targets_) {
    const SimProcess* running = process(*machine);
    if (leads_ && running != nullptr && leads_(*running)) {
      return machine;
    }
  }
  return nullptr;
}

// From its peers, not from its clients.
void Faults::cut_off(SimMachine& machine) {
  for (SimMachine* other : targets_) {
    if (other != &machine) {
      world_.network().cut_both(machine.name(), other->name());
    }
  }
}

// The leader is cut off from its peers, but not from its clients, whose requests pile up unchosen.
// Soon after another one leads, that one falls, and the old one comes back with what it has.
void Faults::depose() {
  SimMachine* machine = leader();
  if (deposing_ || machine == nullptr) {
    return;
  }
  deposing_ = true;
  world_.note("depose " + machine->name());
  cut_off(*machine);
  await_successor(
      *machine, look_again, world_.now() + successor_max, [this, machine](SimMachine& successor) {
        world_.after(draw_span(Duration::millis(400)),
                     [this, machine, &successor] { end_successor(*machine, successor); });
      });
}

void Faults::await_successor(SimMachine& old, Duration interval, Instant until, OnSuccessor then) {
  world_.after(interval, [this, &old, interval, until, then] {
    if (calm_) {
      deposing_ = false;
      return;
    }
    for (SimMachine* machine : targets_) {
      const SimProcess* running = process(*machine);
      if (machine != &old && running != nullptr && leads_(*running)) {
        then(*machine);
        return;
      }
    }
    if (world_.now() < until) {
      await_successor(old, interval, until, then);
    } else {
      deposing_ = false;
      heal(old);
    }
  });
}

void Faults::end_successor(SimMachine& old, SimMachine& successor) {
  deposing_ = false;
  if (calm_) {
    return;
  }
  heal(old);
  // So many that the old one is needed for a quorum, and so long that there is one without them.
  std::size_t count = (targets_.size() - 1) / 2;
  std::vector<SimMachine*> ended{&successor};
  for (SimMachine* machine : targets_) {
    if (ended.size() < count && machine != &old && machine != &successor) {
      ended.push_back(machine);
    }
  }
  for (SimMachine* machine : ended) {
    if (SimProcess* running = process(*machine)) {
      running->kill();
      start_later(*machine, Duration::millis(prng_.between(1000, 4000)));
    }
  }
}

// A leader is cut off until another one is elected. In that very moment whoever elected it loses
// its power, comes back without it, and finds only the old one; a little later the new one is back,
// still sure of its ballot. Promises that were not written down are broken here.
void Faults::usurp() {
  SimMachine* machine = leader();
  if (deposing_ || machine == nullptr) {
    return;
  }
  deposing_ = true;
  world_.note("usurp " + machine->name());
  cut_off(*machine);
  await_successor(*machine, Duration::micros(200), world_.now() + successor_max,
                  [this, machine](SimMachine& successor) { restore_middle(*machine, successor); });
}

void Faults::restore_middle(SimMachine& old, SimMachine& successor) {
  deposing_ = false;
  if (prng_.chance(1, 2)) {
    // Or all that the old one has said meanwhile arrives just now.
    heal(old);
    return;
  }
  cut_off(successor);
  for (SimMachine* machine : targets_) {
    if (machine != &old && machine != &successor) {
      machine->power_off();
      start_later(*machine, Duration::millis(prng_.between(5, 60)));
      world_.network().heal(old.name(), machine->name());
      world_.network().heal(machine->name(), old.name());
    }
  }
  world_.after(Duration::millis(prng_.between(100, 900)), [this, &old, &successor] {
    if (!calm_) {
      heal(successor);
      heal(old);
    }
  });
}

// What was chosen without one of them is on the disks of the others; one of those is replaced by an
// empty one, or has forgotten what it was given meanwhile, and the rest goes away, just as the one
// that knows nothing comes back.
void Faults::amnesia() {
  const bool lies = options_.lost_writes != 0;
  if (wiped_ || (victim_ != nullptr && !lies) || targets_.size() < 3) {
    return;
  }
  SimMachine& away = draw_target();
  SimMachine* wiped = draw_victim();
  if (wiped == nullptr || wiped == &away) {
    return;
  }
  wiped_ = !lies;
  wiped->disk().faults().drops_write_once_in = lies ? 1 : 0;
  cut_off(away);
  world_.after(Duration::millis(prng_.between(500, 4000)),
               [this, &away, wiped] { amnesia_strikes(away, *wiped); });
}

void Faults::amnesia_strikes(SimMachine& away, SimMachine& wiped) {
  wiped.disk().faults().drops_write_once_in = 0;
  if (calm_) {
    return;
  }
  world_.note(fmt::format("amnesia of {} while {} knows nothing", wiped.name(), away.name()));
  wiped.power_off();
  // A change of members may have come since the victim was drawn.
  if (wiped_ && !one_is_missing()) {
    wiped.disk().wipe();
  }
  start_later(wiped, Duration::millis(prng_.between(5, 200)));
  heal(away);
  std::size_t kept = 2;
  const std::size_t quorum = targets_.size() / 2 + 1;
  for (SimMachine* machine : targets_) {
    if (machine == &away || machine == &wiped) {
      continue;
    }
    if (kept < quorum) {
      ++kept;
    } else if (SimProcess* running = process(*machine)) {
      running->kill();
      start_later(*machine, Duration::millis(prng_.between(1000, 4000)));
    }
  }
}

void Faults::shuffle_disks() {
  quick_ = prng_.chance(1, 4) ? nullptr : &draw_target();
  const std::int64_t slowness = std::int64_t{1} << prng_.between(3, 6);
  for (SimMachine* machine : targets_) {
    machine->disk().faults().slowness = machine == quick_ ? 1 : slowness;
  }
  world_.note(fmt::format("disks {} times slower, but {}", slowness,
                          quick_ != nullptr ? quick_->name() : "none"));
}

// Whoever comes back first must do with what is on the disks. The one with the quick disk often
// stays away for so long that the others go on without it. Mostly only the processes end:
// what the kernel was given stays, and is believed, since the machine did not restart.
void Faults::answered() {
  if (calm_ || options_.dark_once_in == 0 || world_.now() < dark_after_ ||
      !prng_.chance(1, options_.dark_once_in)) {
    return;
  }
  if (!counts_strike()) {
    dark_after_ = world_.now() + Duration::seconds(1);
    return;
  }
  ++counts_["dark"];
  SimMachine* late = quick_ != nullptr && prng_.chance(3, 4) ? quick_ : &draw_target();
  const bool power = prng_.chance(1, 4);
  for (SimMachine* machine : targets_) {
    SimProcess* running = process(*machine);
    if (power) {
      machine->power_off();
    } else if (running != nullptr) {
      running->kill();
    }
  }
  Duration longest;
  for (SimMachine* machine : targets_) {
    const Duration span = machine == late && prng_.chance(3, 4)
                              ? Duration::millis(prng_.between(2000, 5000))
                              : Duration::millis(prng_.between(5, 300));
    longest = std::max(longest, span);
    start_later(*machine, span);
  }
  dark_after_ = world_.now() + longest + Duration::millis(prng_.between(200, 1500));
}

// The leader keeps sight of the new voters. Sometimes before it has told the others, sometimes
// before they have heard that it is done.
void Faults::change_asked(const std::set<std::size_t>& voters) {
  if (calm_ || options_.part_once_in == 0 || !prng_.chance(1, options_.part_once_in) ||
      !counts_strike()) {
    return;
  }
  ++counts_["part"];
  world_.after(draw_span(Duration::millis(30)), [this, voters] {
    const SimMachine* leading = leader();
    const Duration span = Duration::millis(prng_.between(500, 3000));
    for (std::size_t a = 0; !calm_ && a < targets_.size(); ++a) {
      for (std::size_t b = 0; b < targets_.size(); ++b) {
        const bool stays = voters.count(a) != 0 || targets_[a] == leading;
        if (stays && voters.count(b) == 0 && targets_[b] != leading) {
          cut_for(span, *targets_[a], *targets_[b]);
        }
      }
    }
  });
}

void Faults::cut_for(Duration span, const SimMachine& a, const SimMachine& b) {
  world_.network().cut_both(a.name(), b.name());
  world_.after(span, [this, &a, &b] {
    world_.network().heal(a.name(), b.name());
    world_.network().heal(b.name(), a.name());
  });
}

}  // namespace synod::sim
