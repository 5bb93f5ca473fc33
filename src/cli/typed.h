// How this program was called, so that what is advised can be typed as it stands.
#pragma once

#include <string>

namespace synod::cli {

// main tells argv[0], once, first.
void set_typed_name(const std::string& name);
// The flags by which this command found its cluster ("--dir=/x"), if the next will need them too.
void set_typed_flags(const std::string& flags);

// The text with every command "synod SUBCOMMAND" in it as this user types it: "build/synod run
// --dir=/x" for one who typed build/synod and has a cluster in /x.
std::string as_typed(const std::string& text);

// The path as it would be typed here: "./x" for what lies below the working directory.
std::string short_path(const std::string& path);

}  // namespace synod::cli
