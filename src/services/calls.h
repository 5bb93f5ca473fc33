// Between the core's words and the messages of the v1 scheduler API.
//
// Threads: plain functions.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "services/core/core.h"

namespace mesos::v1 {
class FrameworkInfo;
class Offer;
class TaskStatus;
}  // namespace mesos::v1

namespace synod::services {

// What an offer holds that is free for all: unreserved, not revocable, not shared.
core::Offer offer_from(const ::mesos::v1::Offer& offer);

core::Update update_from(const ::mesos::v1::TaskStatus& status, Instant now);

// The serialized Call of an effect for the master; nullopt if it is none. `host` is $HOST of tasks.
std::optional<Bytes> call_of(const core::Effect& effect, const std::string& framework_id,
                             const std::string& host);

}  // namespace synod::services
