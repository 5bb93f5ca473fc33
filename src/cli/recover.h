// `synod data recover`, and what `synod restore` shares with it: a coordinator's directories made
// anew from a state.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "coordinator/offline.h"
#include "machine/machine.h"

namespace synod::cli {

// "1,2,3"; the one alone if the text is empty. invalid_argument otherwise.
Result<std::vector<NodeId>> parse_members(const std::string& text, NodeId self);

// Ends the sessions, raises the zxid_epoch, and draws a cluster id and an incarnation for each.
coordinator::Refounding found_anew(machine::Machine& machine, coordinator::Replayed& replayed,
                                   const std::vector<NodeId>& members);

// For the members but `self`, a directory each (`<directory>.member-N<suffix>` with log, snapshots,
// myid), to be moved to where its server will run.
Status write_other_members(machine::Machine& machine, const std::string& directory,
                           coordinator::Replayed& replayed, const coordinator::Refounding& founding,
                           NodeId self, const std::string& suffix);
void say_where_to_move(const std::string& path);

// True while a recovery of this dataDir was begun and has not come to its end: old and new files
// lie beside each other, and no server may start on them.
Result<bool> recovery_was_interrupted(ports::Disk& disk, const std::string& data_directory);

struct RecoverOptions {
  std::int64_t id = 0;  // 0: as the log says
  std::string members;
  bool yes = false;
};

// `directory` is dataDir. The exit code.
Result<int> recover_data(machine::Machine& machine, const std::string& directory,
                         const coordinator::DataPlace& place, const RecoverOptions& options);

std::string zxid_text(Zxid zxid);
// "2026-11-22T21:05:00Z"; "unknown" for 0.
std::string time_text(WallTime time);

}  // namespace synod::cli
