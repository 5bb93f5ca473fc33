// Judges whether a leader's own disk is slow while those of a quorum are not: then another one
// should lead. A flush is held against the disk only if the others chose without it.
//
// Threads  Confined to the engine's Lane.
#pragma once

#include "base/ids.h"
#include "base/instant.h"

namespace synod::coordinator {

struct DiskWatchOptions {
  Duration slow_flush = Duration::millis(40);
  int slow_flushes_max = 8;  // in a row
  // The slower they are the fewer it takes: so long together, but never fewer than that.
  Duration slow_together_max = Duration::millis(1000);
  int slow_flushes_min = 3;
  Duration stall_max = Duration::millis(1000);
};

class DiskWatch {
 public:
  explicit DiskWatch(DiskWatchOptions options = {}) : options_(options) {}

  // Leads from now on.
  void begin(Instant now, Slot chosen);
  // A flush of our own ended. True: hand over.
  bool flushed(Instant now, Duration took, Slot chosen);
  // Now and then. `waits`: something is not flushed yet. True: hand over.
  bool stalled(Instant now, bool waits, Slot chosen) const;

 private:
  DiskWatchOptions options_;
  int slow_ = 0;
  Duration slow_together_;
  Slot chosen_;      // when the last flush ended
  Instant flushed_;  // when it did
};

}  // namespace synod::coordinator
