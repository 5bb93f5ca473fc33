#include "coordinator/disk_watch.h"

namespace synod::coordinator {

void DiskWatch::begin(Instant now, bool waits, Slot chosen) {
  slow_ = 0;
  slow_together_ = Duration();
  waiting_ = waits;
  since_ = now;
  chosen_ = chosen;
}

void DiskWatch::waits(Instant now, Slot chosen) {
  if (!waiting_) {
    waiting_ = true;
    since_ = now;
    chosen_ = chosen;
  }
}

bool DiskWatch::flushed(Instant now, Duration took, bool waits, Slot chosen) {
  const bool held_back = took >= options_.slow_flush && chosen > chosen_;
  slow_ = held_back ? slow_ + 1 : 0;
  slow_together_ = held_back ? slow_together_ + took : Duration();
  waiting_ = waits;
  since_ = now;
  chosen_ = chosen;
  return slow_ >= options_.slow_flushes_max ||
         (slow_ >= options_.slow_flushes_min && slow_together_ >= options_.slow_together_max);
}

bool DiskWatch::stalled(Instant now, Slot chosen) const {
  return waiting_ && chosen > chosen_ && now - since_ >= options_.stall_max;
}

}  // namespace synod::coordinator
