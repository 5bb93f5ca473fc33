// Unpredictable bits: ids, session passwords, election delays. Seeded in simulation.
//
// Threads: confined to the Lane that hands it out.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"

namespace synod::ports {

class Entropy {
 public:
  virtual ~Entropy() = default;

  virtual std::uint64_t next() = 0;

  Uuid uuid() {
    const std::uint64_t high = next();
    return uuid_from_words(high, next());
  }
};

}  // namespace synod::ports
