// Integers that cannot be mistaken for one another.
//
// StrongId<Tag, Rep> is a value with an order and nothing else: no arithmetic but next(), no
// implicit conversion. The tag type is never defined.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <ostream>

namespace synod {

template <typename Tag, typename Rep = std::uint64_t>
class StrongId {
 public:
  using rep = Rep;

  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep value) : value_(value) {}

  constexpr Rep value() const { return value_; }
  constexpr StrongId next() const { return StrongId(static_cast<Rep>(value_ + 1)); }

  friend constexpr auto operator<=>(const StrongId&, const StrongId&) = default;
  friend std::ostream& operator<<(std::ostream& out, const StrongId& id) {
    return out << +id.value_;
  }

 private:
  Rep value_{};
};

}  // namespace synod

template <typename Tag, typename Rep>
struct std::hash<synod::StrongId<Tag, Rep>> {
  std::size_t operator()(const synod::StrongId<Tag, Rep>& id) const noexcept {
    return std::hash<Rep>{}(id.value());
  }
};
