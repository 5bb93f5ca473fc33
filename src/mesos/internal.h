// The messages between master and agent (internal.proto), and the protocol they belong to.
#pragma once

#include <cstdint>

#include "mesos/internal.pb.h"
#include "mesos/v1.h"

namespace synod::mesos {

// Protocol versions that this build speaks; two sides use the lower of their newest ones, which
// must not be below the other's oldest.
inline constexpr std::uint32_t internal_protocol = 1;
inline constexpr std::uint32_t internal_protocol_oldest = 1;

inline constexpr char agent_path[] = "/synod/v1/agent";

}  // namespace synod::mesos
