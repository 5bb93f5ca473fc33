// What the machine and the tasks use, at one moment.
//
// Threads  measure() reads /proc through the Host: a journal Lane's business.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/core/types.h"
#include "ports/host.h"
#include "ports/processes.h"

namespace synod::agent {

struct ToMeasure {
  struct OfExecutor {
    core::ExecutorKey key;
    ports::ProcessId process;
    std::vector<std::int64_t> commands;  // pids of its tasks' commands
  };
  std::string work_dir;
  std::vector<OfExecutor> executors;
};

struct Measured {
  Instant at;
  std::optional<ports::MachineUsage> machine;
  std::optional<ports::Space> disk;
  std::map<core::ExecutorKey, ports::Usage> executors;
};

// What cannot be read is left out: a process may end at any time.
Measured measure(const ports::Host& host, ports::Processes& processes, const ToMeasure& what);

}  // namespace synod::agent
