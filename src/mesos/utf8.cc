#include "mesos/utf8.h"

namespace synod::mesos {

std::optional<std::uint32_t> decode_utf8(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  int more = 0;
  std::uint32_t point = 0;
  std::uint32_t least = 0;
  if (lead < 0x80) {
    ++at;
    return lead;
  }
  if ((lead & 0xe0) == 0xc0) {
    more = 1;
    point = lead & 0x1fU;
    least = 0x80;
  } else if ((lead & 0xf0) == 0xe0) {
    more = 2;
    point = lead & 0x0fU;
    least = 0x800;
  } else if ((lead & 0xf8) == 0xf0) {
    more = 3;
    point = lead & 0x07U;
    least = 0x10000;
  }
  const std::size_t start = at++;
  if (more == 0 || text.size() - start <= static_cast<std::size_t>(more)) {
    return std::nullopt;
  }
  for (int i = 1; i <= more; ++i) {
    const auto next = static_cast<unsigned char>(text[start + static_cast<std::size_t>(i)]);
    if ((next & 0xc0) != 0x80) {
      return std::nullopt;
    }
    point = point << 6 | (next & 0x3fU);
  }
  if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
    return std::nullopt;
  }
  at = start + static_cast<std::size_t>(more) + 1;
  return point;
}

void append_utf8(std::string& out, std::uint32_t point) {
  auto put = [&out](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xc0 | point >> 6);
    put(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    put(0xe0 | point >> 12);
    put(0x80 | (point >> 6 & 0x3f));
    put(0x80 | (point & 0x3f));
  } else {
    put(0xf0 | point >> 18);
    put(0x80 | (point >> 12 & 0x3f));
    put(0x80 | (point >> 6 & 0x3f));
    put(0x80 | (point & 0x3f));
  }
}

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (!decode_utf8(text, at)) {
      return false;
    }
  }
  return true;
}

}  // namespace synod::mesos
