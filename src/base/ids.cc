#include "base/ids.h"

namespace synod {

std::string to_string(const Uuid& uuid) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < uuid.bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      text.push_back('-');
    }
    text.push_back(digits[uuid.bytes[i] >> 4]);
    text.push_back(digits[uuid.bytes[i] & 15]);
  }
  return text;
}

Uuid uuid_from_words(std::uint64_t high, std::uint64_t low) {
  Uuid uuid;
  for (std::size_t i = 0; i < 8; ++i) {
    uuid.bytes[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
    uuid.bytes[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
  }
  uuid.bytes[6] = static_cast<std::uint8_t>((uuid.bytes[6] & 0x0f) | 0x40);
  uuid.bytes[8] = static_cast<std::uint8_t>((uuid.bytes[8] & 0x3f) | 0x80);
  return uuid;
}

std::ostream& operator<<(std::ostream& out, const Uuid& uuid) { return out << to_string(uuid); }

}  // namespace synod
