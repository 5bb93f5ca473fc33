// `/synod/v1/cluster`: the whole on one page, for people, the page and `synod status`.
//
// Source   docs/formats/cluster-view.md.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "master/coordinators.h"
#include "master/identity.h"
#include "master/messages.h"
#include "master/reports.h"

namespace synod::master {

// What people call an address: "127.0.0.1:5050" -> "m1".
using Names = std::map<std::string, std::string>;
// Of "m1=127.0.0.1:5050,c1=127.0.0.1:2181"; what is not of that form is left out.
Names names_from(const std::string& text);

std::string cluster_page(const Picture& picture, const Identity& self, WallTime now,
                         const std::vector<CoordinatorView>& coordinators,
                         const AgentReports& reports, const Names& names);

// "14:02 UTC"
std::string clock_text(WallTime at);

}  // namespace synod::master
