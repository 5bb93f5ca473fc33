#include "znode/acl.h"

#include <algorithm>
#include <set>

namespace synod::znode {
namespace {

using Address = std::vector<std::uint8_t>;  // 4 or 16 bytes

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t max) {
  if (text.empty() || text.size() > 3) {
    return std::nullopt;
  }
  std::uint32_t v = 0;
  for (char c : text) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    v = v * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return v <= max ? std::optional<std::uint32_t>(v) : std::nullopt;
}

std::optional<Address> parse_v4(std::string_view text) {
  Address bytes;
  while (bytes.size() < 4) {
    const std::size_t dot = text.find('.');
    const bool last = bytes.size() == 3;
    if (last != (dot == std::string_view::npos)) {
      return std::nullopt;
    }
    const auto byte = parse_number(text.substr(0, dot), 255);
    if (!byte.has_value()) {
      return std::nullopt;
    }
    bytes.push_back(static_cast<std::uint8_t>(*byte));
    text.remove_prefix(last ? text.size() : dot + 1);
  }
  return bytes;
}

// Groups of up to four hexadecimal digits between colons; false if one is not.
bool parse_groups(std::string_view text, Address& bytes) {
  if (text.empty()) {
    return true;
  }
  for (;;) {
    const std::size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    if (group.empty() || group.size() > 4) {
      return false;
    }
    std::uint32_t v = 0;
    for (char c : group) {
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) {
        return false;
      }
      v = v * 16 + static_cast<std::uint32_t>(digit);
    }
    bytes.push_back(static_cast<std::uint8_t>(v >> 8));
    bytes.push_back(static_cast<std::uint8_t>(v & 0xff));
    if (colon == std::string_view::npos) {
      return true;
    }
    text.remove_prefix(colon + 1);
  }
}

std::optional<Address> parse_v6(std::string_view text) {
  constexpr std::size_t size = 16;
  Address head;
  const std::size_t gap = text.find("::");
  if (gap == std::string_view::npos) {
    if (!parse_groups(text, head) || head.size() != size) {
      return std::nullopt;
    }
    return head;
  }
  Address tail;
  if (!parse_groups(text.substr(0, gap), head) || !parse_groups(text.substr(gap + 2), tail) ||
      head.size() + tail.size() >= size) {
    return std::nullopt;
  }
  head.resize(size - tail.size());
  head.insert(head.end(), tail.begin(), tail.end());
  return head;
}

std::optional<Address> parse_address(std::string_view text) {
  return text.find(':') == std::string_view::npos ? parse_v4(text) : parse_v6(text);
}

struct Range {
  Address address;
  std::uint32_t bits = 0;
};

std::optional<Range> parse_range(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::optional<Address> address = parse_address(text.substr(0, slash));
  if (!address.has_value()) {
    return std::nullopt;
  }
  const auto width = static_cast<std::uint32_t>(address->size() * 8);
  if (slash == std::string_view::npos) {
    return Range{*address, width};
  }
  const auto bits = parse_number(text.substr(slash + 1), width);
  return bits.has_value() ? std::optional<Range>(Range{*address, *bits}) : std::nullopt;
}

// The scheme stands for somebody who proved who he is.
bool is_authenticated(const std::string& scheme, const Switches& switches) {
  return (scheme == "digest" && switches.scheme_digest) ||
         (scheme == "sasl" && switches.scheme_sasl) || (scheme == "x509" && switches.scheme_x509);
}

// Exactly two parts around ':', empty ones at the end not counted.
bool digest_id_valid(std::string_view id) {
  while (!id.empty() && id.back() == ':') {
    id.remove_suffix(1);
  }
  return std::count(id.begin(), id.end(), ':') == 1;
}

bool id_valid(const zkwire::Id& id, const Switches& switches) {
  if (id.scheme == "digest") {
    return switches.scheme_digest && digest_id_valid(id.id);
  }
  if (id.scheme == "ip") {
    return switches.scheme_ip && ip_range_valid(id.id);
  }
  return (id.scheme == "sasl" && switches.scheme_sasl && !id.id.empty()) ||
         (id.scheme == "x509" && switches.scheme_x509 && !id.id.empty());
}

bool entry_matches(const zkwire::Id& entry, const Identities& identities,
                   const Switches& switches) {
  if (entry.scheme == "world") {
    return entry.id == "anyone";
  }
  const bool by_range = entry.scheme == "ip" && switches.scheme_ip;
  if (!by_range && !is_authenticated(entry.scheme, switches)) {
    return false;
  }
  return std::any_of(identities.begin(), identities.end(), [&](const zkwire::Id& caller) {
    return caller.scheme == entry.scheme &&
           (by_range ? ip_matches(caller.id, entry.id) : caller.id == entry.id);
  });
}

}  // namespace

bool ip_matches(std::string_view address, std::string_view range_text) {
  const std::optional<Address> bytes = parse_address(address);
  const std::optional<Range> range = parse_range(range_text);
  if (!bytes.has_value() || !range.has_value() || bytes->size() != range->address.size()) {
    return false;
  }
  std::uint32_t bits = range->bits;
  for (std::size_t i = 0; i < bytes->size() && bits > 0; ++i) {
    const std::uint32_t width = bits < 8 ? bits : 8;
    const std::uint32_t mask = (0xff00U >> width) & 0xffU;
    if ((((*bytes)[i] ^ range->address[i]) & mask) != 0) {
      return false;
    }
    bits -= width;
  }
  return true;
}

bool ip_range_valid(std::string_view range) { return parse_range(range).has_value(); }

bool permits(const zkwire::AclList& acl, std::int32_t wanted, const Identities& identities,
             const Switches& switches) {
  if (switches.skip_acl || acl.empty()) {
    return true;
  }
  for (const zkwire::Id& id : identities) {
    if (id.scheme == "super") {
      return true;
    }
  }
  return std::any_of(acl.begin(), acl.end(), [&](const zkwire::Acl& entry) {
    return (entry.perms & wanted) != 0 && entry_matches(entry.id, identities, switches);
  });
}

std::optional<zkwire::AclList> fix_acl(const zkwire::AclList& wanted, const Identities& identities,
                                       const Switches& switches) {
  // Lists may have as many entries as a frame holds: the duplicates are found without comparing
  // each with each.
  std::set<zkwire::Acl> seen;
  zkwire::AclList fixed;
  for (const zkwire::Acl& entry : wanted) {
    if (!seen.insert(entry).second) {
      continue;
    }
    if (entry.id.scheme == "world" && entry.id.id == "anyone") {
      fixed.push_back(entry);
    } else if (entry.id.scheme == "auth") {
      bool any = false;
      for (const zkwire::Id& id : identities) {
        if (is_authenticated(id.scheme, switches)) {
          any = true;
          fixed.push_back({entry.perms, id});
        }
      }
      if (!any) {
        return std::nullopt;
      }
    } else if (id_valid(entry.id, switches)) {
      fixed.push_back(entry);
    } else {
      return std::nullopt;
    }
  }
  return fixed.empty() ? std::nullopt : std::optional<zkwire::AclList>(std::move(fixed));
}

zkwire::AclList redact(zkwire::AclList acl) {
  for (zkwire::Acl& entry : acl) {
    const std::size_t colon = entry.id.id.find(':');
    if (entry.id.scheme == "digest" && colon != std::string::npos) {
      entry.id.id = entry.id.id.substr(0, colon) + ":x";
    }
  }
  return acl;
}

}  // namespace synod::znode
