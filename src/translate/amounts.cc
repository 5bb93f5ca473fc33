#include "translate/amounts.h"

#include <cmath>
#include <string>

namespace synod::translate {

namespace {
constexpr double thousandths = 1000.0;
constexpr double nanoseconds = 1e9;
// Above 292 years an Instant plus a Duration would leave the range; a tenth of it is plenty.
constexpr double seconds_max = 9.0e8;
constexpr Duration refusal_default = Duration::seconds(5);
constexpr Duration refusal_max = Duration::seconds(365L * 24 * 3600);
}  // namespace

Result<resources::Milli> milli_from_double(double value) {
  if (!std::isfinite(value)) {
    return Error{ErrorCode::invalid_argument, "an amount that is no number"};
  }
  if (value < 0) {
    return Error{ErrorCode::invalid_argument, "a negative amount"};
  }
  if (value > static_cast<double>(resources::milli_max) / thousandths) {
    return Error{ErrorCode::invalid_argument, "an amount beyond the limit"};
  }
  return static_cast<resources::Milli>(std::llround(value * thousandths));
}

double milli_to_double(resources::Milli amount) {
  return static_cast<double>(amount / 1000) + static_cast<double>(amount % 1000) / thousandths;
}

Result<Duration> duration_from_seconds(double seconds) {
  if (!(seconds >= 0) || seconds > seconds_max) {
    return Error{ErrorCode::invalid_argument,
                 std::to_string(seconds) + " seconds are no duration that can be kept"};
  }
  return Duration::nanos(static_cast<std::int64_t>(seconds * nanoseconds));
}

Duration refusal_from_seconds(double seconds) {
  if (!(seconds >= 0)) {
    return refusal_default;
  }
  if (seconds >= static_cast<double>(refusal_max.seconds())) {
    return refusal_max;
  }
  return Duration::nanos(static_cast<std::int64_t>(seconds * nanoseconds));
}

}  // namespace synod::translate
