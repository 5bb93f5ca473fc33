// The readers' latch of threads: a flag a reader on a cache line of its own, one flag for the
// writer (Dekker's handshake with sequentially consistent stores and loads).
//
// A reader raises its flag, then looks at the writer's; the writer raises its flag, then waits for
// each reader's to fall. One of the two must see the other. Who waits spins briefly and then sleeps
// in the kernel, since on few cores the other side may need this very cpu.
#pragma once

#include <memory>

#include "ports/gate.h"

namespace synod::machine {

std::unique_ptr<ports::Gate> make_shared_gate(std::size_t places);
// For one Lane: does nothing.
std::unique_ptr<ports::Gate> make_trivial_gate();

}  // namespace synod::machine
