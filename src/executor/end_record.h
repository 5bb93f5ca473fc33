// The file that says how a task or executor ended; the format is mesos.internal.TaskEnd in JSON.
//
// Source  docs/formats/task-end.md.
#pragma once

#include <string>

#include "base/result.h"
#include "ports/disk.h"
#include "ports/processes.h"

namespace mesos::v1 {
class TaskStatus;
}

namespace synod::executor {

// Writes DIRECTORY/end, durably and atomically. `status` may be null.
Status write_end_record(ports::Disk& disk, const std::string& directory,
                        const ports::ExitStatus& exit, const ::mesos::v1::TaskStatus* status);

}  // namespace synod::executor
