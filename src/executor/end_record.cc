#include "executor/end_record.h"

#include "mesos/encoding.h"
#include "mesos/internal.h"

namespace synod::executor {

Status write_end_record(ports::Disk& disk, const std::string& directory,
                        const ports::ExitStatus& exit, const ::mesos::v1::TaskStatus* status) {
  mesos::internal::TaskEnd end;
  if (status != nullptr) {
    *end.mutable_status() = *status;
  }
  if (exit.code) {
    end.set_exit_code(*exit.code);
  } else if (exit.signal) {
    end.set_exit_signal(*exit.signal);
  }
  SYNOD_TRY(disk.make_directories(directory));
  return ports::write_file_atomically(disk, directory + "/end", mesos::to_json(end) + "\n");
}

}  // namespace synod::executor
