// fork and exec, and what happens in between.
//
// The child of a process with threads may use async-signal-safe calls only: everything it needs is
// prepared in the parent as plain arrays, and it reports through a pipe that exec closes.
//
//   parent                                   child
//   prepare, fork, wait for a report ------> session, cgroups, limits, user, directory, descriptors
//                                            (failure: report it, exit)
//   with a barrier: Ready <----------------- report Ready, then read the barrier
//   release: write one byte ---------------> exec; end of file there: the parent is gone, exit
//   exec failed: a report; exec done: end of file
//
// Source   clone(2), execve(2), credentials(7), close_range(2).
// Threads  spawn_process from any; SpawnedProcess by one at a time.
#pragma once

#include <map>
#include <optional>

#include "machine/descriptor.h"
#include "ports/processes.h"

namespace synod::machine {

struct SpawnedProcess {
  ports::ProcessId id;
  Descriptor pidfd;
  std::map<int, Descriptor> pipes;  // our ends, by the child's number
  Descriptor barrier;               // open until released, if there is one
  Descriptor report;                // open until the exec is known to have succeeded
  std::string program;              // for messages
};

Result<SpawnedProcess> spawn_process(const ports::ProcessSpec& spec);
// Lets a child with a barrier run; the outcome of its exec. Without one: success.
Status release_process(SpawnedProcess& process);

}  // namespace synod::machine
