#include "resources/quantities.h"

#include <algorithm>

#include "resources/text.h"

namespace synod::resources {
namespace {

bool name_before(const Quantity& q, std::string_view name) { return q.name < name; }

}  // namespace

Quantities::Quantities(std::initializer_list<Quantity> items) {
  for (const Quantity& item : items) {
    add(item.name, item.amount);
  }
}

Milli Quantities::of(std::string_view name) const {
  auto it = std::lower_bound(items_.begin(), items_.end(), name, name_before);
  return it != items_.end() && it->name == name ? it->amount : 0;
}

void Quantities::add(std::string_view name, Milli amount) {
  if (amount <= 0) {
    return;
  }
  auto it = std::lower_bound(items_.begin(), items_.end(), name, name_before);
  if (it == items_.end() || it->name != name) {
    it = items_.insert(it, Quantity{std::string(name), 0});
  }
  it->amount += amount;
}

void Quantities::add(const Quantities& other) {
  for (const Quantity& item : other.items_) {
    add(item.name, item.amount);
  }
}

void Quantities::subtract(std::string_view name, Milli amount) {
  auto it = std::lower_bound(items_.begin(), items_.end(), name, name_before);
  if (it == items_.end() || it->name != name) {
    return;
  }
  it->amount -= amount;
  if (it->amount <= 0) {
    items_.erase(it);
  }
}

void Quantities::subtract(const Quantities& other) {
  for (const Quantity& item : other.items_) {
    subtract(item.name, item.amount);
  }
}

bool Quantities::contains(const Quantities& other) const {
  return std::all_of(other.items_.begin(), other.items_.end(),
                     [this](const Quantity& q) { return of(q.name) >= q.amount; });
}

std::string to_string(const Quantities& quantities) {
  std::string text;
  for (const Quantity& item : quantities.items()) {
    text += (text.empty() ? "" : ";") + item.name + ":" + milli_to_string(item.amount);
  }
  return text;
}

std::ostream& operator<<(std::ostream& out, const Quantities& quantities) {
  return out << to_string(quantities);
}

Result<Quantities> parse_quantities(std::string_view text) {
  SYNOD_TRY_ASSIGN(const Resources parsed, parse_resources(text));
  for (const Resource& item : parsed) {
    if (!item.is_scalar() || item.is_reserved()) {
      return Error{ErrorCode::invalid_argument,
                   "'" + to_string(item) + "' is not a plain amount such as cpus:2"};
    }
  }
  return parsed.quantities();
}

}  // namespace synod::resources
