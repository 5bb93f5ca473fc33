// Limits and usage of control groups, versions 1 and 2.
//
// Source   cgroups(7); Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst of Linux.
// Threads  any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "ports/host.h"

namespace synod::machine {

// The tightest CPU quota above this process, in thousandths of a cpu; none if unlimited.
std::optional<std::int64_t> cgroup_cpus_milli();

struct CgroupMemory {
  std::uint64_t limit_bytes = 0;
  std::uint64_t available_bytes = 0;  // limit less what cannot be reclaimed easily
};
// The tightest memory limit above this process; none if unlimited.
std::optional<CgroupMemory> cgroup_memory();

// Of a directory of either version; what its controllers do not count stays 0.
Result<ports::Usage> cgroup_usage(const std::string& path);

// "name value" lines, as in memory.stat and cpu.stat; none if the name is absent.
std::optional<std::uint64_t> field_of(const std::string& text, const std::string& name);

}  // namespace synod::machine
