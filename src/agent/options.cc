#include "agent/options.h"

#include <algorithm>

#include "translate/resources.h"

namespace synod::agent {

namespace {

constexpr std::uint64_t mib = 1ULL << 20;

std::uint64_t less(std::uint64_t whole_mib, std::uint64_t reserve_mib, std::uint64_t enough_mib) {
  return whole_mib >= enough_mib ? whole_mib - reserve_mib : whole_mib / 2;
}

resources::Milli to_milli(std::uint64_t amount) {
  return static_cast<resources::Milli>(amount) * 1000;
}

// Names that the flag speaks of, with zero amounts: they are not measured.
Result<std::vector<std::string>> named(const std::string& flag,
                                       const resources::Resources& parsed) {
  if (flag.empty() || flag.front() != '[') {
    return resources::named_resources(flag);
  }
  std::vector<std::string> names;
  for (const auto& resource : parsed) {
    names.push_back(resource.name);
  }
  return names;
}

}  // namespace

Result<resources::Resources> total_resources(const Options& options, const ports::Host& host) {
  SYNOD_TRY_ASSIGN(resources::Resources total,
                   translate::parse_resources_flag(options.resources, options.default_role));
  SYNOD_TRY_ASSIGN(const std::vector<std::string> names, named(options.resources, total));
  const auto is_named = [&names](const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (!is_named("cpus")) {
    total.add(resources::scalar_resource("cpus", host.cpus_milli()));
  }
  if (!is_named("mem")) {
    total.add(
        resources::scalar_resource("mem", to_milli(less(host.memory_bytes() / mib, 1024, 2048))));
  }
  if (!is_named("disk")) {
    const auto space = host.disk_space(options.work_dir);
    const std::uint64_t whole = space.ok() ? space->total_bytes / mib : 10'240;
    total.add(resources::scalar_resource("disk", to_milli(less(whole, 5120, 10'240))));
  }
  if (!is_named("ports")) {
    SYNOD_TRY_ASSIGN(const resources::Ranges ports, resources::parse_ranges("[31000-32000]"));
    total.add(resources::ranges_resource("ports", ports));
  }
  return total;
}

}  // namespace synod::agent
