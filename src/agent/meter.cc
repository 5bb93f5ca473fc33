#include "agent/meter.h"

namespace synod::agent {

namespace {

void add(ports::Usage& total, const ports::Usage& part) {
  total.cpu_user = total.cpu_user + part.cpu_user;
  total.cpu_system = total.cpu_system + part.cpu_system;
  total.memory_bytes += part.memory_bytes;
  total.processes += part.processes;
}

}  // namespace

Measured measure(const ports::Host& host, ports::Processes& processes, const ToMeasure& what) {
  Measured result;
  if (auto usage = host.usage(); usage.ok()) {
    result.machine = *usage;
  }
  if (auto space = host.disk_space(what.work_dir); space.ok()) {
    result.disk = *space;
  }
  for (const ToMeasure::OfExecutor& executor : what.executors) {
    ports::Usage total;
    bool any = false;
    // A command leads a session of its own: its usage is not in its executor's.
    if (auto own = host.usage_of(executor.process); own.ok()) {
      add(total, *own);
      any = true;
    }
    for (const std::int64_t pid : executor.commands) {
      const auto id = processes.find(pid);
      if (!id.ok()) {
        continue;
      }
      if (auto usage = host.usage_of(*id); usage.ok()) {
        add(total, *usage);
        any = true;
      }
    }
    if (any) {
      result.executors[executor.key] = total;
    }
  }
  return result;
}

}  // namespace synod::agent
