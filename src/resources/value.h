// The three kinds of amount: a scalar in thousandths, ranges as intervals, a set of names.
//
// Source      mesos.md 9.1 to 9.3 in the project's reference; Mesos' `Value`.
// Invariants  V1 Ranges are sorted, disjoint and not adjacent; an interval is closed on both sides.
//             V2 Items of a NameSet are sorted and unique.
// Purity      No floating point: doubles become thousandths at the door (translate).
// Memory      Ranges are never expanded: [1-18446744073709551615] is one interval.
#pragma once

#include <compare>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <string>
#include <variant>
#include <vector>

namespace synod::resources {

// A scalar amount in thousandths of its unit: 1.5 cpus is 1500, 1 MB is 1000.
using Milli = std::int64_t;

// The largest scalar one resource may have: the sums over 100,000 agents stay below 2^63.
inline constexpr Milli milli_max = 10'000'000'000'000;

struct Range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;  // inclusive

  friend auto operator<=>(const Range&, const Range&) = default;
};

class Ranges {
 public:
  Ranges() = default;
  // Sorts, merges what overlaps or touches, drops intervals whose end is before their begin.
  explicit Ranges(std::vector<Range> ranges);
  Ranges(std::initializer_list<Range> ranges) : Ranges(std::vector<Range>(ranges)) {}

  bool empty() const { return ranges_.empty(); }
  const std::vector<Range>& intervals() const { return ranges_; }
  // How many integers they cover; saturates at 2^64 - 1.
  std::uint64_t count() const;

  bool contains(std::uint64_t point) const;
  bool contains(const Ranges& other) const;
  void add(const Ranges& other);
  void subtract(const Ranges& other);

  friend auto operator<=>(const Ranges&, const Ranges&) = default;

 private:
  std::vector<Range> ranges_;
};

Ranges intersect(const Ranges& a, const Ranges& b);
// "[31000-32000,33000-33000]"
std::string to_string(const Ranges& ranges);

class NameSet {
 public:
  NameSet() = default;
  // Sorts and drops duplicates.
  explicit NameSet(std::vector<std::string> items);

  bool empty() const { return items_.empty(); }
  const std::vector<std::string>& items() const { return items_; }
  bool contains(const NameSet& other) const;
  void add(const NameSet& other);
  void subtract(const NameSet& other);

  friend auto operator<=>(const NameSet&, const NameSet&) = default;

 private:
  std::vector<std::string> items_;
};

NameSet intersect(const NameSet& a, const NameSet& b);
// "{a,b}"
std::string to_string(const NameSet& set);

// "1.5", "2", "0.001", "-0.5": the shortest form.
std::string milli_to_string(Milli amount);

// The amount of one resource. Which alternative it is never changes.
using Value = std::variant<Milli, Ranges, NameSet>;

bool is_empty(const Value& value);
std::string to_string(const Value& value);

}  // namespace synod::resources
