#include "base/checksum.h"

#include <array>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace synod {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int k = 0; k < 8; ++k) {
      c = (c & 1) != 0 ? (c >> 1) ^ 0x82f63b78U : c >> 1;
    }
    table[i] = c;
  }
  return table;
}

constexpr std::array<std::uint32_t, 256> crc_table = make_table();

std::uint32_t crc32c_portable(std::uint32_t crc, ByteView bytes) {
  for (char b : bytes) {
    crc = crc_table[(crc ^ static_cast<std::uint8_t>(b)) & 0xff] ^ (crc >> 8);
  }
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc32c_sse42(std::uint32_t crc, ByteView bytes) {
  std::uint64_t wide = crc;
  const char* p = bytes.data();
  std::size_t n = bytes.size();
  for (; n >= 8; n -= 8, p += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, p, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  crc = static_cast<std::uint32_t>(wide);
  for (; n > 0; --n, ++p) {
    crc = _mm_crc32_u8(crc, static_cast<std::uint8_t>(*p));
  }
  return crc;
}
#endif

std::uint64_t load_le64(const char* p, std::size_t n) {
  std::uint64_t v = 0;
  for (std::size_t i = 0; i < n; ++i) {
    v |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(p[i])) << (8 * i);
  }
  return v;
}

std::uint64_t load_whole_le64(const char* p) {
  if constexpr (std::endian::native == std::endian::little) {
    std::uint64_t v = 0;
    std::memcpy(&v, p, sizeof(v));
    return v;
  }
  return load_le64(p, 8);
}

}  // namespace

std::uint32_t crc32c(std::uint32_t crc, ByteView bytes) {
  crc = ~crc;
#if defined(__x86_64__)
  static const bool hardware = __builtin_cpu_supports("sse4.2") != 0;
  if (hardware) {
    return ~crc32c_sse42(crc, bytes);
  }
#endif
  return ~crc32c_portable(crc, bytes);
}

std::uint64_t hash64(ByteView bytes, std::uint64_t seed) {
  std::uint64_t h = hash_mix(seed, bytes.size());
  const char* p = bytes.data();
  std::size_t n = bytes.size();
  for (; n >= 8; n -= 8, p += 8) {
    h = hash_mix(h, load_whole_le64(p));
  }
  return n == 0 ? h : hash_mix(h, load_le64(p, n));
}

}  // namespace synod
