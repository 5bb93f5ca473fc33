// How one agent is started.
#pragma once

#include <map>
#include <string>

#include "base/instant.h"
#include "base/planted.h"
#include "base/result.h"
#include "containerizer/cgroups.h"
#include "ports/host.h"
#include "resources/resources.h"
#include "resources/text.h"

namespace synod::agent {

struct Options {
  std::string master;    // host:port or zk://host:port,.../path
  std::string work_dir;  // absolute
  std::string program;   // this binary, for executors and shims
  // What is listened on; empty: all addresses. The same is advertised, or else a non-loopback one.
  std::string ip;
  std::uint16_t port = 5051;  // 0: any
  std::string advertise_ip;
  std::uint16_t advertise_port = 0;
  std::string hostname;   // empty: the machine's name
  std::string resources;  // as --resources; what it does not name is measured
  std::string default_role = "*";
  std::string attributes;  // as --attributes
  containerizer::CgroupWishes cgroups;
  bool cgroups_enable_cfs = false;
  bool switch_user = true;
  bool is_root = false;
  std::string own_user;
  std::map<std::string, std::string> executor_environment;
  Duration executor_registration_timeout = Duration::seconds(60);
  Duration executor_reregistration_timeout = Duration::seconds(15);
  Duration executor_shutdown_grace_period = Duration::seconds(5);
  Duration recovery_timeout = Duration::seconds(15 * 60);
  Duration registration_backoff_factor = Duration::seconds(1);
  Duration zk_session_timeout = Duration::seconds(10);
  bool accept_new_lineage = false;
  // Below this much free space on work_dir's file system the agent takes no new tasks.
  std::uint64_t disk_reserve_bytes = 64ULL << 20;
  Duration measure_interval = Duration::seconds(1);
  Duration report_interval = Duration::seconds(2);
  Duration update_retry_min = Duration::seconds(10);
  std::string version;  // "0.1.0"
  std::string runtime;  // "runc 1.1.5", the OCI runtime that was found; empty: none
  PlantedBug planted = PlantedBug::none;
};

// What the agent has: --resources, and for what it does not name the machine's own (Mesos' rules:
// memory less 1 GiB, disk less 5 GiB, half of either where it is small, ports 31000 to 32000).
Result<resources::Resources> total_resources(const Options& options, const ports::Host& host);

}  // namespace synod::agent
