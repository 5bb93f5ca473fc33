// Amounts at the door: doubles of the protocol to thousandths and back.
//
// Source   mesos.md 9.2: value -> llround(value * 1000); back by quotient plus remainder / 1000.
#pragma once

#include <cstdint>

#include "base/instant.h"
#include "base/result.h"
#include "resources/value.h"

namespace synod::translate {

// Error: invalid_argument if the value is no number, negative, or above resources::milli_max.
Result<resources::Milli> milli_from_double(double value);
double milli_to_double(resources::Milli amount);

// Seconds as a non-negative Duration. Error: invalid_argument if negative, no number, or beyond
// what a Duration holds.
Result<Duration> duration_from_seconds(double seconds);

// What a framework's Filters.refuse_seconds mean: 5 s if negative or no number, 365 days at most.
Duration refusal_from_seconds(double seconds);

}  // namespace synod::translate
