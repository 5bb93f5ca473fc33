// Whether a write makes the state larger: near its limit such writes are refused, and whatever
// makes room is served.
//
// An edge decides, before the log: what it refuses goes into the log as a FailWrite in its place,
// so every replica decides the same and pipelined requests keep their order (decision 0151).
//
// Purity  Functions of their arguments.
#pragma once

#include <cstdint>

#include "znode/command.h"
#include "znode/state.h"

namespace synod::coordinator {

// Answered to what is refused. Every client library knows it: some lose their whole connection, or
// worse, over the younger QUOTAEXCEEDED and THROTTLEDOP.
inline constexpr zkwire::Code state_limit_code = zkwire::Code::system_error;

// By how many bytes the state would grow if the write succeeded; 0 or less: not at all.
std::int64_t growth_of(const znode::State& state, const znode::ClientWrite& write);

}  // namespace synod::coordinator
