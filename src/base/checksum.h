// Checksums and hashes whose values are stored or sent: frozen once released.
//
// crc32c   Castagnoli polynomial, as in iSCSI (RFC 3720): finds damage of storage and wires.
// Hash64   a 64-bit mixing hash for digests and chains: tells replicas and histories apart.
//          Neither resists an adversary.
//
// Purity: same bytes, same value, on every machine and compiler.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace synod {

// `crc` continues an earlier value; start with 0. crc32c(0, "123456789") == 0xe3069283.
std::uint32_t crc32c(std::uint32_t crc, ByteView bytes);

// Hash of one byte string under a seed.
std::uint64_t hash64(ByteView bytes, std::uint64_t seed = 0);

// Order-dependent combination of two words.
constexpr std::uint64_t hash_mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t x = a ^ (b + 0x9e3779b97f4a7c15ULL + (a << 6) + (a >> 2));
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  x ^= x >> 31;
  return x;
}

}  // namespace synod
