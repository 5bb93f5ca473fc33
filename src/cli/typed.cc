#include "cli/typed.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <string_view>

namespace synod::cli {
namespace {

// Of those that look for a cluster.
constexpr std::array<std::string_view, 8> finders = {"run",    "ps",      "logs", "kill",
                                                     "status", "explain", "zk",   "down"};

struct Typed {
  std::string name = "synod";
  std::string flags;
};

Typed& typed() {
  static Typed one;
  return one;
}

bool within_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '/' || c == '-' || c == '_';
}

}  // namespace

void set_typed_name(const std::string& name) {
  if (!name.empty()) {
    typed().name = name;
  }
}

void set_typed_flags(const std::string& flags) { typed().flags = flags; }

std::string as_typed(const std::string& text) {
  const std::string word = "synod ";
  std::string out;
  std::size_t at = 0;
  while (true) {
    const std::size_t found = text.find(word, at);
    if (found == std::string::npos) {
      return out + text.substr(at);
    }
    out += text.substr(at, found - at);
    at = found + word.size();
    if (found > 0 && within_word(text[found - 1])) {
      out += word;
      continue;
    }
    const std::size_t end =
        std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), within_word) -
        text.begin();
    const std::string subcommand = text.substr(at, end - at);
    out += typed().name + " " + subcommand;
    if (!typed().flags.empty() &&
        std::find(finders.begin(), finders.end(), subcommand) != finders.end()) {
      out += " " + typed().flags;
    }
    at = end;
  }
}

std::string short_path(const std::string& path) {
  std::error_code error;
  const std::string here = std::filesystem::current_path(error).string();
  if (error || here == "/") {
    return path;
  }
  return path.starts_with(here + "/") ? "." + path.substr(here.size()) : path;
}

}  // namespace synod::cli
