// How long the sessions were silent, in time during which this node really led.
//
// Pauses of the process, elections and the time of other leaders count for nothing: the clock moves
// by at most `step_max` a call and begins anew with every leadership. So nobody is expired by a
// failover, only by its own silence.
//
// Purity  Time is an argument.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "base/ids.h"
#include "base/instant.h"
#include "znode/state.h"

namespace synod::coordinator {

class SessionClock {
 public:
  void begin(Instant now);
  void touch(SessionId session);
  // Moves the clock. Sessions of the state that are silent for longer than their timeout, each told
  // once until it is touched.
  std::vector<SessionId> expired(Instant now, Duration step_max, const znode::State& state);

 private:
  Instant last_;
  Duration served_;
  std::map<SessionId, Duration> heard_;
  std::set<SessionId> told_;
};

}  // namespace synod::coordinator
