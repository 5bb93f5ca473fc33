// The zoo.cfg of a server with the myid beside its data.
#pragma once

#include <string>

#include "base/result.h"
#include "coordinator/zoo_config.h"
#include "ports/disk.h"

namespace synod::cli {

// Completed: see complete_zoo_config.
Result<coordinator::ZooConfig> read_zoo_config(ports::Disk& disk, const std::string& path);

}  // namespace synod::cli
