// The subcommands of `synod`. Each lives in a file of its own, named after it, and is listed once
// in commands.cc.
//
// Exit codes, for all of them: 0 success, 1 failed, 2 usage, 3 unreachable, 4 timed out.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace synod::cli {

enum ExitCode : int {
  exit_success = 0,
  exit_failed = 1,
  exit_usage = 2,
  exit_unreachable = 3,
  exit_timed_out = 4,
};

// What stands after the subcommand's name. Returns the exit code of the process.
using CommandMain = int (*)(const std::vector<std::string>& arguments);

struct Command {
  std::string_view name;
  std::string_view summary;  // one line of `synod help`; empty: internal, not listed
  CommandMain main;
};

std::span<const Command> commands();

}  // namespace synod::cli
