// How long each stage of a write takes, as histograms that cost a few compares to feed.
//
//   queue    a batch's first command reached the leader's queue -> the batch is proposed
//   propose  the batch is put together, written to the journal's queue and the links
//   flush    one flush of the journal
//   quorum   proposed -> known as chosen
//   apply    known as chosen -> applied here
//   reply    applied -> its edge has taken the outcome
//
// Threads: confined to a Lane; copied under the gate.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/instant.h"

namespace synod::coordinator {

class Histogram {
 public:
  // Upper bounds; what is above the last falls into one more.
  static constexpr std::array<std::int64_t, 17> bounds_us = {
      50,     100,     250,     500,     1'000,     2'500,     5'000,     10'000,    25'000,
      50'000, 100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000};

  void add(Duration duration) {
    const std::int64_t us = std::max<std::int64_t>(0, duration.micros());
    std::size_t bucket = 0;
    while (bucket < bounds_us.size() && us > bounds_us[bucket]) {
      ++bucket;
    }
    ++counts_[bucket];
    ++count_;
    sum_us_ += us;
    max_us_ = std::max(max_us_, us);
  }

  std::uint64_t count() const { return count_; }
  std::int64_t sum_us() const { return sum_us_; }
  std::int64_t max_us() const { return max_us_; }
  // At or below the bound of that index; bounds_us.size(): all.
  std::uint64_t in_bucket(std::size_t index) const { return counts_[index]; }
  // The bound that `percent` of all do not exceed; 0 without any.
  std::int64_t percentile_us(std::uint64_t percent) const {
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < bounds_us.size() && count_ > 0; ++i) {
      seen += counts_[i];
      if (seen * 100 >= count_ * percent) {
        return std::min(bounds_us[i], max_us_);
      }
    }
    return max_us_;
  }

 private:
  std::array<std::uint64_t, bounds_us.size() + 1> counts_{};
  std::uint64_t count_ = 0;
  std::int64_t sum_us_ = 0;
  std::int64_t max_us_ = 0;
};

struct StageLatencies {
  Histogram queue;
  Histogram propose;
  Histogram flush;
  Histogram quorum;
  Histogram apply;
  Histogram reply;  // of one edge
};

}  // namespace synod::coordinator
