#include "coordinator/disk_watch.h"

namespace synod::coordinator {

void DiskWatch::begin(Instant now, Slot chosen) {
  slow_ = 0;
  slow_together_ = Duration();
  chosen_ = chosen;
  flushed_ = now;
}

bool DiskWatch::flushed(Instant now, Duration took, Slot chosen) {
  const bool held_back = took >= options_.slow_flush && chosen > chosen_;
  slow_ = held_back ? slow_ + 1 : 0;
  slow_together_ = held_back ? slow_together_ + took : Duration();
  chosen_ = chosen;
  flushed_ = now;
  return slow_ >= options_.slow_flushes_max ||
         (slow_ >= options_.slow_flushes_min && slow_together_ >= options_.slow_together_max);
}

bool DiskWatch::stalled(Instant now, bool waits, Slot chosen) const {
  return waits && chosen > chosen_ && now - flushed_ >= options_.stall_max;
}

}  // namespace synod::coordinator
