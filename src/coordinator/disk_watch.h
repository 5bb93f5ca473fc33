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

  // Leads from now on. `waits`: something is not flushed yet.
  void begin(Instant now, bool waits, Slot chosen);
  // Something waits to be flushed from now on. Needed only where nothing waited.
  void waits(Instant now, Slot chosen);
  bool waiting() const { return waiting_; }
  // A flush of our own ended; `waits`: for another one. True: hand over.
  bool flushed(Instant now, Duration took, bool waits, Slot chosen);
  // Now and then. True: hand over.
  bool stalled(Instant now, Slot chosen) const;

 private:
  DiskWatchOptions options_;
  int slow_ = 0;
  Duration slow_together_;
  bool waiting_ = false;
  // When the last flush ended, or when the first record came that waits: an idle leader has chosen
  // its last slot after it was flushed, and that is nothing to hold against the next flush.
  Instant since_;
  Slot chosen_;  // at that time
};

}  // namespace synod::coordinator
