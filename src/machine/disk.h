// The file system.
#pragma once

#include <memory>

#include "ports/disk.h"

namespace synod::machine {

std::unique_ptr<ports::Disk> make_disk();

}  // namespace synod::machine
