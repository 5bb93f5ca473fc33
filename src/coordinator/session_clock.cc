#include "coordinator/session_clock.h"

#include <algorithm>

namespace synod::coordinator {

void SessionClock::begin(Instant now) {
  last_ = now;
  served_ = Duration();
  heard_.clear();
  told_.clear();
}

void SessionClock::touch(SessionId session) {
  heard_[session] = served_;
  told_.erase(session);
}

std::vector<SessionId> SessionClock::expired(Instant now, Duration step_max,
                                             const znode::State& state) {
  served_ = served_ + std::clamp(now - last_, Duration(), step_max);
  last_ = now;
  std::vector<SessionId> silent;
  for (const auto& [id, session] : state.sessions()) {
    const auto it = heard_.find(id);
    const Duration heard = it == heard_.end() ? Duration() : it->second;
    if (it == heard_.end()) {
      heard_[id] = served_;  // new to this clock: its time begins now
    } else if (served_ - heard > Duration::millis(session.timeout_ms) && told_.insert(id).second) {
      silent.push_back(id);
    }
  }
  std::erase_if(heard_, [&](const auto& one) { return state.find_session(one.first) == nullptr; });
  std::erase_if(told_, [&](SessionId id) { return state.find_session(id) == nullptr; });
  return silent;
}

}  // namespace synod::coordinator
