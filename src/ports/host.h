// What the machine is and how much of it is used. Measurements only; nothing here changes anything.
//
// Threads: any Lane.
#pragma once

#include <cstdint>
#include <string>

#include "base/instant.h"
#include "base/result.h"
#include "ports/disk.h"
#include "ports/processes.h"

namespace synod::ports {

struct Usage {
  Duration cpu_user;
  Duration cpu_system;
  std::uint64_t memory_bytes = 0;  // resident
  std::uint64_t processes = 0;
};

struct MachineUsage {
  Duration cpu_busy;  // since boot, summed over cpus
  Duration cpu_idle;
  std::uint64_t memory_available_bytes = 0;
  double load_one_minute = 0;
};

class Host {
 public:
  virtual ~Host() = default;

  virtual std::string name() const = 0;
  // Cpus this process may use, in thousandths (affinity and cgroup quota respected).
  virtual std::int64_t cpus_milli() const = 0;
  virtual std::uint64_t memory_bytes() const = 0;
  virtual Result<Space> disk_space(const std::string& path) const = 0;
  virtual Result<MachineUsage> usage() const = 0;
  // Changes with every boot.
  virtual std::string boot_id() const = 0;
  // The process and its descendants in the same session.
  virtual Result<Usage> usage_of(ProcessId id) const = 0;
  virtual Result<Usage> usage_of_cgroup(const std::string& path) const = 0;
};

}  // namespace synod::ports
