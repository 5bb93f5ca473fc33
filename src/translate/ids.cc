#include "translate/ids.h"

#include "base/limits.h"

namespace synod::translate {

std::optional<std::string> id_error(std::string_view id) {
  if (id.empty()) {
    return "the id is empty";
  }
  if (id.size() > limits::id_size_bytes_max) {
    return "the id is longer than " + std::to_string(limits::id_size_bytes_max) + " bytes";
  }
  if (id == "." || id == "..") {
    return "the id '" + std::string(id) + "' is not allowed";
  }
  for (char c : id) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      return "the id has a control character";
    }
    if (c == '/' || c == '\\') {
      return "the id '" + std::string(id) + "' has a slash or backslash";
    }
  }
  return std::nullopt;
}

}  // namespace synod::translate
