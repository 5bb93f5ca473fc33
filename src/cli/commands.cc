#include "cli/commands.h"

namespace synod::cli {

int agent_main(const std::vector<std::string>& arguments);
int backup_main(const std::vector<std::string>& arguments);
int coordinator_main(const std::vector<std::string>& arguments);
int data_main(const std::vector<std::string>& arguments);
int down_main(const std::vector<std::string>& arguments);
int executor_main(const std::vector<std::string>& arguments);
int explain_main(const std::vector<std::string>& arguments);
int kill_main(const std::vector<std::string>& arguments);
int logs_main(const std::vector<std::string>& arguments);
int master_main(const std::vector<std::string>& arguments);
int ps_main(const std::vector<std::string>& arguments);
int restore_main(const std::vector<std::string>& arguments);
int run_main(const std::vector<std::string>& arguments);
int sentinel_main(const std::vector<std::string>& arguments);
int services_main(const std::vector<std::string>& arguments);
int shim_main(const std::vector<std::string>& arguments);
int status_main(const std::vector<std::string>& arguments);
int supervise_main(const std::vector<std::string>& arguments);
int up_main(const std::vector<std::string>& arguments);
int version_main(const std::vector<std::string>& arguments);
int zk_main(const std::vector<std::string>& arguments);

std::span<const Command> commands() {
  static constexpr Command all[] = {
      // a cluster on this machine
      {"up", "start a highly available cluster on this machine", up_main},
      {"down", "end it; state is kept", down_main},
      // work
      {"run", "keep a command running", run_main},
      {"ps", "what runs, where, and how it fares", ps_main},
      {"logs", "what a task printed", logs_main},
      {"kill", "an app is wanted no longer", kill_main},
      {"status", "the cluster in a few lines", status_main},
      {"explain", "why an app runs, fails or waits", explain_main},
      {"zk", "a small ZooKeeper client: ls, get, set, create, rm, stat, watch", zk_main},
      // servers
      {"coordinator", "a server of the coordination service", coordinator_main},
      {"master", "a master of the resource manager", master_main},
      {"agent", "runs tasks on this machine: a Mesos agent", agent_main},
      {"services", "the service scheduler: keeps apps running", services_main},
      {"data", "verify, dump, repair or recover what a coordinator keeps", data_main},
      {"backup", "gather what a coordinator keeps, while it runs", backup_main},
      {"restore", "make a new ensemble of a backup, as of any moment", restore_main},
      {"version", "print the version", version_main},
      // started by other subcommands
      {"executor", "", executor_main},
      {"sentinel", "", sentinel_main},
      {"shim", "", shim_main},
      {"supervise", "", supervise_main},
  };
  return all;
}

}  // namespace synod::cli
