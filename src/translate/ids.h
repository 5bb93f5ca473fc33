// What an identifier chosen by a user (task, executor, framework, volume) may look like.
//
// Source   mesos.md 1.5: identifiers become names of directories.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace synod::translate {

// nullopt if the id is good, else what is wrong with it, as a sentence without a final stop.
std::optional<std::string> id_error(std::string_view id);

}  // namespace synod::translate
