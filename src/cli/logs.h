// A task's output, read from the agent that ran it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "cli/session.h"

namespace synod::cli {

// The growing file of one stream of one task. `task` is "web.1" or a task id.
class LogTail {
 public:
  LogTail(Session& session, const Target& target, std::string task, std::string stream);

  // Prints what came since the last call; false if the agent could not be asked.
  bool print_new(std::FILE* to);
  // Starts at the last `bytes` instead of the beginning.
  void start_near_end(std::uint64_t bytes) { skip_to_last_ = bytes; }
  const Error& last_error() const { return error_; }

 private:
  bool locate();

  Session& session_;
  const Target& target_;
  const std::string task_;
  const std::string stream_;
  std::string agent_;    // host:port
  std::string task_id_;  // of the launch that is being read
  std::uint64_t offset_ = 0;
  std::uint64_t skip_to_last_ = 0;
  Error error_;
};

// The last whole line that is not empty; "" if there is none.
std::string last_log_line(Session& session, const Target& target, const std::string& task,
                          const std::string& stream);

}  // namespace synod::cli
