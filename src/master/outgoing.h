// What the core says, as messages of the wire.
//
// Source   mesos.md 2.3, 2.4 (offers); src/mesos/internal.proto.
#pragma once

#include <string>

#include "base/bytes.h"
#include "master/core/effects.h"
#include "master/identity.h"
#include "mesos/encoding.h"

namespace mesos::v1 {
class Task;
class TaskStatus;
}  // namespace mesos::v1

namespace synod::master {

inline constexpr std::int64_t heartbeat_seconds = 15;

// The payload of one record to a framework. `framework` is the stream's: offers name it.
Bytes framework_event(const core::ToFramework& effect, const core::FrameworkId& framework,
                      const Identity& master, mesos::Encoding encoding);
Bytes heartbeat_event(mesos::Encoding encoding);

// The payload of one record to an agent. `stream_id` names the stream in its calls.
Bytes agent_event(const core::ToAgent& effect, const std::string& stream_id,
                  const Identity& master);
// The only record of a stream that is refused before the core hears of it.
Bytes agent_refusal(const core::Leadership& leadership, int reason, const std::string& message);

void fill(const core::TaskStatus& status, ::mesos::v1::TaskStatus& out);

}  // namespace synod::master
