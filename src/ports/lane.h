// One thread of control, as an interface: tasks in order, timers, clocks, log, entropy.
//
// Every object of ours belongs to one Lane: it is constructed, called and destroyed there, and
// every callback it gave to a port comes back there. No callback runs before the call that took it
// returns. In production (machine) a Lane is a thread with an event loop; in simulation (sim) all
// Lanes share one thread and the seed draws their order. Code must not care which.
//
// Threads  try_post may be called from any Lane. Everything else only from the Lane itself.
// Memory   A Lane outlives every object that belongs to it. A task that was posted and never ran
//          (the Lane ended) is destroyed, unrun.
#pragma once

#include <cstdint>

#include "base/instant.h"
#include "base/log.h"
#include "base/strong_id.h"
#include "base/unique_function.h"

namespace synod::ports {

class Entropy;

using Task = UniqueFunction<void()>;
using TimerId = StrongId<struct TimerIdTag, std::uint64_t>;  // 0 is no timer

class Lane {
 public:
  virtual ~Lane() = default;

  // Runs the task later on this Lane, after all that was posted before it. False, and the task is
  // dropped, if limits::lane_tasks_max tasks wait already or the Lane has ended: the caller must
  // have an answer for that.
  [[nodiscard]] virtual bool try_post(Task task) = 0;

  // Runs the task at the first turn at or after now() + delay. A delay <= 0 means the next turn.
  virtual TimerId after(Duration delay, Task task) = 0;
  // Nothing happens if it ran or was cancelled already. The task is destroyed before this returns.
  virtual void cancel(TimerId timer) = 0;

  // Monotonic, counts suspended time too; constant within one turn is allowed.
  virtual Instant now() const = 0;
  virtual WallTime wall() const = 0;

  virtual Log& log() = 0;
  virtual Entropy& entropy() = 0;
};

}  // namespace synod::ports
