// The tree below an agent's --work_dir.
//
//   <work_dir>/
//     meta/journal/                         what the agent must not forget
//     meta/endpoint                         "ip:port" that executors of any life connect to
//     slaves/<agent>/frameworks/<framework>/executors/<executor>/runs/<container>/   the sandbox
//       stdout, stderr                      of the task's command
//       .synod/                             ours: executor.log, end (how the task ended)
//
// Source  Mesos 1.11 disk layout (protocol reference, 12.6): tools find sandboxes by it. Mesos'
//         own meta tree is replaced by the one journal.
#pragma once

#include <string>

namespace synod::containerizer {

struct SandboxKey {
  std::string agent_id;
  std::string framework_id;
  std::string executor_id;
  std::string container_id;
};

std::string journal_directory(const std::string& work_dir);
std::string endpoint_file(const std::string& work_dir);
std::string sandbox_directory(const std::string& work_dir, const SandboxKey& key);

// Inside a sandbox.
std::string state_directory(const std::string& sandbox);
std::string end_file(const std::string& sandbox);
std::string executor_log(const std::string& sandbox);

}  // namespace synod::containerizer
