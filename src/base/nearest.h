// The word a user probably meant.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace synod {

// The candidate at the smallest edit distance (Damerau-Levenshtein, restricted), if that distance
// is at most a third of the longer word (and at least 1); the first of equals.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace synod
