// Quantities whose names are interned: what shares are computed from, without string work.
//
// Invariants  sorted by kind, each kind once, no zero; amounts may not become negative.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "resources/names.h"
#include "resources/value.h"

namespace synod::allocator {

using resources::Milli;
using Kind = resources::NameId;

class Amounts {
 public:
  struct Item {
    Kind kind;
    Milli amount = 0;

    friend bool operator==(const Item&, const Item&) = default;
  };

  bool empty() const { return items_.empty(); }
  const std::vector<Item>& items() const { return items_; }

  Milli of(Kind kind) const {
    const auto it = place(kind);
    return it != items_.end() && it->kind == kind ? it->amount : 0;
  }

  void add(Kind kind, Milli amount) {
    if (amount == 0) {
      return;
    }
    if (items_.capacity() == 0) {
      items_.reserve(4);  // cpus, mem, disk, gpus: one allocation
    }
    auto it = items_.begin() + (place(kind) - items_.begin());
    if (it == items_.end() || it->kind != kind) {
      it = items_.insert(it, Item{kind, 0});
    }
    it->amount += amount;
    SYNOD_CHECK(it->amount >= 0);
    if (it->amount == 0) {
      items_.erase(it);
    }
  }

  void add(const Amounts& other) {
    for (const Item& item : other.items_) {
      add(item.kind, item.amount);
    }
  }
  // Precondition: contains(other).
  void subtract(const Amounts& other) {
    for (const Item& item : other.items_) {
      add(item.kind, -item.amount);
    }
  }

  bool contains(const Amounts& other) const {
    return std::all_of(other.items_.begin(), other.items_.end(),
                       [this](const Item& item) { return of(item.kind) >= item.amount; });
  }

  friend bool operator==(const Amounts&, const Amounts&) = default;

 private:
  std::vector<Item>::const_iterator place(Kind kind) const {
    return std::lower_bound(items_.begin(), items_.end(), kind,
                            [](const Item& item, Kind k) { return item.kind < k; });
  }

  std::vector<Item> items_;
};

}  // namespace synod::allocator
