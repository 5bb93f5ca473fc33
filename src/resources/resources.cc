#include "resources/resources.h"

#include <algorithm>

#include "base/checksum.h"

namespace synod::resources {
namespace {

// The order of R2.
bool before(const Resource& a, const Resource& b) {
  const auto order = compare_identity(a, b);
  return order != 0 ? order < 0 : a.value < b.value;
}

void add_value(Value& to, const Value& from) {
  if (Milli* amount = std::get_if<Milli>(&to)) {
    *amount += std::get<Milli>(from);
  } else if (Ranges* ranges = std::get_if<Ranges>(&to)) {
    ranges->add(std::get<Ranges>(from));
  } else {
    std::get<NameSet>(to).add(std::get<NameSet>(from));
  }
}

void subtract_value(Value& from, const Value& what) {
  if (Milli* amount = std::get_if<Milli>(&from)) {
    *amount -= std::min(*amount, std::get<Milli>(what));
  } else if (Ranges* ranges = std::get_if<Ranges>(&from)) {
    ranges->subtract(std::get<Ranges>(what));
  } else {
    std::get<NameSet>(from).subtract(std::get<NameSet>(what));
  }
}

bool value_contains(const Value& whole, const Value& part) {
  if (const Milli* amount = std::get_if<Milli>(&whole)) {
    return *amount >= std::get<Milli>(part);
  }
  if (const Ranges* ranges = std::get_if<Ranges>(&whole)) {
    return ranges->contains(std::get<Ranges>(part));
  }
  return std::get<NameSet>(whole).contains(std::get<NameSet>(part));
}

Value common_value(const Value& a, const Value& b) {
  if (const Milli* amount = std::get_if<Milli>(&a)) {
    return std::min(*amount, std::get<Milli>(b));
  }
  if (const Ranges* ranges = std::get_if<Ranges>(&a)) {
    return intersect(*ranges, std::get<Ranges>(b));
  }
  return intersect(std::get<NameSet>(a), std::get<NameSet>(b));
}

// Equal in all but the number of copies: what may be taken of an exclusive resource.
bool same_thing(const Resource& a, const Resource& b) {
  return same_identity(a, b) && a.value == b.value;
}

// True if taking `what` from `item` takes (a part of) the very thing.
bool is_subtractable(const Resource& item, const Resource& what) {
  return same_identity(item, what) && (!item.is_exclusive() || item.value == what.value);
}

}  // namespace

Resources::Resources(const std::vector<Resource>& items) {
  for (const Resource& item : items) {
    add(item);
  }
}

void Resources::add(const Resource& resource) {
  if (is_empty(resource.value)) {
    return;
  }
  if (!resource.shared && !resource.disk) {
    // The usual kind: no more than one item has its identity, and which is found by name.
    for (Resource& item : items_) {
      if (same_identity(item, resource)) {
        add_value(item.value, resource.value);
        return;
      }
    }
  }
  auto it = std::lower_bound(items_.begin(), items_.end(), resource, before);
  // Equal identities stand together: the one to merge with is here or, by a smaller value, before.
  if (it != items_.end() && is_addable(*it, resource)) {
  } else if (it != items_.begin() && is_addable(*std::prev(it), resource)) {
    --it;
  } else {
    items_.insert(it, resource);
    return;
  }
  if (resource.shared) {
    it->copies += resource.copies;
  } else {
    add_value(it->value, resource.value);
  }
}

void Resources::add(const Resources& other) {
  if (items_.empty()) {
    items_ = other.items_;
    return;
  }
  for (const Resource& item : other.items_) {
    add(item);
  }
}

void Resources::subtract(const Resource& resource) {
  if (is_empty(resource.value)) {
    return;
  }
  auto it = std::find_if(items_.begin(), items_.end(),
                         [&](const Resource& item) { return is_subtractable(item, resource); });
  if (it == items_.end()) {
    return;
  }
  if (it->shared) {
    it->copies -= std::min(it->copies, resource.copies);
    if (it->copies == 0) {
      items_.erase(it);
    }
    return;
  }
  if (it->is_exclusive()) {
    items_.erase(it);
    return;
  }
  subtract_value(it->value, resource.value);
  if (is_empty(it->value)) {
    items_.erase(it);
  }
}

void Resources::subtract(const Resources& other) {
  for (const Resource& item : other.items_) {
    subtract(item);
  }
}

bool Resources::contains(const Resource& resource) const {
  if (is_empty(resource.value)) {
    return true;
  }
  return std::any_of(items_.begin(), items_.end(), [&](const Resource& item) {
    return is_subtractable(item, resource) && value_contains(item.value, resource.value) &&
           item.copies >= resource.copies;
  });
}

bool Resources::contains(const Resources& other) const {
  // Identities within a bag differ, save exclusive things that are wholly equal: only those can
  // make two items of `other` compete for one of ours.
  for (std::size_t i = 0; i < other.items_.size(); ++i) {
    const Resource& item = other.items_[i];
    if (!contains(item)) {
      return false;
    }
    if (i > 0 && same_thing(other.items_[i - 1], item)) {
      Resources left = *this;
      for (const Resource& taken : other.items_) {
        if (!left.contains(taken)) {
          return false;
        }
        left.subtract(taken);
      }
      return true;
    }
  }
  return true;
}

Quantities Resources::quantities() const {
  Quantities sums;
  for (const Resource& item : items_) {
    sums.add(item.name, item.scalar());
  }
  return sums;
}

Milli Resources::scalar(std::string_view name) const {
  Milli sum = 0;
  for (const Resource& item : items_) {
    sum += item.name == name ? item.scalar() : 0;
  }
  return sum;
}

Ranges Resources::ranges(std::string_view name) const {
  Ranges all;
  for (const Resource& item : items_) {
    if (const Ranges* ranges = std::get_if<Ranges>(&item.value);
        ranges != nullptr && item.name == name) {
      all.add(*ranges);
    }
  }
  return all;
}

namespace {

template <typename Predicate>
Resources filter(const Resources& all, Predicate keep) {
  Resources kept;
  for (const Resource& item : all) {
    if (keep(item)) {
      kept.add(item);
    }
  }
  return kept;
}

}  // namespace

Resources Resources::allocatable_to(std::string_view role) const {
  return filter(*this, [&](const Resource& r) { return is_allocatable_to(r, role); });
}

Resources Resources::unreserved() const {
  return filter(*this, [](const Resource& r) { return !r.is_reserved(); });
}

Resources Resources::reserved() const {
  return filter(*this, [](const Resource& r) { return r.is_reserved(); });
}

Resources Resources::revocable() const {
  return filter(*this, [](const Resource& r) { return r.revocable; });
}

Resources Resources::nonrevocable() const {
  return filter(*this, [](const Resource& r) { return !r.revocable; });
}

Resources Resources::allocated_to(std::string_view role) const {
  Resources copy;
  for (Resource item : items_) {
    item.allocation_role = role;
    copy.add(item);
  }
  return copy;
}

Resources operator+(Resources a, const Resources& b) {
  a.add(b);
  return a;
}

Resources operator-(Resources a, const Resources& b) {
  a.subtract(b);
  return a;
}

Resources intersect(const Resources& a, const Resources& b) {
  Resources common;
  Resources rest = b;
  for (const Resource& item : a) {
    for (const Resource& other : rest) {
      if (!is_subtractable(other, item)) {
        continue;
      }
      Resource both = item;
      both.value = common_value(item.value, other.value);
      both.copies = std::min(item.copies, other.copies);
      common.add(both);
      rest.subtract(both);
      break;
    }
  }
  return common;
}

std::string to_string(const Resources& resources) {
  std::string text;
  for (const Resource& item : resources) {
    text += (text.empty() ? "" : ";") + to_string(item);
  }
  return text;
}

std::ostream& operator<<(std::ostream& out, const Resources& resources) {
  return out << to_string(resources);
}

std::uint64_t digest(const Resources& resources) { return hash64(to_string(resources)); }

}  // namespace synod::resources
