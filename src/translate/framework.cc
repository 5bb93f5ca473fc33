#include "translate/framework.h"

#include <algorithm>

#include "mesos/v1.h"
#include "translate/amounts.h"
#include "translate/ids.h"

namespace synod::translate {

namespace {
Error invalid(std::string what) { return Error{ErrorCode::invalid_argument, std::move(what)}; }
}  // namespace

Capabilities capabilities_of(const mesos::v1::FrameworkInfo& info) {
  using Capability = mesos::v1::FrameworkInfo::Capability;
  Capabilities out;
  for (const auto& capability : info.capabilities()) {
    switch (capability.type()) {
      case Capability::REVOCABLE_RESOURCES: out.revocable_resources = true; break;
      case Capability::TASK_KILLING_STATE: out.task_killing_state = true; break;
      case Capability::GPU_RESOURCES: out.gpu_resources = true; break;
      case Capability::SHARED_RESOURCES: out.shared_resources = true; break;
      case Capability::PARTITION_AWARE: out.partition_aware = true; break;
      case Capability::MULTI_ROLE: out.multi_role = true; break;
      case Capability::RESERVATION_REFINEMENT: out.reservation_refinement = true; break;
      case Capability::REGION_AWARE: out.region_aware = true; break;
      case Capability::UNKNOWN: break;
    }
  }
  return out;
}

Result<std::vector<std::string>> roles_of(const mesos::v1::FrameworkInfo& info) {
  std::vector<std::string> roles;
  if (capabilities_of(info).multi_role) {
    if (info.has_role()) {
      return invalid("FrameworkInfo.role must not be set with the MULTI_ROLE capability");
    }
    roles.assign(info.roles().begin(), info.roles().end());
  } else {
    if (info.roles_size() > 0) {
      return invalid("FrameworkInfo.roles needs the MULTI_ROLE capability");
    }
    roles.push_back(info.role());
  }
  std::sort(roles.begin(), roles.end());
  const auto repeat = std::adjacent_find(roles.begin(), roles.end());
  if (repeat != roles.end()) {
    return invalid("FrameworkInfo.roles contains '" + *repeat + "' twice");
  }
  for (const std::string& role : roles) {
    if (auto error = resources::role_error(role)) {
      return invalid("role '" + role + "' is invalid: " + *error);
    }
  }
  return roles;
}

Result<Duration> failover_timeout_of(const mesos::v1::FrameworkInfo& info) {
  auto timeout = duration_from_seconds(info.failover_timeout());
  if (!timeout.ok()) {
    return with_context("FrameworkInfo.failover_timeout", timeout.error());
  }
  return timeout;
}

Format format_for(const mesos::v1::FrameworkInfo& info) {
  return capabilities_of(info).reservation_refinement ? Format::post_refinement
                                                      : Format::pre_refinement;
}

Status check_framework(const mesos::v1::FrameworkInfo& info) {
  if (info.has_id() && !info.id().value().empty()) {
    if (auto error = id_error(info.id().value())) {
      return invalid("FrameworkInfo.id: " + *error);
    }
  }
  auto roles = roles_of(info);
  if (!roles.ok()) {
    return roles.error();
  }
  auto timeout = failover_timeout_of(info);
  if (!timeout.ok()) {
    return timeout.error();
  }
  return {};
}

}  // namespace synod::translate
