// Faults of disks and clocks, and links that come and go.
#include <fmt/format.h>

#include <algorithm>

#include "sim/faults.h"

namespace synod::sim {

// The one machine of a run that may lose what its disk was given: of everything acknowledged a
// quorum has one copy less from then on, and a second loss would be more than is promised to be
// survived. nullptr if it is another one already.
SimMachine* Faults::draw_victim() {
  SimMachine& machine = draw_target();
  if ((victim_ != nullptr && victim_ != &machine) || one_is_missing()) {
    return nullptr;
  }
  victim_ = &machine;
  return victim_;
}

bool Faults::one_is_missing() const {
  return std::any_of(targets_.begin(), targets_.end(), [this](const SimMachine* machine) {
    const SimProcess* running = process(*machine);
    return lacks_ && running != nullptr && lacks_(*running);
  });
}

void Faults::wipe() {
  if (wiped_) {
    return;
  }
  SimMachine* machine = draw_victim();
  if (machine != nullptr) {
    wiped_ = true;
    world_.note("wipe " + machine->name());
    machine->power_off();
    machine->disk().wipe();
    start_later(*machine, draw_span(options_.outage_max));
  }
}

bool Faults::replace_disk(SimMachine& machine) {
  if (victim_ != &machine || one_is_missing()) {
    return false;
  }
  wiped_ = true;
  world_.note("the disk of " + machine.name() + " is replaced");
  machine.power_off();
  machine.disk().wipe();
  return true;
}

void Faults::corrupt() {
  SimMachine* machine = wiped_ ? nullptr : draw_victim();
  if (machine == nullptr) {
    return;
  }
  const bool falls = prng_.chance(1, 2);
  if (falls) {
    machine->power_off();
  }
  for (std::uint64_t bits = 1 + prng_.below(4); bits > 0; --bits) {
    const std::string where = machine->disk().flip_any_bit(options_.corrupted_prefix);
    world_.note(fmt::format("a bit flips on {}: {}", machine->name(), where));
  }
  if (falls) {
    start_later(*machine, draw_span(options_.outage_max));
  }
}

// Seen only when the page cache is gone: so the power goes, too.
void Faults::lost_writes() {
  SimMachine* machine = wiped_ ? nullptr : draw_victim();
  if (machine == nullptr) {
    return;
  }
  DiskFaults& faults = machine->disk().faults();
  (prng_.chance(1, 2) ? faults.misdirects_once_in : faults.drops_write_once_in) =
      static_cast<std::uint64_t>(prng_.between(1, 20));
  world_.note("writes get lost on " + machine->name());
  world_.after(draw_span(options_.outage_max), [this, machine] {
    machine->disk().faults().misdirects_once_in = 0;
    machine->disk().faults().drops_write_once_in = 0;
    if (!calm_) {
      machine->power_off();
      start_later(*machine, draw_span(options_.outage_max));
    }
  });
}

void Faults::fail_flush() {
  SimMachine& machine = draw_target();
  machine.disk().faults().flush_fails_once_in = static_cast<std::uint64_t>(prng_.between(1, 8));
  world_.note("flushes fail on " + machine.name());
  const bool falls = prng_.chance(1, 2);
  world_.after(draw_span(options_.outage_max), [this, &machine, falls] {
    machine.disk().faults().flush_fails_once_in = 0;
    if (falls && !calm_) {
      machine.power_off();
      start_later(machine, draw_span(options_.outage_max));
    }
  });
}

void Faults::fail_io() {
  SimMachine& machine = draw_target();
  DiskFaults& faults = machine.disk().faults();
  (prng_.chance(1, 2) ? faults.read_fails_once_in : faults.write_fails_once_in) =
      static_cast<std::uint64_t>(prng_.between(1, 20));
  world_.note("reads or writes fail on " + machine.name());
  world_.after(draw_span(options_.outage_max), [&machine] {
    machine.disk().faults().read_fails_once_in = 0;
    machine.disk().faults().write_fails_once_in = 0;
  });
}

void Faults::full_disk() {
  SimMachine& machine = draw_target();
  machine.disk().set_capacity(0);
  world_.note("the disk is full on " + machine.name());
  world_.after(draw_span(options_.outage_max * 2),
               [&machine] { machine.disk().set_capacity(DiskOptions{}.capacity_bytes); });
}

void Faults::flap() {
  const std::string a = draw_target().name();
  const std::string b = draw_any().name();
  if (a != b) {
    flap_on(a, b, prng_.between(2, 20));
  }
}

void Faults::flap_on(const std::string& a, const std::string& b, std::int64_t times) {
  if (calm_) {
    return;
  }
  world_.network().cut(a, b);
  if (prng_.chance(1, 2)) {
    world_.network().cut(b, a);
  }
  world_.after(draw_span(Duration::millis(800)), [this, a, b, times] {
    world_.network().heal(a, b);
    world_.network().heal(b, a);
    if (times > 1) {
      world_.after(draw_span(Duration::millis(800)),
                   [this, a, b, times] { flap_on(a, b, times - 1); });
    }
  });
}

// The monotonic clock goes on as it was.
void Faults::jump_clock() {
  SimMachine& machine = draw_target();
  const Duration by = Duration::millis(prng_.between(-3'600'000, 3'600'000));
  world_.note(fmt::format("the clock of {} leaps by {} ms", machine.name(), by.millis()));
  machine.jump_wall(by);
}

}  // namespace synod::sim
