// TCP, with TLS where asked for.
#pragma once

#include <memory>

#include "ports/network.h"

namespace synod::machine {

std::unique_ptr<ports::Network> make_network();

}  // namespace synod::machine
