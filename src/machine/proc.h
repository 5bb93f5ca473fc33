// What /proc says about processes.
//
// Source   proc(5).
// Threads  any.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "ports/processes.h"

namespace synod::machine {

// The whole of a small kernel file; not_found when its process is gone.
Result<std::string> read_kernel_file(const std::string& path);

struct ProcessStat {
  std::int64_t pid = 0;
  char state = '?';  // 'Z': ended, not yet reaped
  std::int64_t parent = 0;
  std::int64_t session = 0;
  std::uint64_t user_ticks = 0;
  std::uint64_t system_ticks = 0;
  std::uint64_t start_time = 0;  // ticks since boot
  std::uint64_t resident_pages = 0;
};

// Reads a line of /proc/PID/stat; the command's name may hold anything, parentheses too.
std::optional<ProcessStat> parse_process_stat(const std::string& line);
std::optional<ProcessStat> stat_of(std::int64_t pid);
// Every process of the pid namespace.
std::vector<std::int64_t> all_pids();
// Strings ended by zero bytes, as in cmdline and environ.
std::vector<std::string> split_zero_ended(const std::string& text);

}  // namespace synod::machine
