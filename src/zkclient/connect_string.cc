#include "zkclient/connect_string.h"

#include <algorithm>

namespace synod::zkclient {
namespace {

constexpr std::uint16_t default_port = 2181;

Error bad(const std::string& text, const std::string& why) {
  // Without the text: it may hold a password.
  const std::size_t at = text.rfind('@');
  const std::string shown = at == std::string::npos ? text : "zk://..." + text.substr(at);
  return Error{ErrorCode::invalid_argument, "\"" + shown + "\": " + why};
}

Status check_path(const std::string& whole, const std::string& path) {
  if (path.find("//") != std::string::npos) {
    return bad(whole, "an empty name in the path");
  }
  for (const char* dots : {"/./", "/../"}) {
    if ((path + "/").find(dots) != std::string::npos) {
      return bad(whole, "a relative name in the path");
    }
  }
  return {};
}

}  // namespace

Result<ConnectString> parse_connect_string(const std::string& text) {
  ConnectString result;
  std::string rest = text;
  if (rest.starts_with("zk://")) {
    rest.erase(0, 5);
    if (const std::size_t at = rest.rfind('@'); at != std::string::npos) {
      result.digest = rest.substr(0, at);
      rest.erase(0, at + 1);
      if (result.digest.find(':') == std::string::npos) {
        return bad(text, "expected user:password before the @");
      }
    }
  } else if (rest.find("://") != std::string::npos) {
    return bad(text, "expected zk://host:port,.../path or host:port,...");
  }
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  result.path = rest.substr(slash);
  while (result.path.ends_with('/')) {
    result.path.pop_back();
  }
  SYNOD_TRY(check_path(text, result.path));
  std::string servers = rest.substr(0, slash);
  while (!servers.empty()) {
    const std::size_t comma = std::min(servers.find(','), servers.size());
    const std::string one = servers.substr(0, comma);
    servers.erase(0, std::min(comma + 1, servers.size()));
    auto server = ports::parse_host_port(one, default_port);
    if (!server.ok()) {
      return bad(text, server.error().message);
    }
    result.servers.push_back(std::move(server).value());
  }
  if (result.servers.empty()) {
    return bad(text, "no servers");
  }
  return result;
}

std::string servers_text(const ConnectString& connect) {
  std::string text;
  for (const ports::HostPort& server : connect.servers) {
    text += (text.empty() ? "" : ",") + ports::to_string(server);
  }
  return text;
}

}  // namespace synod::zkclient
