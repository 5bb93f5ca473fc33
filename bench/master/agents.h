// Many agents in one process: they register, answer pings, report RUNNING at once on a launch and
// FINISHED when RUNNING is acknowledged. Each has its own two connections: one for events, one for
// calls, opened with its first call.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/master/loop.h"

namespace synod::bench {

class Agents {
 public:
  Agents(Loop& loop, int port, std::size_t count);
  ~Agents();
  Agents(const Agents&) = delete;
  Agents& operator=(const Agents&) = delete;

  // Opens connections, at most so many that wait for REGISTERED at a time.
  void open_more(std::size_t waiting_max);
  std::size_t registered() const { return registered_; }
  std::uint64_t launched() const { return launched_; }
  // Calls without an answer.
  std::uint64_t unanswered() const { return sent_ - answered_; }

 private:
  struct Agent;
  void heard(Agent& agent, std::string_view record);
  void report(Agent& agent, const std::string& framework, const std::string& task, int state);

  Loop& loop_;
  int port_;
  std::vector<std::unique_ptr<Agent>> agents_;
  std::size_t opened_ = 0;
  std::size_t registered_ = 0;
  std::uint64_t launched_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t answered_ = 0;
  std::uint64_t updates_ = 0;
};

}  // namespace synod::bench
