// The web page, as it was bundled into the binary from ui/.
#pragma once

#include <string>

namespace synod::cli {

// One HTML document, text/html; charset=utf-8.
std::string page();

}  // namespace synod::cli
