// Ending what `synod up` started, also when its supervisor was killed.
#pragma once

#include <string>

#include "cli/session.h"

namespace synod::cli {

// Ends supervisor, servers, executors and tasks of the directory; prints one line; exit code.
int take_down(Session& session, const std::string& directory);

// Ends only servers (coordinators, masters, agents, services, supervisors) that are left over
// there.
void end_servers(Session& session, const std::string& directory);

}  // namespace synod::cli
