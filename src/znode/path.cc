// Paths: their order, their parts and their validity.
#include <cstdint>

#include "znode/tree.h"

namespace synod::znode {
namespace {

// The next code point; moves `rest` past it. A malformed sequence gives U+FFFD, which no path may
// hold, as the Java server's decoder does.
std::uint32_t next_code_point(std::string_view& rest) {
  constexpr std::uint32_t replacement = 0xfffd;
  const auto byte = [&rest](std::size_t i) { return static_cast<std::uint8_t>(rest[i]); };
  const std::uint32_t first = byte(0);
  if (first < 0x80) {
    rest.remove_prefix(1);
    return first;
  }
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || rest.size() < size) {
    rest.remove_prefix(1);
    return replacement;
  }
  std::uint32_t point = first & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) {
      rest.remove_prefix(1);
      return replacement;
    }
    point = (point << 6) | (byte(i) & 0x3fU);
  }
  rest.remove_prefix(size);
  const bool overlong = (size == 3 && point < 0x800) || (size == 4 && point < 0x10000);
  return overlong ? replacement : point;
}

bool code_point_valid(std::uint32_t c) {
  if (c <= 0x1f || (c >= 0x7f && c <= 0x9f)) {
    return false;
  }
  // Surrogates and private use; the specials; and what Java holds as a pair of surrogates.
  return !(c >= 0xd800 && c <= 0xf8ff) && c < 0xfff0;
}

}  // namespace

bool path_less(std::string_view a, std::string_view b) {
  const std::size_t n = a.size() < b.size() ? a.size() : b.size();
  for (std::size_t i = 0; i < n; ++i) {
    if (a[i] != b[i]) {
      // '/' sorts below every byte that a name may hold, so that a node comes before its
      // descendants and they before its next sibling.
      const auto rank = [](char c) { return c == '/' ? 0 : 1 + static_cast<std::uint8_t>(c); };
      return rank(a[i]) < rank(b[i]);
    }
  }
  return a.size() < b.size();
}

std::string_view parent_path(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) {
    return {};
  }
  return slash == 0 ? std::string_view("/") : path.substr(0, slash);
}

std::string_view base_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 == 0
}

bool path_valid(std::string_view path) {
  if (path == "/") {
    return true;
  }
  if (path.empty() || path.front() != '/' || path.back() == '/') {
    return false;
  }
  std::string_view rest = path.substr(1);
  while (!rest.empty()) {
    const std::string_view name = rest.substr(0, rest.find('/'));
    if (name.empty() || name == "." || name == "..") {
      return false;
    }
    rest.remove_prefix(name.size() < rest.size() ? name.size() + 1 : name.size());
  }
  rest = path;
  while (!rest.empty()) {
    if (!code_point_valid(next_code_point(rest))) {
      return false;
    }
  }
  return true;
}

}  // namespace synod::znode
