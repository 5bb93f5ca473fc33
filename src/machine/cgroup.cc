#include "machine/cgroup.h"

#include <charconv>
#include <functional>
#include <sstream>
#include <vector>

#include "machine/proc.h"

namespace synod::machine {
namespace {

std::optional<std::uint64_t> number_in(const std::string& path) {
  const auto text = read_kernel_file(path);
  if (!text.ok()) {
    return std::nullopt;
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

struct Mount {
  std::string root;   // the part of the hierarchy that is visible
  std::string point;  // where
};

bool has_word(const std::string& list, const std::string& word) {
  std::istringstream words(list);
  std::string one;
  while (std::getline(words, one, ',')) {
    if (one == word) {
      return true;
    }
  }
  return false;
}

// Version 1: the mount of that controller. Version 2: controller "".
std::optional<Mount> mount_of(const std::string& controller) {
  const auto text = read_kernel_file("/proc/self/mountinfo");
  std::istringstream lines(text.ok() ? *text : "");
  std::string line;
  while (std::getline(lines, line)) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos) {
      continue;
    }
    std::istringstream head(line.substr(0, dash));
    std::istringstream tail(line.substr(dash + 3));
    std::string skipped;
    std::string type;
    std::string options;
    Mount mount;
    head >> skipped >> skipped >> skipped >> mount.root >> mount.point;
    tail >> type >> skipped >> options;
    if (controller.empty() ? type == "cgroup2"
                           : type == "cgroup" && has_word(options, controller)) {
      return mount;
    }
  }
  return std::nullopt;
}

// Our own path in the hierarchy of the controller ("" for version 2), as /proc/self/cgroup says.
std::string own_path(const std::string& controller) {
  const auto text = read_kernel_file("/proc/self/cgroup");
  std::istringstream lines(text.ok() ? *text : "");
  std::string line;
  while (std::getline(lines, line)) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) {
      continue;
    }
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (controller.empty() ? controllers.empty() : has_word(controllers, controller)) {
      return line.substr(second + 1);
    }
  }
  return "/";
}

// Calls with our own directory and then each above it, up to the mount.
void for_each_level(const std::string& controller,
                    const std::function<void(const std::string&)>& visit) {
  const auto mount = mount_of(controller);
  if (!mount) {
    return;
  }
  std::string path = own_path(controller);
  if (mount->root != "/" && path.starts_with(mount->root)) {
    path.erase(0, mount->root.size());
  }
  if (path.find("/..") != std::string::npos) {  // outside of what a cgroup namespace shows
    path.clear();
  }
  while (!path.empty() && path != "/") {
    visit(mount->point + path);
    path.erase(path.rfind('/'));
  }
  visit(mount->point);
}

// "max 100000" or "150000 100000".
std::optional<std::int64_t> parse_cpu_max(const std::string& text) {
  std::istringstream words(text);
  std::int64_t quota = 0;
  std::int64_t period = 0;
  words >> quota >> period;
  return words && period > 0 ? std::optional(quota * 1000 / period) : std::nullopt;
}

template <typename T>
void keep_least(std::optional<T>& least, std::optional<T> candidate) {
  if (candidate && (!least || *candidate < *least)) {
    least = candidate;
  }
}

}  // namespace

std::optional<std::uint64_t> field_of(const std::string& text, const std::string& name) {
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    if (line.starts_with(name) && line.size() > name.size() &&
        (line[name.size()] == ' ' || line[name.size()] == ':')) {
      const std::size_t at = line.find_first_of("0123456789", name.size());
      if (at == std::string::npos) {
        return std::nullopt;
      }
      return std::strtoull(line.c_str() + at, nullptr, 10);
    }
  }
  return std::nullopt;
}

std::optional<std::int64_t> cgroup_cpus_milli() {
  std::optional<std::int64_t> least;
  for_each_level("", [&](const std::string& directory) {
    const auto text = read_kernel_file(directory + "/cpu.max");
    if (text.ok()) {
      keep_least(least, parse_cpu_max(*text));
    }
  });
  for_each_level("cpu", [&](const std::string& directory) {
    const auto quota = number_in(directory + "/cpu.cfs_quota_us");  // -1, unlimited, is no number
    const auto period = number_in(directory + "/cpu.cfs_period_us");
    if (quota && period && *period > 0) {
      keep_least(least, std::optional(static_cast<std::int64_t>(*quota * 1000 / *period)));
    }
  });
  return least;
}

std::optional<CgroupMemory> cgroup_memory() {
  std::optional<CgroupMemory> least;
  const auto consider = [&](const std::string& directory, const char* limit_name,
                            const char* usage_name, const char* inactive_name) {
    const auto limit = number_in(directory + "/" + limit_name);
    // Version 1 shows "no limit" as the greatest multiple of the page size.
    if (!limit || *limit > (std::uint64_t{1} << 60)) {
      return;
    }
    const std::uint64_t usage = number_in(directory + "/" + usage_name).value_or(0);
    const auto stat = read_kernel_file(directory + "/memory.stat");
    const std::uint64_t inactive = stat.ok() ? field_of(*stat, inactive_name).value_or(0) : 0;
    const std::uint64_t held = usage > inactive ? usage - inactive : 0;
    if (!least || *limit < least->limit_bytes) {
      least = CgroupMemory{*limit, *limit > held ? *limit - held : 0};
    }
  };
  for_each_level("", [&](const std::string& directory) {
    consider(directory, "memory.max", "memory.current", "inactive_file");
  });
  for_each_level("memory", [&](const std::string& directory) {
    consider(directory, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file");
  });
  return least;
}

Result<ports::Usage> cgroup_usage(const std::string& path) {
  SYNOD_TRY_ASSIGN(const std::string processes, read_kernel_file(path + "/cgroup.procs"));
  ports::Usage usage;
  usage.processes =
      static_cast<std::uint64_t>(std::count(processes.begin(), processes.end(), '\n'));
  if (const auto stat = read_kernel_file(path + "/cpu.stat"); stat.ok()) {
    const auto user = field_of(*stat, "user_usec").value_or(0);
    const auto system = field_of(*stat, "system_usec").value_or(0);
    usage.cpu_user = Duration::micros(static_cast<std::int64_t>(user));
    usage.cpu_system = Duration::micros(static_cast<std::int64_t>(system));
  }
  if (const auto user = number_in(path + "/cpuacct.usage_user")) {
    usage.cpu_user = Duration::nanos(static_cast<std::int64_t>(*user));
    usage.cpu_system = Duration::nanos(
        static_cast<std::int64_t>(number_in(path + "/cpuacct.usage_sys").value_or(0)));
  }
  if (const auto current = number_in(path + "/memory.current")) {
    usage.memory_bytes = *current;
  } else if (const auto version1 = number_in(path + "/memory.usage_in_bytes")) {
    usage.memory_bytes = *version1;
  }
  return usage;
}

}  // namespace synod::machine
