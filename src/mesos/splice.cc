#include "mesos/splice.h"

#include <algorithm>

#include "base/check.h"

namespace synod::mesos {

namespace {

enum WireType : std::uint64_t { varint = 0, fixed64 = 1, delimited = 2, fixed32 = 5 };

constexpr int type_bits = 3;
constexpr std::uint64_t type_mask = 7;

void append_varint(Bytes& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

std::uint64_t take_varint(ByteView& rest) {
  std::uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    SYNOD_CHECK(!rest.empty() && shift < 64);
    const auto byte = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      return value;
    }
  }
}

std::uint64_t tag_of(int number, WireType type) {
  return static_cast<std::uint64_t>(number) << type_bits | type;
}

// Passes over one field; answers its number.
int skip_field(ByteView& rest) {
  const std::uint64_t tag = take_varint(rest);
  std::uint64_t size = 0;
  switch (tag & type_mask) {
    case varint: take_varint(rest); break;
    case fixed64: size = 8; break;
    case delimited: size = take_varint(rest); break;
    case fixed32: size = 4; break;
    default: SYNOD_CHECK(false);  // groups are not encoded by us
  }
  SYNOD_CHECK(size <= rest.size());
  rest.remove_prefix(size);
  return static_cast<int>(tag >> type_bits);
}

}  // namespace

void append_field(Bytes& out, int number, ByteView body) {
  append_varint(out, tag_of(number, delimited));
  append_varint(out, body.size());
  out.append(body);
}

void append_number(Bytes& out, int number, std::uint64_t value) {
  append_varint(out, tag_of(number, varint));
  append_varint(out, value);
}

Bytes without_fields(ByteView message, std::initializer_list<int> numbers) {
  Bytes out;
  out.reserve(message.size());
  while (!message.empty()) {
    const ByteView before = message;
    const int number = skip_field(message);
    if (std::find(numbers.begin(), numbers.end(), number) == numbers.end()) {
      out.append(before.substr(0, before.size() - message.size()));
    }
  }
  return out;
}

}  // namespace synod::mesos
