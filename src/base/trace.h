// Debug lines of what prints itself: every event and effect of a core, for a simulator's trace and
// for an operator who asks for debug.
//
// Threads as Log.
#pragma once

#include <sstream>
#include <string_view>

#include "base/log.h"

namespace synod {

// `word` and then `printed`, one line. Costs nothing where debug is disabled.
template <typename T>
void trace(Log& log, std::string_view part, std::string_view word, const T& printed) {
  if (log.enabled(LogLevel::debug)) {
    std::ostringstream line;
    line << word << ' ' << printed;
    log.write(LogLevel::debug, part, line.str());
  }
}

}  // namespace synod
