#include "resources/value.h"

#include <algorithm>

namespace synod::resources {
namespace {

// True if b begins inside a or right behind it. Precondition: a.begin <= b.begin.
bool touches(const Range& a, const Range& b) { return b.begin <= a.end || b.begin - a.end == 1; }

}  // namespace

Ranges::Ranges(std::vector<Range> ranges) : ranges_(std::move(ranges)) {
  std::erase_if(ranges_, [](const Range& r) { return r.end < r.begin; });
  if (!std::is_sorted(ranges_.begin(), ranges_.end())) {
    std::sort(ranges_.begin(), ranges_.end());
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    if (kept > 0 && touches(ranges_[kept - 1], ranges_[i])) {
      ranges_[kept - 1].end = std::max(ranges_[kept - 1].end, ranges_[i].end);
    } else {
      ranges_[kept++] = ranges_[i];
    }
  }
  ranges_.resize(kept);
}

std::uint64_t Ranges::count() const {
  std::uint64_t sum = 0;
  for (const Range& r : ranges_) {
    const std::uint64_t less_one = r.end - r.begin;
    if (less_one >= UINT64_MAX - sum) {
      return UINT64_MAX;
    }
    sum += less_one + 1;
  }
  return sum;
}

bool Ranges::contains(std::uint64_t point) const { return contains(Ranges{Range{point, point}}); }

bool Ranges::contains(const Ranges& other) const {
  auto mine = ranges_.begin();
  for (const Range& r : other.ranges_) {
    while (mine != ranges_.end() && mine->end < r.begin) {
      ++mine;
    }
    if (mine == ranges_.end() || mine->begin > r.begin || mine->end < r.end) {
      return false;
    }
  }
  return true;
}

void Ranges::add(const Ranges& other) {
  std::vector<Range> all(ranges_.size() + other.ranges_.size());
  std::merge(ranges_.begin(), ranges_.end(), other.ranges_.begin(), other.ranges_.end(),
             all.begin());
  *this = Ranges(std::move(all));
}

void Ranges::subtract(const Ranges& other) {
  std::vector<Range> left;
  left.reserve(ranges_.size() + other.ranges_.size());
  auto cut = other.ranges_.begin();
  for (Range r : ranges_) {
    while (cut != other.ranges_.end() && cut->end < r.begin) {
      ++cut;
    }
    bool gone = false;
    for (auto c = cut; c != other.ranges_.end() && c->begin <= r.end; ++c) {
      if (c->begin > r.begin) {
        left.push_back({r.begin, c->begin - 1});
      }
      if (c->end >= r.end) {
        gone = true;
        break;
      }
      r.begin = c->end + 1;
    }
    if (!gone) {
      left.push_back(r);
    }
  }
  ranges_ = std::move(left);
}

Ranges intersect(const Ranges& a, const Ranges& b) {
  std::vector<Range> common;
  auto x = a.intervals().begin();
  auto y = b.intervals().begin();
  while (x != a.intervals().end() && y != b.intervals().end()) {
    const Range both{std::max(x->begin, y->begin), std::min(x->end, y->end)};
    if (both.begin <= both.end) {
      common.push_back(both);
    }
    if (x->end < y->end) {
      ++x;
    } else {
      ++y;
    }
  }
  return Ranges(std::move(common));
}

std::string to_string(const Ranges& ranges) {
  std::string text = "[";
  for (const Range& r : ranges.intervals()) {
    text += (text.size() > 1 ? "," : "") + std::to_string(r.begin) + "-" + std::to_string(r.end);
  }
  return text + "]";
}

NameSet::NameSet(std::vector<std::string> items) : items_(std::move(items)) {
  std::sort(items_.begin(), items_.end());
  items_.erase(std::unique(items_.begin(), items_.end()), items_.end());
}

bool NameSet::contains(const NameSet& other) const {
  return std::includes(items_.begin(), items_.end(), other.items_.begin(), other.items_.end());
}

void NameSet::add(const NameSet& other) {
  std::vector<std::string> all = items_;
  all.insert(all.end(), other.items_.begin(), other.items_.end());
  *this = NameSet(std::move(all));
}

void NameSet::subtract(const NameSet& other) {
  std::vector<std::string> left;
  std::set_difference(items_.begin(), items_.end(), other.items_.begin(), other.items_.end(),
                      std::back_inserter(left));
  items_ = std::move(left);
}

NameSet intersect(const NameSet& a, const NameSet& b) {
  std::vector<std::string> both;
  std::set_intersection(a.items().begin(), a.items().end(), b.items().begin(), b.items().end(),
                        std::back_inserter(both));
  return NameSet(std::move(both));
}

std::string to_string(const NameSet& set) {
  std::string text = "{";
  for (const std::string& item : set.items()) {
    text += (text.size() > 1 ? "," : "") + item;
  }
  return text + "}";
}

std::string milli_to_string(Milli amount) {
  // Negated as unsigned, so that the smallest value has a text too.
  const bool negative = amount < 0;
  const std::uint64_t size =
      negative ? 0 - static_cast<std::uint64_t>(amount) : static_cast<std::uint64_t>(amount);
  std::string text = (negative ? "-" : "") + std::to_string(size / 1000);
  if (size % 1000 != 0) {
    std::string decimals = std::to_string(1000 + size % 1000).substr(1);
    while (decimals.back() == '0') {
      decimals.pop_back();
    }
    text += "." + decimals;
  }
  return text;
}

bool is_empty(const Value& value) {
  if (const Milli* amount = std::get_if<Milli>(&value)) {
    return *amount <= 0;
  }
  if (const Ranges* ranges = std::get_if<Ranges>(&value)) {
    return ranges->empty();
  }
  return std::get<NameSet>(value).empty();
}

std::string to_string(const Value& value) {
  if (const Milli* amount = std::get_if<Milli>(&value)) {
    return milli_to_string(*amount);
  }
  if (const Ranges* ranges = std::get_if<Ranges>(&value)) {
    return to_string(*ranges);
  }
  return to_string(std::get<NameSet>(value));
}

}  // namespace synod::resources
