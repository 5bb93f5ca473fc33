#include "resources/text.h"

#include <algorithm>

#include "base/limits.h"

namespace synod::resources {
namespace {

constexpr std::string_view blanks = " \t\n\r";

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

Error bad(std::string_view part, std::string_view why) {
  return Error{ErrorCode::invalid_argument,
               "'" + std::string(part.substr(0, 80)) + "' " + std::string(why)};
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(trim(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return parts;
}

Result<std::uint64_t> parse_u64(std::string_view text) {
  if (text.empty()) {
    return bad(text, "is not a number");
  }
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') {
      return bad(text, "is not a whole number");
    }
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (UINT64_MAX - digit) / 10) {
      return bad(text, "is too large");
    }
    value = value * 10 + digit;
  }
  return value;
}

// The inside of open...close.
Result<std::string_view> unwrap(std::string_view text, char open, char close) {
  if (text.size() < 2 || text.front() != open || text.back() != close) {
    return bad(text, std::string("is not closed by '") + close + "'");
  }
  return trim(text.substr(1, text.size() - 2));
}

Result<Value> parse_value(std::string_view text) {
  if (text.starts_with('[')) {
    SYNOD_TRY_ASSIGN(Ranges ranges, parse_ranges(text));
    return Value(std::move(ranges));
  }
  if (text.starts_with('{')) {
    SYNOD_TRY_ASSIGN(NameSet set, parse_name_set(text));
    return Value(std::move(set));
  }
  SYNOD_TRY_ASSIGN(const Milli amount, parse_milli(text));
  return Value(amount);
}

struct Entry {
  std::string name;
  std::string role;  // "" if the text names none
  Value value;
};

// "cpus(role):2". The value may hold colons only inside of braces, so the first colon separates.
Result<Entry> parse_entry(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    return bad(text, "has no ':' between name and amount");
  }
  Entry entry;
  std::string_view name = trim(text.substr(0, colon));
  const std::size_t open = name.find('(');
  if (open != std::string_view::npos) {
    SYNOD_TRY_ASSIGN(const std::string_view role, unwrap(name.substr(open), '(', ')'));
    if (auto error = role_error(role)) {
      return Error{ErrorCode::invalid_argument, *error};
    }
    entry.role = role;
    name = trim(name.substr(0, open));
  }
  if (name.empty() || name.find_first_of("()[]{};,") != std::string_view::npos) {
    return bad(text, "has no proper name");
  }
  entry.name = name;
  SYNOD_TRY_ASSIGN(entry.value, parse_value(trim(text.substr(colon + 1))));
  return entry;
}

