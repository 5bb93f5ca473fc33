// How much of each scalar name, without role, reservation or place: what shares, quotas and
// minimum offers are counted in.
//
// Invariants  Q1 names are sorted and unique; amounts are positive.
#pragma once

#include <compare>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "resources/value.h"

namespace synod::resources {

struct Quantity {
  std::string name;
  Milli amount = 0;

  friend auto operator<=>(const Quantity&, const Quantity&) = default;
};

class Quantities {
 public:
  Quantities() = default;
  Quantities(std::initializer_list<Quantity> items);

  bool empty() const { return items_.empty(); }
  const std::vector<Quantity>& items() const& { return items_; }
  // Of a temporary: a range-for over a reference into it would read what is gone.
  std::vector<Quantity> items() && { return std::move(items_); }
  Milli of(std::string_view name) const;  // 0 if absent

  void add(std::string_view name, Milli amount);
  void add(const Quantities& other);
  // What is missing leaves zero, never a debt.
  void subtract(std::string_view name, Milli amount);
  void subtract(const Quantities& other);
  bool contains(const Quantities& other) const;

  friend auto operator<=>(const Quantities&, const Quantities&) = default;

 private:
  std::vector<Quantity> items_;
};

// "cpus:2;mem:1024", "" if empty.
std::string to_string(const Quantities& quantities);
std::ostream& operator<<(std::ostream& out, const Quantities& quantities);
// Reads the text form of to_string.
Result<Quantities> parse_quantities(std::string_view text);

}  // namespace synod::resources
