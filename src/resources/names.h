// Interned names: small integers for strings, counted and freed.
//
// What the allocator compares in its inner loops are NameIds; a name that nobody holds any more
// gives its place back, so that a stream of ever new names costs nothing that stays.
//
// Purity   Ids depend on the order of acquire and release only. They are never stored or sent, and
//          nothing is decided by their order.
// Memory   O(names held).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/lookup.h"
#include "base/strong_id.h"

namespace synod::resources {

using NameId = StrongId<struct NameIdTag, std::uint32_t>;

class NameTable {
 public:
  // The id of the name, now held once more.
  NameId acquire(std::string_view name) {
    const std::string text(name);
    if (const NameId* known = ids_.find(text)) {
      ++entries_[known->value()].held;
      return *known;
    }
    NameId id;
    if (free_.empty()) {
      id = NameId(static_cast<std::uint32_t>(entries_.size()));
      entries_.push_back({});
    } else {
      id = free_.back();
      free_.pop_back();
    }
    entries_[id.value()] = {text, 1};
    ids_[text] = id;
    return id;
  }

  // Held once more. Precondition: somebody holds it.
  void acquire(NameId id) {
    SYNOD_CHECK(entries_.at(id.value()).held > 0);
    ++entries_[id.value()].held;
  }

  // Gives one hold back; the last one frees the name.
  void release(NameId id) {
    Entry& entry = entries_.at(id.value());
    SYNOD_CHECK(entry.held > 0);
    if (--entry.held == 0) {
      ids_.erase(entry.text);
      entry.text.clear();
      entry.text.shrink_to_fit();
      free_.push_back(id);
    }
  }

  // nullptr if nobody holds the name. Does not hold it.
  const NameId* find(std::string_view name) const { return ids_.find(std::string(name)); }
  // Precondition: somebody holds it.
  const std::string& text(NameId id) const {
    SYNOD_CHECK(entries_.at(id.value()).held > 0);
    return entries_[id.value()].text;
  }
  std::size_t size() const { return ids_.size(); }

 private:
  struct Entry {
    std::string text;
    std::uint64_t held = 0;
  };

  std::vector<Entry> entries_;
  std::vector<NameId> free_;
  Lookup<std::string, NameId> ids_;
};

}  // namespace synod::resources
