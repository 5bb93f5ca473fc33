// How fast a member that lags is taught. While nobody writes here: as fast as it can be. Beside
// writes: at a bounded rate, so that those who write wait no longer for it; yet several times as
// fast as what is written, so that it comes to an end.
//
// Purity   Numbers only. Confined to the engine's Lane.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/instant.h"

namespace synod::coordinator {

class Pace {
 public:
  // A batch of the own clients, or of the followers', was chosen and applied.
  void wrote(Instant now, std::size_t size_bytes) {
    if (now - window_begin_ >= window) {
      // Of the last whole window; nothing, if one lies between.
      before_bytes_ = now - window_begin_ < window * 2 ? window_bytes_ : 0;
      window_bytes_ = 0;
      window_begin_ = now;
    }
    window_bytes_ += size_bytes;
    wrote_ = now;
    writes_ = true;
  }

  // The time that a piece of so many bytes has.
  Duration time_of(Instant now, std::size_t size_bytes) const {
    if (!writes_ || now - wrote_ >= window) {
      return Duration();
    }
    const auto written = static_cast<std::int64_t>(std::max(window_bytes_, before_bytes_));
    const std::int64_t rate =
        std::max(rate_min, times_written * written * 1'000'000 / window.micros());
    return Duration::micros(static_cast<std::int64_t>(size_bytes) * 1'000'000 / rate);
  }

 private:
  static constexpr Duration window = Duration::millis(500);
  static constexpr std::int64_t rate_min = 20 << 20;  // bytes a second
  static constexpr std::int64_t times_written = 4;

  bool writes_ = false;
  Instant wrote_;
  Instant window_begin_;
  std::size_t window_bytes_ = 0;
  std::size_t before_bytes_ = 0;
};

}  // namespace synod::coordinator
