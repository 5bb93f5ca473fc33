// What the service scheduler speaks of: apps, their instances, offers.
//
// Units: cpus in thousandths, memory and disk in thousandths of a MiB, as src/resources has them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.h"

namespace synod::services::core {

enum class RestartPolicy {
  always,      // whatever the exit status: a service
  on_failure,  // exit status 0 ends it
  never,       // one run: `synod run --foreground`
};

// What is wanted. A record of it lies in the coordination service; the newest version counts.
struct App {
  std::string name;               // [a-z0-9]([a-z0-9-]*[a-z0-9])?, at most 63 characters
  std::string command;            // run by `sh -c`; or
  std::vector<std::string> argv;  // run as it stands. Exactly one of the two is not empty
  std::int64_t cpus_milli = 100;
  std::int64_t mem_milli = 128'000;
  std::int64_t disk_milli = 0;
  std::uint32_t ports = 0;
  std::uint32_t instances = 1;
  std::map<std::string, std::string> env;
  std::string user;
  RestartPolicy restart = RestartPolicy::always;
  Duration backoff_first = Duration::seconds(1);
  Duration backoff_max = Duration::seconds(60);
  // Restarts after failures in a row; then the instance stays failed until the app is changed.
  std::uint32_t restarts_max = 5;
  Duration kill_grace = Duration::seconds(3);
  std::uint64_t version = 0;  // raised by every change; an instance of an older one is replaced

  friend bool operator==(const App&, const App&) = default;
};

// nullopt if the app can be accepted, else what is wrong with it, for its author.
std::optional<std::string> validate(const App& app);

enum class Phase {
  waiting,    // for an offer
  storing,    // matched to an offer; its record is being written
  launching,  // accepted; no sign of life yet
  running,
  restarting,  // backing off until `until`
  stopping,    // told to end
  failed,      // gave up, or ended with a policy that does not start it again
  finished,    // ended with status 0 and is not started again
};

const char* to_string(Phase phase);
// failed or finished: nothing starts it again but a change of the app, or retry.
bool is_over(Phase phase);

// Place N of an app. The name a user sees is "<app>.<index>"; every launch has its own task id.
struct Instance {
  std::uint32_t index = 0;  // from 1
  Phase phase = Phase::waiting;
  std::string task_id;  // empty unless storing, launching, running or stopping
  std::string agent_id;
  std::string agent_name;
  std::vector<std::uint32_t> ports;
  std::uint64_t version = 0;   // of the app, at launch
  std::uint32_t failures = 0;  // in a row
  std::uint32_t restarts = 0;  // ever
  Instant since;               // of the phase
  Instant until;               // restarting: when to go on; launching, stopping: when to ask again
  std::string last;            // why it ended last, in words; empty if it never did

  friend bool operator==(const Instance&, const Instance&) = default;
};

// What is stored of an app: enough for the next leader to take over without a second launch.
struct Record {
  App app;
  bool removed = false;  // being taken down
  // Those that have a task, and those that are over (failed, finished). Of one with a task only
  // index, task_id, agent_id, agent_name, ports, version and restarts are stored; of one that is
  // over its phase and `last` as well.
  std::vector<Instance> instances;
};

struct PortRange {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;  // inclusive, as Mesos has it
};

struct Offer {
  std::string id;
  std::string agent_id;
  std::string agent_name;
  std::int64_t cpus_milli = 0;
  std::int64_t mem_milli = 0;
  std::int64_t disk_milli = 0;
  std::vector<PortRange> ports;
};

enum class TaskState { staging, starting, running, killing, finished, failed, killed, error, lost };

const char* to_string(TaskState state);
bool is_terminal(TaskState state);

}  // namespace synod::services::core
