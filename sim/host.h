// What a simulated machine says about itself.
#pragma once

#include <map>
#include <string>

#include "ports/host.h"

namespace synod::sim {

class SimMachine;

class SimHost final : public ports::Host {
 public:
  explicit SimHost(SimMachine& machine) : machine_(machine) {}

  std::string name() const override;
  std::int64_t cpus_milli() const override;
  std::uint64_t memory_bytes() const override;
  Result<ports::Space> disk_space(const std::string& path) const override;
  Result<ports::MachineUsage> usage() const override;
  std::string boot_id() const override;
  Result<ports::Usage> usage_of(ports::ProcessId id) const override;
  Result<ports::Usage> usage_of_cgroup(const std::string& path) const override;

  // What usage() says is left.
  void set_memory_available(std::uint64_t bytes) { memory_taken_ = memory_bytes() - bytes; }

 private:
  SimMachine& machine_;
  std::uint64_t memory_taken_ = 0;
};

}  // namespace synod::sim
