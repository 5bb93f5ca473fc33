#include "containerizer/paths.h"

namespace synod::containerizer {

std::string journal_directory(const std::string& work_dir) { return work_dir + "/meta/journal"; }

std::string endpoint_file(const std::string& work_dir) { return work_dir + "/meta/endpoint"; }

std::string sandbox_directory(const std::string& work_dir, const SandboxKey& key) {
  return work_dir + "/slaves/" + key.agent_id + "/frameworks/" + key.framework_id + "/executors/" +
         key.executor_id + "/runs/" + key.container_id;
}

std::string state_directory(const std::string& sandbox) { return sandbox + "/.synod"; }

std::string end_file(const std::string& sandbox) { return state_directory(sandbox) + "/end"; }

std::string executor_log(const std::string& sandbox) {
  return state_directory(sandbox) + "/executor.log";
}

}  // namespace synod::containerizer
