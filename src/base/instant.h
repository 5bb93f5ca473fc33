// Time as values. Reading a clock is a side effect and lives in ports::Lane.
//
// Duration  a span in nanoseconds, signed.
// Instant   a point of one machine's monotonic clock (CLOCK_BOOTTIME) or of simulated time;
//           meaningless on another machine and after a reboot.
// WallTime  milliseconds since 1970-01-01 UTC; may jump; never decides safety.
#pragma once

#include <compare>
#include <cstdint>
#include <ostream>

namespace synod {

class Duration {
 public:
  constexpr Duration() = default;

  static constexpr Duration nanos(std::int64_t n) { return Duration(n); }
  static constexpr Duration micros(std::int64_t n) { return Duration(n * 1'000); }
  static constexpr Duration millis(std::int64_t n) { return Duration(n * 1'000'000); }
  static constexpr Duration seconds(std::int64_t n) { return Duration(n * 1'000'000'000); }

  constexpr std::int64_t nanos() const { return nanos_; }
  constexpr std::int64_t micros() const { return nanos_ / 1'000; }
  constexpr std::int64_t millis() const { return nanos_ / 1'000'000; }
  constexpr std::int64_t seconds() const { return nanos_ / 1'000'000'000; }

  friend constexpr auto operator<=>(const Duration&, const Duration&) = default;
  friend constexpr Duration operator+(Duration a, Duration b) {
    return Duration(a.nanos_ + b.nanos_);
  }
  friend constexpr Duration operator-(Duration a, Duration b) {
    return Duration(a.nanos_ - b.nanos_);
  }
  friend constexpr Duration operator*(Duration a, std::int64_t k) { return Duration(a.nanos_ * k); }
  friend constexpr Duration operator/(Duration a, std::int64_t k) { return Duration(a.nanos_ / k); }

 private:
  constexpr explicit Duration(std::int64_t nanos) : nanos_(nanos) {}
  std::int64_t nanos_ = 0;
};

class Instant {
 public:
  constexpr Instant() = default;

  static constexpr Instant from_nanos(std::int64_t n) { return Instant(n); }
  static constexpr Instant from_millis(std::int64_t n) { return Instant(n * 1'000'000); }
  static constexpr Instant max() { return Instant(INT64_MAX); }

  constexpr std::int64_t nanos() const { return nanos_; }
  constexpr std::int64_t millis() const { return nanos_ / 1'000'000; }

  friend constexpr auto operator<=>(const Instant&, const Instant&) = default;
  friend constexpr Instant operator+(Instant a, Duration d) {
    return Instant(a.nanos_ + d.nanos());
  }
  friend constexpr Instant operator-(Instant a, Duration d) {
    return Instant(a.nanos_ - d.nanos());
  }
  friend constexpr Duration operator-(Instant a, Instant b) {
    return Duration::nanos(a.nanos_ - b.nanos_);
  }

 private:
  constexpr explicit Instant(std::int64_t nanos) : nanos_(nanos) {}
  std::int64_t nanos_ = 0;
};

struct WallTime {
  std::int64_t millis = 0;  // since 1970-01-01 UTC

  friend constexpr auto operator<=>(const WallTime&, const WallTime&) = default;
};

inline std::ostream& operator<<(std::ostream& out, Duration d) { return out << d.nanos() << "ns"; }
inline std::ostream& operator<<(std::ostream& out, Instant t) {
  return out << '@' << t.millis() << "ms";
}
inline std::ostream& operator<<(std::ostream& out, WallTime t) { return out << t.millis << "ms"; }

}  // namespace synod
