// Processes of the kernel.
//
// Every child is reaped here, whether somebody watches it or not, by one thread that waits for the
// pidfds of all of them; the last ended_max statuses are kept for watches that come late.
//
// Threads  any Lane; the callbacks go to the Lane that was passed.
#pragma once

#include <memory>

#include "ports/processes.h"

namespace synod {
class Log;
}

namespace synod::machine {

std::unique_ptr<ports::Processes> make_processes(Log& log);

}  // namespace synod::machine
