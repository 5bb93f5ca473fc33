// One fuzz target: a function that takes any bytes and must not crash, hang or break what it
// claims.
//
// A target is one file, `<name>_fuzz.cc`, with one SYNOD_FUZZ_TARGET. It is built twice: with clang
// and libFuzzer into `fuzz_<name>` (preset fuzz), and with every other target into fuzz_test, which
// runs the seeds, the corpus and some mutations of both in every `./dev test`.
//
// Claims are checked with SYNOD_CHECK, which is on in every build: decoding what was encoded gives
// the same, and the like.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"

namespace synod::fuzz {

struct Target {
  const char* name;
  void (*one)(ByteView input);
  // Inputs that reach deep: made by our own encoders, so that they are never out of date.
  std::vector<Bytes> (*seeds)();
};

// All targets of this program.
std::vector<Target>& targets();

struct Registration {
  explicit Registration(const Target& target) { targets().push_back(target); }
};

}  // namespace synod::fuzz

#ifdef SYNOD_LIBFUZZER
#define SYNOD_FUZZ_TARGET(name, one, seeds)                                            \
  extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) { \
    one(::synod::ByteView(reinterpret_cast<const char*>(data), size));                 \
    return 0;                                                                          \
  }                                                                                    \
  [[maybe_unused]] static std::vector<::synod::Bytes> (*const unused_seeds)() = seeds
#else
#define SYNOD_FUZZ_TARGET(name, one, seeds)                        \
  static const ::synod::fuzz::Registration registration_of_##name( \
      ::synod::fuzz::Target{#name, one, seeds})
#endif
