// What agents tell of themselves that no rule reads: pids and what is used. For the page only.
//
// Threads  Confined to the Door's Lane.
// Memory   Per open agent stream, what its last USAGE said and the pids of its running tasks.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "master/core/types.h"

namespace synod::mesos::internal {
class AgentCall;
}

namespace synod::master {

struct UsedBy {
  double cpus = 0;  // mean since the sample before
  double mem_mib = 0;
  double cpu_seconds = 0;  // in all
  double at_seconds = 0;   // of the sample
};

struct AgentReport {
  // A task or executor by framework and id.
  using Key = std::pair<core::FrameworkId, std::string>;

  core::AgentId agent;  // once it is registered
  std::uint64_t pid = 0;
  double cpus_used = 0;
  double mem_used_mib = 0;
  double disk_used_mib = 0;
  std::map<Key, UsedBy> executors;
  std::map<Key, std::uint64_t> task_pids;
};

class AgentReports {
 public:
  void subscribed(core::Stream stream, const mesos::internal::AgentCall& call);
  void registered(core::Stream stream, const core::AgentId& agent);
  void heard(core::Stream stream, const mesos::internal::AgentCall& call);
  void closed(core::Stream stream);

  // nullptr if it has no open stream.
  const AgentReport* find(const core::AgentId& agent) const;

 private:
  std::map<core::Stream, AgentReport> reports_;
  std::map<core::AgentId, core::Stream> streams_;
};

}  // namespace synod::master
