// What this machine, or the container we run in, has and uses.
//
// Source  proc(5), cgroups(7): both versions, limits of every level above us respected.
#pragma once

#include <memory>

#include "ports/host.h"

namespace synod::machine {

std::unique_ptr<ports::Host> make_host();

}  // namespace synod::machine
