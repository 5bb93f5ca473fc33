// A backup's directory: what `synod backup` gathers from a coordinator's disk and `synod restore`
// replays. Bytes: docs/formats/backup.md.
//
// Invariants  A1 copying only reads the coordinator's files, and a running one may change them
//                meanwhile: segments only grow, snapshots never change, and what vanishes while it
//                is copied was covered by something newer (the copy is begun again).
//             A2 what the archive holds is never removed by us; the manifest is written last.
// Threads     Confined.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/instant.h"
#include "base/result.h"
#include "coordinator/offline.h"
#include "ports/disk.h"

namespace synod::cli {

struct ArchiveManifest {
  ClusterId cluster;
  NodeId node;
  Slot slot;  // everything through here was chosen, and can be replayed
  Zxid zxid;
  WallTime time;  // of the last write
  std::uint64_t digest = 0;
  std::vector<std::string> open;  // segments that may still grow: copied again next time
};

Result<std::optional<ArchiveManifest>> read_manifest(ports::Disk& disk, const std::string& archive);
Status write_manifest(ports::Disk& disk, const std::string& archive,
                      const ArchiveManifest& manifest);

// Copies what is new. `before`: the manifest of the last time.
Status copy_into_archive(ports::Disk& disk, const coordinator::DataPlace& from,
                         const std::string& archive, const std::optional<ArchiveManifest>& before,
                         std::vector<std::string>& open);

coordinator::DataPlace place_of_archive(const std::string& archive);

}  // namespace synod::cli
