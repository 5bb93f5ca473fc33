// What a FrameworkInfo says: its roles, its capabilities, how long it may be away.
//
// Source   mesos.md 2.2.
// Errors   Every refusal here is one of those that a framework hears as an ERROR event.
#pragma once

#include <string>
#include <vector>

#include "base/instant.h"
#include "base/result.h"
#include "resources/role.h"
#include "translate/resources.h"

namespace mesos::v1 {
class FrameworkInfo;
}

namespace synod::translate {

struct Capabilities {
  bool revocable_resources = false;
  bool task_killing_state = false;
  bool gpu_resources = false;
  bool shared_resources = false;
  bool partition_aware = false;
  bool multi_role = false;
  bool reservation_refinement = false;
  bool region_aware = false;
};

Capabilities capabilities_of(const ::mesos::v1::FrameworkInfo& info);

// Sorted. `roles` with MULTI_ROLE, else the one `role` ("*" if unset). Error: invalid_argument for
// the wrong field of the two, repeats, bad names.
Result<std::vector<std::string>> roles_of(const ::mesos::v1::FrameworkInfo& info);

// Error: invalid_argument unless it is a non-negative duration that can be represented.
Result<Duration> failover_timeout_of(const ::mesos::v1::FrameworkInfo& info);

// The format in which it hears of resources.
Format format_for(const ::mesos::v1::FrameworkInfo& info);

// Everything above at once, and the id if there is one.
Status check_framework(const ::mesos::v1::FrameworkInfo& info);

}  // namespace synod::translate
