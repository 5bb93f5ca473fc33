#include "resources/role.h"

#include <algorithm>

namespace synod::resources {

std::optional<std::string> role_error(std::string_view role) {
  if (role == default_role) {
    return std::nullopt;
  }
  const std::string quoted = "role '" + std::string(role.substr(0, 64)) + "'";
  if (role.empty()) {
    return "a role needs a name";
  }
  if (role.size() > role_size_bytes_max) {
    return quoted + " is longer than " + std::to_string(role_size_bytes_max) + " bytes";
  }
  if (role.find_first_of(" \t\n\v\f\r\b") != std::string_view::npos) {
    return quoted + " contains a blank or a backspace";
  }
  std::size_t depth = 0;
  for (std::size_t begin = 0; begin <= role.size(); ++depth) {
    const std::size_t end = std::min(role.find('/', begin), role.size());
    const std::string_view part = role.substr(begin, end - begin);
    if (part.empty()) {
      return quoted + " has an empty component";
    }
    if (part == "." || part == ".." || part == "*") {
      return quoted + " has the component '" + std::string(part) + "'";
    }
    if (part.front() == '-') {
      return quoted + " has a component that starts with '-'";
    }
    begin = end + 1;
  }
  if (depth > role_depth_max) {
    return quoted + " has more than " + std::to_string(role_depth_max) + " components";
  }
  return std::nullopt;
}

bool is_ancestor_role(std::string_view ancestor, std::string_view role) {
  return !ancestor.empty() && role.size() > ancestor.size() && role.starts_with(ancestor) &&
         role[ancestor.size()] == '/';
}

std::string_view parent_role(std::string_view role) {
  const std::size_t slash = role.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : role.substr(0, slash);
}

std::string_view top_level_role(std::string_view role) { return role.substr(0, role.find('/')); }

}  // namespace synod::resources
