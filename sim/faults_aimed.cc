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

// The leader is cut off from its peers, but not from its clients, whose requests pile up unchosen.
// Soon after another one leads, that one falls, and the old one comes back with what it has.
void Faults::depose() {
  if (deposing_ || !leads_) {
    return;
  }
  for (SimMachine* machine : targets_) {
    const SimProcess* running = process(*machine);
    if (running == nullptr || !leads_(*running)) {
      continue;
    }
    deposing_ = true;
    world_.note("depose " + machine->name());
    for (SimMachine* other : targets_) {
      if (other != machine) {
        world_.network().cut_both(machine->name(), other->name());
      }
    }
    await_successor(*machine, world_.now() + successor_max);
    return;
  }
}

void Faults::await_successor(SimMachine& old, Instant until) {
  world_.after(look_again, [this, &old, until] {
    if (calm_) {
      deposing_ = false;
      return;
    }
    for (SimMachine* machine : targets_) {
      const SimProcess* running = process(*machine);
      if (machine != &old && running != nullptr && leads_(*running)) {
        world_.after(draw_span(Duration::millis(400)),
                     [this, &old, machine] { end_successor(old, *machine); });
        return;
      }
    }
    if (world_.now() < until) {
      await_successor(old, until);
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
// stays away for so long that the others go on without it.
void Faults::answered() {
  if (calm_ || options_.dark_once_in == 0 || world_.now() < dark_after_ ||
      !prng_.chance(1, options_.dark_once_in)) {
    return;
  }
  ++counts_["dark"];
  SimMachine* late = quick_ != nullptr && prng_.chance(3, 4) ? quick_ : &draw_target();
  for (SimMachine* machine : targets_) {
    machine->power_off();
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

}  // namespace synod::sim
