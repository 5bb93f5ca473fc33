// Keeps the processes of a plan running: starts them, starts again what dies, ends them all.
//
// A child that dies is started after 100 ms, doubling to 5 s; one that ran for 10 s starts afresh.
// Every child is a session leader with SYNOD_CLUSTER=<directory> in its environment, which its own
// children inherit: so leftovers are found even after the supervisor was killed.
//
// Threads  Confined to its Lane.
// Memory   Ports and plan outlive it. Destroying it ends no process.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/cluster_file.h"
#include "cli/up_plan.h"
#include "ports/disk.h"
#include "ports/lane.h"
#include "ports/processes.h"
#include "ports/scope.h"

namespace synod::cli {

struct SupervisorOptions {
  bool restart = true;
  std::map<std::string, std::string> environment;  // what children get besides SYNOD_CLUSTER
};

class Supervisor {
 public:
  Supervisor(ports::Lane& lane, ports::Processes& processes, ports::Disk& disk, const UpPlan& plan,
             SupervisorOptions options);

  // Starts everything and writes cluster.json. The first child that cannot be started at all is an
  // error; the others go on.
  Status start();

  // Ends services, masters, agents and coordinators, in this order: SIGTERM, after three seconds
  // SIGKILL. Tasks are not its business. `done` is called when the last one has ended.
  void stop(std::function<void()> done);

  std::size_t running() const;

 private:
  struct Child {
    const PlannedProcess* plan = nullptr;
    ports::ProcessId id;
    std::unique_ptr<ports::ProcessWatch> watch;
    Duration pause = Duration::millis(100);
    Instant started;
  };

  Status spawn(Child& child);
  void ended(Child& child, const ports::ExitStatus& status);
  void write_file();
  void stop_next();
  void signal_stage(int number);
  bool stage_ended() const;

  ports::Lane& lane_;
  ports::Processes& processes_;
  ports::Disk& disk_;
  const UpPlan& plan_;
  SupervisorOptions options_;
  std::vector<std::unique_ptr<Child>> children_;  // stable addresses: watches refer to them
  std::vector<std::string> stages_;               // roles still to be ended, the next one last
  std::function<void()> stopped_;
  bool stopping_ = false;
  ports::Scope scope_;
};

}  // namespace synod::cli