Result<std::vector<Entry>> parse_entries(std::string_view text) {
  std::vector<Entry> entries;
  for (const std::string_view part : split(text, ';')) {
    if (part.empty()) {
      continue;
    }
    SYNOD_TRY_ASSIGN(Entry entry, parse_entry(part));
    for (const Entry& earlier : entries) {
      if (earlier.name == entry.name && earlier.value.index() != entry.value.index()) {
        return bad(part, "has another type than an earlier '" + entry.name + "'");
      }
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace

Result<Milli> parse_milli(std::string_view text) {
  const std::size_t dot = std::min(text.find('.'), text.size());
  const std::string_view whole = text.substr(0, dot);
  const std::string_view decimals = dot < text.size() ? text.substr(dot + 1) : std::string_view();
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if ((whole.empty() && decimals.empty()) || !std::all_of(whole.begin(), whole.end(), is_digit) ||
      !std::all_of(decimals.begin(), decimals.end(), is_digit)) {
    return bad(text, "is not an amount such as 2 or 0.5");
  }
  Milli amount = 0;
  for (const char c : whole) {
    amount = amount * 10 + (c - '0');
    if (amount > milli_max / 1000) {
      return bad(text, "is larger than " + milli_to_string(milli_max));
    }
  }
  for (std::size_t i = 0; i < 3; ++i) {
    amount = amount * 10 + (i < decimals.size() ? decimals[i] - '0' : 0);
  }
  if (decimals.size() > 3 && decimals[3] >= '5') {
    ++amount;
  }
  if (amount > milli_max) {
    return bad(text, "is larger than " + milli_to_string(milli_max));
  }
  return amount;
}

Result<Ranges> parse_ranges(std::string_view text) {
  SYNOD_TRY_ASSIGN(const std::string_view inside, unwrap(trim(text), '[', ']'));
  std::vector<Range> ranges;
  if (inside.empty()) {
    return Ranges();
  }
  for (const std::string_view part : split(inside, ',')) {
    const std::size_t dash = part.find('-');
    if (dash == std::string_view::npos) {
      return bad(part, "is not a range such as 31000-32000");
    }
    SYNOD_TRY_ASSIGN(const std::uint64_t begin, parse_u64(trim(part.substr(0, dash))));
    SYNOD_TRY_ASSIGN(const std::uint64_t end, parse_u64(trim(part.substr(dash + 1))));
    if (end < begin) {
      return bad(part, "ends before it begins");
    }
    if (ranges.size() == limits::ranges_per_resource_max) {
      return bad(text, "has too many ranges");
    }
    ranges.push_back({begin, end});
  }
  return Ranges(std::move(ranges));
}

Result<NameSet> parse_name_set(std::string_view text) {
  SYNOD_TRY_ASSIGN(const std::string_view inside, unwrap(trim(text), '{', '}'));
  std::vector<std::string> items;
  if (inside.empty()) {
    return NameSet();
  }
  for (const std::string_view part : split(inside, ',')) {
    if (part.empty() || part.find_first_of("[]{}();:") != std::string_view::npos) {
      return bad(part, "is not a name in a set");
    }
    items.emplace_back(part);
  }
  const std::size_t count = items.size();
  NameSet set(std::move(items));
  if (set.items().size() != count) {
    return bad(text, "names something twice");
  }
  return set;
}

Result<Resources> parse_resources(std::string_view text, std::string_view role_otherwise) {
  SYNOD_TRY_ASSIGN(std::vector<Entry> entries, parse_entries(text));
  Resources resources;
  for (Entry& entry : entries) {
    Resource resource;
    resource.name = std::move(entry.name);
    resource.value = std::move(entry.value);
    const std::string role = entry.role.empty() ? std::string(role_otherwise) : entry.role;
    if (role != default_role) {
      resource.reservations.push_back({Reservation::Type::fixed, role, "", {}});
    }
    if (auto error = resource_error(resource)) {
      return Error{ErrorCode::invalid_argument, *error};
    }
    resources.add(resource);
  }
  for (const Resource& resource : resources) {
    if (auto error = resource_error(resource)) {
      return Error{ErrorCode::invalid_argument, *error};
    }
  }
  return resources;
}

Result<std::vector<std::string>> named_resources(std::string_view text) {
  SYNOD_TRY_ASSIGN(const std::vector<Entry> entries, parse_entries(text));
  std::vector<std::string> names;
  for (const Entry& entry : entries) {
    if (std::find(names.begin(), names.end(), entry.name) == names.end()) {
      names.push_back(entry.name);
    }
  }
  return names;
}

Result<Attributes> parse_attributes(std::string_view text) {
  Attributes attributes;
  for (const std::string_view part : split(text, ';')) {
    if (part.empty()) {
      continue;
    }
    const std::size_t colon = part.find(':');
    if (colon == std::string_view::npos) {
      return bad(part, "has no ':' between name and value");
    }
    const std::string_view name = trim(part.substr(0, colon));
    const std::string_view value = trim(part.substr(colon + 1));
    if (name.empty() || value.empty()) {
      return bad(part, "lacks a name or a value");
    }
    Attribute attribute;
    attribute.name = name;
    if (value.starts_with('[')) {
      SYNOD_TRY_ASSIGN(attribute.value, parse_ranges(value));
    } else if (value.starts_with('{')) {
      SYNOD_TRY_ASSIGN(attribute.value, parse_name_set(value));
    } else if (const Result<Milli> amount = parse_milli(value)) {
      attribute.value = amount.value();
    } else {
      attribute.value = std::string(value);
    }
    attributes.push_back(std::move(attribute));
  }
  return attributes;
}

std::string to_string(const Attribute& attribute) {
  const std::string name = attribute.name + ":";
  if (const std::string* text = std::get_if<std::string>(&attribute.value)) {
    return name + *text;
  }
  if (const Milli* amount = std::get_if<Milli>(&attribute.value)) {
    return name + milli_to_string(*amount);
  }
  if (const Ranges* ranges = std::get_if<Ranges>(&attribute.value)) {
    return name + to_string(*ranges);
  }
  return name + to_string(std::get<NameSet>(attribute.value));
}

std::string to_string(const Attributes& attributes) {
  std::string text;
  for (const Attribute& attribute : attributes) {
    text += (text.empty() ? "" : ";") + to_string(attribute);
  }
  return text;
}

}  // namespace synod::resources
