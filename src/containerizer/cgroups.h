// Control groups, as data: which directories and what to write into their files.
//
// Source      Linux: Documentation/admin-guide/cgroup-v1, cgroup-v2.rst. Mesos 1.11: values of
//             cpu.shares, CFS quota and memory limits (protocol reference, 12.3).
// Invariants  C1 every path of a container ends in its container id, so that no two share one.
// Threads     detect_cgroups asks the Disk: a journal Lane's business.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "ports/disk.h"

namespace synod::containerizer {

// The least memory of a container, whatever its task asks for: its executor must fit.
#ifdef __SANITIZE_ADDRESS__
constexpr std::uint64_t memory_bytes_min = 512ULL << 20;
#else
constexpr std::uint64_t memory_bytes_min = 32ULL << 20;
#endif

struct FileWrite {
  std::string path;
  Bytes content;
};

enum class CgroupVersion { none, v1, v2 };

// What can be used on this machine.
struct Cgroups {
  CgroupVersion version = CgroupVersion::none;
  std::string hierarchy;  // /sys/fs/cgroup
  std::string root;       // "mesos"
  bool cpu = false;
  bool memory = false;
  bool freezer = false;  // v1; v2 has it always
};

struct CgroupWishes {
  std::string hierarchy = "/sys/fs/cgroup";
  std::string root = "mesos";
  bool cpu = false;
  bool memory = false;
};

// Finds out by making our root below each controller wished for. What is not possible is left out.
Cgroups detect_cgroups(ports::Disk& disk, const CgroupWishes& wishes);

// "cgroups v1", "cgroups v2 without the memory controller", or "no cgroups: " and why.
std::string in_words(const Cgroups& cgroups, const CgroupWishes& wishes);

struct CgroupLimits {
  std::int64_t cpus_milli = 0;
  // 0: no limit of this kind.
  std::int64_t cpus_milli_max = 0;  // CFS quota
  std::uint64_t memory_bytes = 0;
};

struct CgroupPlan {
  std::vector<std::string> directories;  // make each, then
  std::vector<FileWrite> writes;         // write each; the process enters all directories
};

CgroupPlan plan_cgroups(const Cgroups& cgroups, const std::string& container_id,
                        const CgroupLimits& limits);

// Where the usage of a container is measured; empty without cgroups.
std::string usage_directory(const Cgroups& cgroups, const std::string& container_id);

// How everything in a container is ended: freeze so that nothing forks away, kill what
// `process_lists` name, thaw, again until the lists are empty, remove the directories.
struct Destruction {
  std::vector<FileWrite> freeze;
  std::vector<FileWrite> kill;             // v2: one write ends all
  std::vector<std::string> process_lists;  // cgroup.procs files
  std::vector<FileWrite> thaw;
  std::vector<std::string> directories;
};

Destruction plan_destruction(const Cgroups& cgroups, const std::string& container_id);

// The pids in the text of a cgroup.procs file; lines that are no pid are skipped.
std::vector<std::int64_t> parse_process_list(ByteView text);

// How often the kernel killed for want of memory there: of v1's memory.oom_control or v2's
// memory.events. `path` is empty if it cannot be told.
std::string oom_file(const Cgroups& cgroups, const std::string& container_id);
std::uint64_t parse_oom_kills(ByteView text);

}  // namespace synod::containerizer
