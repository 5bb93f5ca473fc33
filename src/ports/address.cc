#include "ports/address.h"

#include <charconv>

namespace synod::ports {
namespace {

std::string join(const std::string& host, std::uint16_t port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<std::uint16_t> parse_port(const std::string& text, const std::string& whole) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > 65535) {
    return Error{ErrorCode::invalid_argument, "bad port in \"" + whole + "\""};
  }
  return static_cast<std::uint16_t>(value);
}

}  // namespace

std::string to_string(const Address& address) { return join(address.host, address.port); }
std::string to_string(const HostPort& endpoint) { return join(endpoint.host, endpoint.port); }
std::ostream& operator<<(std::ostream& out, const Address& address) {
  return out << to_string(address);
}

Result<HostPort> parse_host_port(const std::string& text, std::uint16_t default_port) {
  HostPort result{text, default_port};
  std::string port;
  if (!text.empty() && text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string::npos) {
      return Error{ErrorCode::invalid_argument, "missing ] in \"" + text + "\""};
    }
    result.host = text.substr(1, close - 1);
    const std::string rest = text.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') {
      return Error{ErrorCode::invalid_argument, "expected :port after ] in \"" + text + "\""};
    }
    port = rest.empty() ? "" : rest.substr(1);
    if (!rest.empty() && port.empty()) {
      return Error{ErrorCode::invalid_argument, "empty port in \"" + text + "\""};
    }
  } else if (const std::size_t colon = text.find(':'); colon != std::string::npos) {
    if (text.find(':', colon + 1) != std::string::npos) {
      return result;  // a bare IPv6 address
    }
    result.host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (port.empty()) {
      return Error{ErrorCode::invalid_argument, "empty port in \"" + text + "\""};
    }
  }
  if (result.host.empty()) {
    return Error{ErrorCode::invalid_argument, "empty host in \"" + text + "\""};
  }
  if (!port.empty()) {
    SYNOD_TRY_ASSIGN(result.port, parse_port(port, text));
  }
  return result;
}

bool is_loopback(const Address& address) {
  return address.host.starts_with("127.") || address.host == "::1";
}

}  // namespace synod::ports
