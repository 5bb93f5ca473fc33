// The durations of the last few hundred of something, for "p99 of late": a ring, sorted when asked.
//
// Threads: confined to its Lane.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "base/instant.h"

namespace synod::coordinator {

class Recent {
 public:
  void add(Duration duration) { ring_[count_++ % ring_.size()] = duration; }

  // The smallest duration that `percent` of those kept do not exceed; zero if there is none.
  Duration percentile(std::size_t percent) const {
    const std::size_t kept = std::min(count_, ring_.size());
    if (kept == 0) {
      return {};
    }
    std::vector<Duration> sorted(ring_.begin(), ring_.begin() + static_cast<std::ptrdiff_t>(kept));
    const std::size_t rank = std::min(kept - 1, kept * percent / 100);
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(rank),
                     sorted.end());
    return sorted[rank];
  }

 private:
  std::array<Duration, 256> ring_{};
  std::size_t count_ = 0;
};

}  // namespace synod::coordinator
