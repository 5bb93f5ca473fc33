#include "containerizer/cgroups.h"

#include <algorithm>
#include <charconv>

namespace synod::containerizer {

namespace {

constexpr std::int64_t period_micros = 100'000;

bool can_make(ports::Disk& disk, const std::string& parent, const std::string& directory) {
  const Result<bool> there = disk.exists(parent);
  return there.ok() && *there && disk.make_directories(directory).ok();
}

std::int64_t shares_of(std::int64_t cpus_milli) {
  return std::max<std::int64_t>(2, 1024 * cpus_milli / 1000);
}

std::int64_t quota_of(std::int64_t cpus_milli) {
  return std::max<std::int64_t>(1000, period_micros * cpus_milli / 1000);
}

// The kernel's own mapping of shares [2, 262144] to weights [1, 10000].
std::int64_t weight_of(std::int64_t shares) {
  return 1 + ((std::min<std::int64_t>(shares, 262'144) - 2) * 9999) / 262'142;
}

std::string v1_directory(const Cgroups& cgroups, const char* controller,
                         const std::string& container_id) {
  return cgroups.hierarchy + "/" + controller + "/" + cgroups.root + "/" + container_id;
}

std::string v2_directory(const Cgroups& cgroups, const std::string& container_id) {
  return cgroups.hierarchy + "/" + cgroups.root + "/" + container_id;
}

Cgroups detect_v2(ports::Disk& disk, Cgroups found, const CgroupWishes& wishes) {
  const std::string root = found.hierarchy + "/" + found.root;
  if (!can_make(disk, found.hierarchy, root)) {
    return found;
  }
  found.version = CgroupVersion::v2;
  // A controller must be handed down by every directory above ours; where it cannot, it is missing.
  const auto enable = [&](const char* controller) {
    for (const std::string& directory : {found.hierarchy, root}) {
      auto file = disk.open(directory + "/cgroup.subtree_control", ports::OpenMode::write);
      if (!file.ok() || !(*file)->write_at(0, std::string("+") + controller).ok()) {
        return false;
      }
    }
    return true;
  };
  found.cpu = wishes.cpu && enable("cpu");
  found.memory = wishes.memory && enable("memory");
  return found;
}

}  // namespace

Cgroups detect_cgroups(ports::Disk& disk, const CgroupWishes& wishes) {
  Cgroups found;
  found.hierarchy = wishes.hierarchy;
  found.root = wishes.root;
  if (!wishes.cpu && !wishes.memory) {
    return found;
  }
  const Result<bool> unified = disk.exists(wishes.hierarchy + "/cgroup.controllers");
  if (unified.ok() && *unified) {
    return detect_v2(disk, found, wishes);
  }
  const auto usable = [&](const char* controller) {
    const std::string parent = found.hierarchy + "/" + controller;
    return can_make(disk, parent, parent + "/" + found.root);
  };
  found.cpu = wishes.cpu && usable("cpu");
  found.memory = wishes.memory && usable("memory");
  found.freezer = usable("freezer");
  if (found.cpu || found.memory || found.freezer) {
    found.version = CgroupVersion::v1;
  }
  return found;
}

CgroupPlan plan_cgroups(const Cgroups& cgroups, const std::string& container_id,
                        const CgroupLimits& limits) {
  CgroupPlan plan;
  const std::string shares = std::to_string(shares_of(limits.cpus_milli));
  const std::string quota =
      limits.cpus_milli_max > 0 ? std::to_string(quota_of(limits.cpus_milli_max)) : "";
  const std::string memory = std::to_string(std::max(limits.memory_bytes, memory_bytes_min));
  if (cgroups.version == CgroupVersion::v1) {
    if (cgroups.freezer) {
      plan.directories.push_back(v1_directory(cgroups, "freezer", container_id));
    }
    if (cgroups.cpu) {
      const std::string directory = v1_directory(cgroups, "cpu", container_id);
      plan.directories.push_back(directory);
      plan.writes.push_back({directory + "/cpu.shares", shares});
      if (!quota.empty()) {
        plan.writes.push_back({directory + "/cpu.cfs_period_us", std::to_string(period_micros)});
        plan.writes.push_back({directory + "/cpu.cfs_quota_us", quota});
      }
    }
    if (cgroups.memory) {
      const std::string directory = v1_directory(cgroups, "memory", container_id);
      plan.directories.push_back(directory);
      plan.writes.push_back({directory + "/memory.soft_limit_in_bytes", memory});
      if (limits.memory_bytes > 0) {
        plan.writes.push_back({directory + "/memory.limit_in_bytes", memory});
      }
    }
  } else if (cgroups.version == CgroupVersion::v2) {
    const std::string directory = v2_directory(cgroups, container_id);
    plan.directories.push_back(directory);
    if (cgroups.cpu) {
      plan.writes.push_back(
          {directory + "/cpu.weight", std::to_string(weight_of(shares_of(limits.cpus_milli)))});
      if (!quota.empty()) {
        plan.writes.push_back(
            {directory + "/cpu.max", quota + " " + std::to_string(period_micros)});
      }
    }
    if (cgroups.memory && limits.memory_bytes > 0) {
      plan.writes.push_back({directory + "/memory.max", memory});
    }
  }
  return plan;
}

std::string in_words(const Cgroups& cgroups, const CgroupWishes& wishes) {
  if (!wishes.cpu && !wishes.memory) {
    return "no cgroups: not asked for, or not root";
  }
  if (cgroups.version == CgroupVersion::none) {
    return "no cgroups: none can be made below " + wishes.hierarchy;
  }
  std::string lacks;
  if (wishes.cpu && !cgroups.cpu) {
    lacks = "cpu";
  }
  if (wishes.memory && !cgroups.memory) {
    lacks += lacks.empty() ? "memory" : " and memory";
  }
  const std::string version = cgroups.version == CgroupVersion::v1 ? "v1" : "v2";
  return "cgroups " + version + (lacks.empty() ? "" : " without the controller of " + lacks);
}

std::string usage_directory(const Cgroups& cgroups, const std::string& container_id) {
  if (cgroups.version == CgroupVersion::v2) {
    return v2_directory(cgroups, container_id);
  }
  return "";
}

Destruction plan_destruction(const Cgroups& cgroups, const std::string& container_id) {
  Destruction plan;
  plan.directories = plan_cgroups(cgroups, container_id, CgroupLimits{}).directories;
  if (cgroups.version == CgroupVersion::v1 && cgroups.freezer) {
    const std::string freezer = v1_directory(cgroups, "freezer", container_id);
    plan.freeze.push_back({freezer + "/freezer.state", "FROZEN"});
    plan.thaw.push_back({freezer + "/freezer.state", "THAWED"});
  } else if (cgroups.version == CgroupVersion::v2) {
    const std::string directory = v2_directory(cgroups, container_id);
    plan.kill.push_back({directory + "/cgroup.kill", "1"});
  }
  for (const std::string& directory : plan.directories) {
    plan.process_lists.push_back(directory + "/cgroup.procs");
  }
  return plan;
}

std::vector<std::int64_t> parse_process_list(ByteView text) {
  std::vector<std::int64_t> pids;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const ByteView line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::int64_t pid = 0;
    const auto [rest, error] = std::from_chars(line.data(), line.data() + line.size(), pid);
    if (error == std::errc() && rest == line.data() + line.size() && pid > 0) {
      pids.push_back(pid);
    }
  }
  return pids;
}

std::string oom_file(const Cgroups& cgroups, const std::string& container_id) {
  if (!cgroups.memory) {
    return "";
  }
  return cgroups.version == CgroupVersion::v2
             ? v2_directory(cgroups, container_id) + "/memory.events"
             : v1_directory(cgroups, "memory", container_id) + "/memory.oom_control";
}

std::uint64_t parse_oom_kills(ByteView text) {
  constexpr ByteView name = "oom_kill ";
  std::size_t at = 0;
  while ((at = text.find(name, at)) != ByteView::npos) {
    if (at == 0 || text[at - 1] == '\n') {
      std::uint64_t count = 0;
      const ByteView rest = text.substr(at + name.size());
      std::from_chars(rest.data(), rest.data() + rest.size(), count);
      return count;
    }
    at += name.size();
  }
  return 0;
}

}  // namespace synod::containerizer
