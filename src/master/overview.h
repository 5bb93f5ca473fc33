// `/synod/v1/cluster`: the whole on one page, for people, the page and `synod status`.
//
// Source   docs/formats/cluster-view.md.
#pragma once

#include <string>
#include <vector>

#include "master/coordinators.h"
#include "master/identity.h"
#include "master/messages.h"
#include "master/reports.h"

namespace synod::master {

std::string cluster_page(const Picture& picture, const Identity& self, WallTime now,
                         const std::vector<CoordinatorView>& coordinators,
                         const AgentReports& reports);

// "14:02:11 UTC"
std::string clock_text(WallTime at);

}  // namespace synod::master
