// TCP, with TLS where asked for.
#pragma once

#include <memory>

#include "base/log.h"
#include "ports/network.h"

namespace synod::machine {

std::unique_ptr<ports::Network> make_network(Log& log);

}  // namespace synod::machine
