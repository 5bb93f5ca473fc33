// A bag of resources and its algebra.
//
// Source      mesos.md 9.3; Mesos' `Resources`.
// Invariants  R1 no resource in the bag is empty; only shared ones have more than one copy.
//             R2 items are in the order of compare_identity, then of value; what may be merged is.
//             R3 subtract never leaves a debt: what is not there is not taken.
// Purity      Same operands, same bag, byte for byte.
// Memory      O(items); adding or taking is linear in the items of the bag.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "resources/quantities.h"
#include "resources/resource.h"

namespace synod::resources {

class Resources {
 public:
  Resources() = default;
  // Merges; does not validate. For input of strangers see resource_error().
  explicit Resources(const std::vector<Resource>& items);

  bool empty() const { return items_.empty(); }
  std::size_t size() const { return items_.size(); }
  const std::vector<Resource>& items() const& { return items_; }
  std::vector<Resource> items() && { return std::move(items_); }  // of a temporary
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }

  void add(const Resource& resource);
  void add(const Resources& other);
  void subtract(const Resource& resource);
  void subtract(const Resources& other);
  bool contains(const Resource& resource) const;
  // True if taking the items of `other` one after the other succeeds each time.
  bool contains(const Resources& other) const;

  // Sums of the scalars by name; a shared resource counts once. All, reserved or not.
  Quantities quantities() const;
  // The scalars of one name, whoever may use them.
  Milli scalar(std::string_view name) const;
  // All the ranges of one name, merged.
  Ranges ranges(std::string_view name) const;

  // What `role` may be offered: unreserved, or reserved to it or to an ancestor.
  Resources allocatable_to(std::string_view role) const;
  Resources unreserved() const;
  Resources reserved() const;
  Resources revocable() const;
  Resources nonrevocable() const;
  // Copies whose every item carries the role ("" takes it off).
  Resources allocated_to(std::string_view role) const;
  Resources unallocated() const { return allocated_to(""); }

  friend bool operator==(const Resources&, const Resources&) = default;

 private:
  std::vector<Resource> items_;
};

Resources operator+(Resources a, const Resources& b);
Resources operator-(Resources a, const Resources& b);
// What both have: per identity the smaller scalar, the common ranges and names.
Resources intersect(const Resources& a, const Resources& b);

// "cpus:2;mem:1024;ports:[31000-32000]", "" if empty.
std::string to_string(const Resources& resources);
std::ostream& operator<<(std::ostream& out, const Resources& resources);
// Hash of the text form: the same bag has the same digest everywhere.
std::uint64_t digest(const Resources& resources);

}  // namespace synod::resources
