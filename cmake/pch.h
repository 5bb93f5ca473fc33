// Standard headers that most translation units include anyway; compiled once. Files still include
// what they use: `./dev lint --headers` compiles every header alone, without this one.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>
