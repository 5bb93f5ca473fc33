// Performs what the core decides of processes: sandboxes, cgroups, start, watch, end.
//
// The disk's part is done on the journal Lane, the processes' on the main one.
//
// Invariants  N1 a container is gone only when no process of it is left: its session's, those
//                that carry its variable in their environment, those in its cgroups.
// Threads     Confined to the main Lane; callbacks come on it, on later turns.
// Memory      One entry per container that has been asked for and is not gone.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/core/events.h"
#include "containerizer/plan.h"
#include "ports/disk.h"
#include "ports/lane.h"
#include "ports/processes.h"
#include "ports/scope.h"

namespace synod::agent {

struct LauncherPorts {
  ports::Lane& lane;
  ports::Lane& journal_lane;
  ports::Disk& disk;
  ports::Processes& processes;
};

class Launcher {
 public:
  // Hears Spawned, SpawnFailed and ContainerGone.
  using Report = std::function<void(core::EventBody)>;

  Launcher(const LauncherPorts& ports, containerizer::Options options, std::string boot_id,
           Report report);
  ~Launcher();
  Launcher(const Launcher&) = delete;
  Launcher& operator=(const Launcher&) = delete;

  void spawn(const core::Spawn& effect, const std::string& agent_id);
  void release(const core::ContainerId& container);
  void watch(const core::ContainerId& container, const core::ProcessRef& process,
             const containerizer::SandboxKey& key);
  void destroy(const core::ContainerId& container);
  // The endpoint became known (a listener chose the port).
  void set_endpoint(const std::string& endpoint) { options_.agent_endpoint = endpoint; }
  const containerizer::Options& options() const { return options_; }

 private:
  struct Container;

  void prepared(const core::ContainerId& container, const Result<containerizer::Plan>& plan);
  void failed(const core::ContainerId& container, core::Reason reason, const std::string& why);
  void tidy(const core::ContainerId& container);
  void watch_process(Container& container);
  void on_exit(const core::ContainerId& container, const ports::ExitStatus& status);
  void swept(const core::ContainerId& container, const std::optional<Bytes>& end);

  LauncherPorts ports_;
  containerizer::Options options_;
  std::string boot_id_;
  Report report_;
  std::map<core::ContainerId, std::unique_ptr<Container>> containers_;
  ports::Scope scope_;
};

// Runs the task on `to`; while its queue is full, tries again from `from`, the Lane of the caller.
void post_surely(ports::Lane& from, ports::Lane& to, std::function<void()> task);

// Sweeps until nothing is left, then hands over what the end file says. On the journal Lane.
void sweep_and_read(ports::Lane& journal_lane, ports::Disk& disk, ports::Processes& processes,
                    const containerizer::Cgroups& cgroups, const std::string& container_id,
                    const std::string& sandbox,
                    const std::function<void(std::optional<Bytes>)>& done);

// One round of ending what a container left behind; true if nothing is left. Any Lane.
bool sweep_container(ports::Disk& disk, ports::Processes& processes,
                     const containerizer::Cgroups& cgroups, const std::string& container_id);

}  // namespace synod::agent
