// Faults for those who answer under a lease: leaders that sleep while it ends, and acceptors that
// restart while it runs.
#include <fmt/format.h>

#include "sim/faults.h"

namespace synod::sim {
namespace {

constexpr Duration look_again = Duration::millis(5);
constexpr Duration successor_max = Duration::seconds(4);

}  // namespace

// What followers say takes long to reach their leader, and when it arrives it sleeps, until another
// one leads. Then it wakes up, with all that before it, and with its clients, but not its peers.
void Faults::doze() {
  SimMachine* machine = leader();
  if (deposing_ || machine == nullptr) {
    return;
  }
  SimProcess* running = process(*machine);
  deposing_ = true;
  world_.note("doze " + machine->name());
  // At most two heartbeats: mostly some answer is under way, and comes before the next is due.
  const Duration late = Duration::millis(prng_.between(100, 200));
  for (SimMachine* other : targets_) {
    world_.network().slow(other->name(), machine->name(), other == machine ? Duration() : late);
  }
  world_.after(late + Duration::millis(prng_.between(0, 100)), [this, machine, running] {
    if (!calm_ && process(*machine) == running) {
      running->pause();
    }
  });
  world_.after(late * 2 + Duration::millis(120), [this, machine] {
    for (SimMachine* other : targets_) {
      world_.network().slow(other->name(), machine->name(), Duration());
    }
    if (!calm_) {
      cut_off(*machine);
    }
  });
  const auto wake = [this, machine, running] {
    deposing_ = false;
    running->resume();
    heal_later(*machine, Duration::millis(600));
  };
  world_.after(successor_max, [running] { running->resume(); });
  await_successor(*machine, look_again, world_.now() + successor_max, [this, wake](SimMachine&) {
    world_.after(Duration::millis(prng_.between(200, 1500)), wake);
  });
}

void Faults::heal_later(SimMachine& machine, Duration most) {
  world_.after(Duration::millis(prng_.between(100, most.millis())), [this, &machine] {
    if (!calm_) {
      heal(machine);
    }
  });
}

// A leader has just enough followers for a quorum, for so long that the others would like to lead.
// Then it is cut off from those, too, and they restart at once: whoever forgets what it has granted
// elects another one while the old one is sure of itself.
void Faults::forget() {
  SimMachine* machine = leader();
  if (deposing_ || machine == nullptr) {
    return;
  }
  deposing_ = true;
  std::vector<SimMachine*> kept;
  for (SimMachine* other : targets_) {
    if (other != machine) {
      kept.insert(prng_.chance(1, 2) ? kept.begin() : kept.end(), other);
    }
  }
  for (std::size_t i = targets_.size() / 2; i < kept.size(); ++i) {
    world_.network().cut_both(machine->name(), kept[i]->name());
  }
  kept.resize(targets_.size() / 2);
  world_.note("forget " + machine->name());
  world_.after(Duration::millis(prng_.between(600, 1500)), [this, machine, kept] {
    if (calm_) {
      deposing_ = false;
      return;
    }
    cut_off(*machine);
    for (SimMachine* other : kept) {
      if (SimProcess* running = process(*other)) {
        running->kill();
        start_later(*other, Duration::millis(prng_.between(1, 30)));
      }
    }
    await_successor(*machine, look_again, world_.now() + successor_max,
                    [this, machine](SimMachine&) {
                      deposing_ = false;
                      heal_later(*machine, Duration::millis(800));
                    });
  });
}

}  // namespace synod::sim
