// Log lines to standard error or a file:
//   2026-11-22T10:11:12.123Z info engine elected ballot=2.1
//
// Threads  any; lines are written whole.
#pragma once

#include <memory>
#include <string>

#include "base/log.h"
#include "base/result.h"

namespace synod::machine {

// Standard error.
std::unique_ptr<Log> open_log(LogLevel level);
// The file, appended to and made if absent; every line is flushed to the kernel.
Result<std::unique_ptr<Log>> open_log_file(const std::string& path, LogLevel level);

}  // namespace synod::machine
