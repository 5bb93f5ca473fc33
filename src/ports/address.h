// Addresses as values. Resolving names is Network's.
#pragma once

#include <compare>
#include <cstdint>
#include <ostream>
#include <string>

#include "base/result.h"

namespace synod::ports {

// host is a numeric IPv4 or IPv6 address in canonical text ("127.0.0.1", "::1"), never a name.
struct Address {
  std::string host;
  std::uint16_t port = 0;

  friend auto operator<=>(const Address&, const Address&) = default;
};

// "127.0.0.1:2181", "[::1]:2181".
std::string to_string(const Address& address);
std::ostream& operator<<(std::ostream& out, const Address& address);

// What a user writes: a name or number and a port.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;

  friend auto operator<=>(const HostPort&, const HostPort&) = default;
};

std::string to_string(const HostPort& endpoint);

// Reads "host:port", "[v6]:port", or "host" with the given port. invalid_argument otherwise.
Result<HostPort> parse_host_port(const std::string& text, std::uint16_t default_port);

// True for 127.0.0.0/8 and ::1.
bool is_loopback(const Address& address);

}  // namespace synod::ports
