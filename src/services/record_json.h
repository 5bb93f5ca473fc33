// Apps and records as JSON: what lies at /synod.services/NAME, and Marathon's app form in a subset.
//
// Errors   A record that cannot be read is malformed with the reason; an app of a user is
//          invalid_argument, told in words.
#pragma once

#include <string>

#include "base/result.h"
#include "http/json.h"
#include "services/core/types.h"

namespace synod::services {

std::string record_to_json(const core::Record& record);
Result<core::Record> record_from_json(const std::string& text);

// Marathon's POST /v2/apps body: id ("/web"), cmd or args, cpus, mem, disk, instances, env,
// portDefinitions or ports, user, backoffSeconds, maxLaunchDelaySeconds,
// taskKillGracePeriodSeconds. Ours besides: restartPolicy ("always", "on_failure", "never"),
// restartsMax. Fields of Marathon that would change what runs and are not understood (container,
// constraints, ...) are refused.
Result<core::App> app_from_json(const http::Json& json);
http::Json app_to_json(const core::App& app);

// "/web" and "web" -> "web".
std::string app_name(const std::string& id);

}  // namespace synod::services
