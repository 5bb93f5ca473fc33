// Starting, watching and ending processes, as data.
//
// A process is known by (pid, start time): a pid alone may have been reused. Across a reboot the
// boot id of Host must agree too. Everything not listed in the Spec is closed in the child: it
// starts with exactly the descriptors given, default signal dispositions and an empty signal mask.
//
// Errors  not_found (no such program, directory, process), permission_denied, full (process limit).
// Threads Called on the Lane that is passed; callbacks come on it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "ports/stream.h"

namespace synod::ports {

class Lane;

struct ProcessId {
  std::int64_t pid = 0;
  std::uint64_t start_time = 0;  // clock ticks since boot, field 22 of /proc/PID/stat

  friend auto operator<=>(const ProcessId&, const ProcessId&) = default;
};

struct ExitStatus {
  // Exactly one is set, or neither when the process was not our child and its status is unknown.
  std::optional<int> code;
  std::optional<int> signal;

  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};

// The numbers of Linux, so that those who may not call the system can name them.
inline constexpr int signal_kill = 9;
inline constexpr int signal_terminate = 15;

// "Terminated", "Killed", "Segmentation fault", as the C library says them; else the number.
std::string signal_name(int number);

// "exit status 3", "killed by signal 9", "exit status unknown".
std::string to_string(const ExitStatus& status);

// One descriptor of the child.
struct Descriptor {
  enum class Kind {
    null,         // /dev/null
    read_file,    // path, must exist
    append_file,  // path, created if absent, O_APPEND
    pipe_in,   // the child reads what the parent writes; the parent's end is Child::pipes[number]
    pipe_out,  // the child writes, the parent reads; the parent's end is Child::pipes[number]
    inherit,   // the parent's own descriptor of the same number (terminals of the CLI only)
  };
  int number = 0;
  Kind kind = Kind::null;
  std::string path;
};

struct ResourceLimit {
  int resource = 0;  // RLIMIT_*
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
};

struct ProcessSpec {
  std::vector<std::string> argv;  // argv[0] is looked up in PATH of `env` unless it has a slash
  std::map<std::string, std::string> env;  // the whole environment
  std::string directory;                   // empty: the parent's
  std::string user;                        // empty: the parent's
  std::vector<Descriptor> descriptors;     // 0, 1 and 2 are null unless listed
  std::vector<ResourceLimit> limits;
  std::vector<std::string> cgroups;  // directories; the child enters each before it runs
  std::uint64_t namespaces = 0;      // CLONE_NEW* bits
  bool new_session = false;          // setsid: survives the parent's terminal and group
  // The child exists but does not exec until Child::release(): its pid can be journaled first. If
  // the parent dies or drops the Child before that, the child exits without having run anything.
  bool barrier = false;
};

// A child that was started. Dropping it does not end the process (but see barrier).
class Child {
 public:
  virtual ~Child() = default;
  virtual ProcessId id() const = 0;
  // Lets a child with a barrier run. Fails if the exec failed: not_found, permission_denied.
  virtual Status release() = 0;
  // The parent's end of a pipe, once each; nullptr if there is none of that number.
  virtual std::unique_ptr<Stream> take_pipe(int number) = 0;
};

// A watch on a process; destroying it stops watching.
class ProcessWatch {
 public:
  virtual ~ProcessWatch() = default;
};

struct RunningProcess {
  ProcessId id;
  std::vector<std::string> argv;
};

class Processes {
 public:
  using Exited = std::function<void(ExitStatus)>;

  virtual ~Processes() = default;

  // Without a barrier, returns only once the exec has succeeded or failed.
  virtual Result<std::unique_ptr<Child>> spawn(Lane& lane, const ProcessSpec& spec) = 0;

  // Calls back once, when the process has ended (at once, on a later turn, if it has already).
  // Works for processes that are not our children, whose status is then unknown.
  virtual std::unique_ptr<ProcessWatch> watch(Lane& lane, ProcessId id, Exited exited) = 0;

  // Signals the process, checked against its start time. not_found if it is gone.
  virtual Status signal(ProcessId id, int number) = 0;
  // Signals every process of its session's group that it leads.
  virtual Status signal_group(ProcessId id, int number) = 0;

  // The process of that pid as it runs now; not_found otherwise.
  virtual Result<ProcessId> find(std::int64_t pid) = 0;
  virtual bool alive(ProcessId id) = 0;
  // Every process whose environment holds the assignment: how `down` finds leftovers.
  virtual std::vector<RunningProcess> find_by_environment(const std::string& name,
                                                          const std::string& value) = 0;
  virtual ProcessId self() const = 0;
};

}  // namespace synod::ports
