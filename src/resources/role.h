// Names of roles: `*`, or components joined by '/': "eng", "eng/web".
//
// Source  mesos.md 9.4: hierarchy lies in the name alone; a reservation to an ancestor serves its
//         descendants.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace synod::resources {

// The role of what is not reserved, and of frameworks that name none.
inline constexpr std::string_view default_role = "*";

// Components a role may have. Mesos knows no bound; ours keeps walks of the tree short.
inline constexpr std::size_t role_depth_max = 32;
inline constexpr std::size_t role_size_bytes_max = 255;

// nullopt if the name is good, else what is wrong with it, as a sentence without a final stop.
std::optional<std::string> role_error(std::string_view role);

// True if `ancestor` is a proper ancestor: "a" of "a/b", never of "ab" or "a". "*" has no kin.
bool is_ancestor_role(std::string_view ancestor, std::string_view role);

// "a/b" -> "a"; a top-level role -> "".
std::string_view parent_role(std::string_view role);

// "a/b/c" -> "a".
std::string_view top_level_role(std::string_view role);

}  // namespace synod::resources
