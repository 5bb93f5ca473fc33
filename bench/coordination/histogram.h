// Counts of durations, 64 steps to each power of two: at most 1.6 % off.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace synod::bench {

class Histogram {
 public:
  void add(std::int64_t nanos) {
    const auto v = static_cast<std::uint64_t>(nanos < 0 ? 0 : nanos);
    ++counts_[index_of(v)];
    ++total_;
  }
  void merge(const Histogram& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      counts_[i] += other.counts_[i];
    }
    total_ += other.total_;
  }
  std::uint64_t total() const { return total_; }
  double max_us() const {
    for (std::size_t i = counts_.size(); i > 0; --i) {
      if (counts_[i - 1] > 0) {
        return static_cast<double>(value_of(i - 1)) / 1000.0;
      }
    }
    return 0;
  }
  // Microseconds; of nothing, 0.
  double percentile_us(double percent) const {
    const auto wanted = static_cast<std::uint64_t>(static_cast<double>(total_) * percent / 100.0);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > wanted) {
        return static_cast<double>(value_of(i)) / 1000.0;
      }
    }
    return 0;
  }

 private:
  static constexpr int step_bits = 6;
  static constexpr std::size_t steps = std::size_t{1} << step_bits;

  static std::size_t index_of(std::uint64_t v) {
    if (v < steps) {
      return v;
    }
    const int shift = static_cast<int>(std::bit_width(v)) - step_bits - 1;
    return (static_cast<std::size_t>(shift + 1) << step_bits) + ((v >> shift) & (steps - 1));
  }
  static std::uint64_t value_of(std::size_t index) {
    const std::size_t power = index >> step_bits;
    const std::uint64_t step = index & (steps - 1);
    return power == 0 ? step : (steps + step) << (power - 1);
  }

  std::array<std::uint64_t, 60 * steps> counts_{};
  std::uint64_t total_ = 0;
};

}  // namespace synod::bench
