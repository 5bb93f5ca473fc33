// A task's output, read from the agent that ran it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "cli/session.h"

namespace synod::cli {

// One start of a task, as the scheduler that launched it tells it.
struct Launch {
  std::string task_id;
  std::string agent_id;

  explicit operator bool() const { return !task_id.empty(); }
};

// The newest launch of an app's instance ("web.1") by the app's notes; empty if they name none.
Launch newest_launch(const http::Json& app, const std::string& task);

// The growing file of one stream of one task. `task` is "web.1" or a task id.
class LogTail {
 public:
  LogTail(Session& session, const Target& target, std::string task, std::string stream);

  // Prints what came since the last call; false if the agent could not be asked.
  bool print_new(std::FILE* to);
  // From now on of that launch, whatever the masters know: their picture may be 100 ms old, and a
  // short task has come and gone in that time.
  void read_launch(const Launch& launch);
  // Starts at the last `bytes` instead of the beginning.
  void start_near_end(std::uint64_t bytes) { skip_to_last_ = bytes; }
  const Error& last_error() const { return error_; }

 private:
  bool locate();

  Session& session_;
  const Target& target_;
  const std::string task_;
  const std::string stream_;
  Launch launch_;        // told by the caller
  std::string agent_;    // host:port
  std::string task_id_;  // of the launch that is being read
  std::uint64_t offset_ = 0;
  std::uint64_t skip_to_last_ = 0;
  Error error_;
};

// The last line of what a launch printed; "" if it printed nothing or its agent cannot be asked.
std::string last_log_line(Session& session, const Target& target, const Launch& launch,
                          const std::string& stream);

}  // namespace synod::cli
