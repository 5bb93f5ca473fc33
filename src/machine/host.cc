#include "machine/host.h"

#include <sched.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <sstream>

#include "machine/cgroup.h"
#include "machine/descriptor.h"
#include "machine/lane.h"
#include "machine/proc.h"

namespace synod::machine {
namespace {

// One walk through /proc serves all questions of this long: an agent asks for each of its tasks.
constexpr Duration snapshot_age_max = Duration::millis(200);

Duration of_ticks(std::uint64_t ticks) {
  static const std::int64_t nanos_per_tick = 1'000'000'000 / ::sysconf(_SC_CLK_TCK);
  return Duration::nanos(static_cast<std::int64_t>(ticks) * nanos_per_tick);
}

std::uint64_t meminfo_bytes(const char* name) {
  const auto text = read_kernel_file("/proc/meminfo");
  return text.ok() ? field_of(*text, name).value_or(0) * 1024 : 0;
}

class KernelHost final : public ports::Host {
 public:
  std::string name() const override {
    char text[256] = "";
    ::gethostname(text, sizeof(text) - 1);
    return text;
  }

  std::int64_t cpus_milli() const override {
    cpu_set_t set;
    CPU_ZERO(&set);
    const bool known = ::sched_getaffinity(0, sizeof(set), &set) == 0;
    const std::int64_t count = known ? CPU_COUNT(&set) : ::sysconf(_SC_NPROCESSORS_ONLN);
    return std::min(count * 1000, cgroup_cpus_milli().value_or(INT64_MAX));
  }

  std::uint64_t memory_bytes() const override {
    const auto limit = cgroup_memory();
    return std::min(meminfo_bytes("MemTotal"), limit ? limit->limit_bytes : UINT64_MAX);
  }

  Result<ports::Space> disk_space(const std::string& path) const override {
    struct statvfs status {};
    if (::statvfs(path.c_str(), &status) != 0) {
      return last_error("space of " + path);
    }
    return ports::Space{status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize};
  }

  Result<ports::MachineUsage> usage() const override {
    SYNOD_TRY_ASSIGN(const std::string stat, read_kernel_file("/proc/stat"));
    SYNOD_TRY_ASSIGN(const std::string load, read_kernel_file("/proc/loadavg"));
    std::istringstream words(stat);
    std::string label;
    // user nice system idle iowait irq softirq steal
    std::uint64_t ticks[8] = {};
    words >> label;
    for (std::uint64_t& value : ticks) {
      words >> value;
    }
    ports::MachineUsage usage;
    usage.cpu_idle = of_ticks(ticks[3] + ticks[4]);
    usage.cpu_busy = of_ticks(ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6] + ticks[7]);
    const auto limit = cgroup_memory();
    usage.memory_available_bytes =
        std::min(meminfo_bytes("MemAvailable"), limit ? limit->available_bytes : UINT64_MAX);
    usage.load_one_minute = std::strtod(load.c_str(), nullptr);
    return usage;
  }

  std::string boot_id() const override {
    auto text = read_kernel_file("/proc/sys/kernel/random/boot_id");
    std::string id = text.ok() ? std::move(text).value() : "";
    while (!id.empty() && id.back() == '\n') {
      id.pop_back();
    }
    return id;
  }

  Result<ports::Usage> usage_of(ports::ProcessId id) const override {
    const std::lock_guard lock(mutex_);
    refresh(id.pid);
    const auto root = processes_.find(id.pid);
    if (root == processes_.end() || root->second.start_time != id.start_time) {
      return Error{ErrorCode::not_found, "no process " + std::to_string(id.pid)};
    }
    ports::Usage usage;
    for (const auto& [pid, process] : processes_) {
      if (process.session == root->second.session && belongs(process, id.pid)) {
        usage.processes += 1;
        usage.cpu_user = usage.cpu_user + of_ticks(process.user_ticks);
        usage.cpu_system = usage.cpu_system + of_ticks(process.system_ticks);
        usage.memory_bytes +=
            process.resident_pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
      }
    }
    return usage;
  }

  Result<ports::Usage> usage_of_cgroup(const std::string& path) const override {
    return cgroup_usage(path);
  }

 private:
  // A session's leader answers for all of it, orphans too; any other process for its descendants.
  bool belongs(const ProcessStat& process, std::int64_t root) const {
    const ProcessStat* at = &process;
    if (process.session == root) {
      return true;
    }
    for (int depth = 0; depth < 1000; ++depth) {
      if (at->pid == root) {
        return true;
      }
      const auto parent = processes_.find(at->parent);
      if (parent == processes_.end()) {
        return false;
      }
      at = &parent->second;
    }
    return false;
  }

  // Precondition: mutex_ is held. A process younger than the snapshot forces a new one.
  void refresh(std::int64_t wanted) const {
    const Instant now = boot_now();
    if (now - taken_ < snapshot_age_max && processes_.contains(wanted)) {
      return;
    }
    processes_.clear();
    for (const std::int64_t pid : all_pids()) {
      if (const auto stat = stat_of(pid)) {
        processes_.emplace(pid, *stat);
      }
    }
    taken_ = now;
  }

  mutable std::mutex mutex_;
  mutable std::map<std::int64_t, ProcessStat> processes_;
  mutable Instant taken_ = Instant::from_nanos(INT64_MIN / 2);
};

}  // namespace

std::unique_ptr<ports::Host> make_host() { return std::make_unique<KernelHost>(); }

}  // namespace synod::machine
