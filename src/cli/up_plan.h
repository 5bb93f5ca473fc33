// What `synod up` will start: every process with its command, ports and files.
//
// The machine's resources are divided among the agents, so that two agents on one host never offer
// the same cpu, byte or port.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "ports/disk.h"
#include "ports/host.h"

namespace synod::cli {

struct UpOptions {
  std::string directory = ".synod";  // absolute once planned
  std::int64_t coordinators = 3;
  std::int64_t masters = 2;
  std::int64_t agents = 2;
  std::int64_t services = 2;
  std::int64_t base_port = 0;  // 0: the ports that each role is known for
  bool restart = true;
  // Servers outside: when set, no coordinators are started and masters use these.
  std::string zk;
};

struct PlannedProcess {
  std::string role;
  std::string id;
  std::string address;
  std::string log;
  std::vector<std::string> command;
  std::string work_directory;
};

struct AgentShare {
  std::string id;
  std::int64_t cpus_milli = 0;
  std::uint64_t memory_mib = 0;
  std::uint64_t disk_mib = 0;
  std::uint32_t port_first = 0;
  std::uint32_t port_last = 0;
};

struct UpPlan {
  std::string directory;
  std::string zk;                         // zk://...
  std::vector<PlannedProcess> processes;  // in the order of starting
  std::vector<AgentShare> shares;
  std::map<std::string, std::string> files;  // path -> content, written before the start
};

// `program` is the path of this binary. invalid_argument, told in words.
Result<UpPlan> plan_up(const UpOptions& options, const std::string& program,
                       const ports::Host& host);

}  // namespace synod::cli
