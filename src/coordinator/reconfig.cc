#include "coordinator/reconfig.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace synod::coordinator {
namespace {

using Code = zkwire::Code;

Reconfigured no(Code code, std::string why) { return {code, std::move(why), {}, {}}; }

std::string host_text(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

// 0 where there is none: the version of a configuration that nobody has changed.
std::uint64_t version_of(const std::string& config_text) {
  constexpr std::string_view key = "version=";
  const std::size_t at = config_text.rfind(key);
  std::uint64_t version = 0;
  if (at != std::string::npos) {
    constexpr int base = 16;
    std::from_chars(config_text.data() + at + key.size(), config_text.data() + config_text.size(),
                    version, base);
  }
  return version;
}

// The next piece before a comma.
std::string_view next_item(std::string_view& rest) {
  const std::size_t comma = rest.find(',');
  const std::string_view item = rest.substr(0, comma);
  rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
  return item;
}

void erase_server(ZooConfig& config, NodeId id) {
  std::erase_if(config.servers, [id](const ServerLine& line) { return line.id == id; });
}

bool everywhere(const std::string& host) {
  return host == "localhost" || host == "0.0.0.0" || host == "::" || host == "::1" ||
         host.starts_with("127.");
}

std::vector<ports::HostPort> endpoints_of(const ServerLine& line) {
  std::vector<ports::HostPort> all{line.peer, {line.peer.host, line.election_port}};
  if (line.client.has_value()) {
    all.push_back(*line.client);
  }
  return all;
}

bool collide(const ServerLine& a, const ServerLine& b) {
  for (const ports::HostPort& one : endpoints_of(a)) {
    for (const ports::HostPort& other : endpoints_of(b)) {
      if (one == other && !everywhere(one.host)) {
        return true;
      }
    }
  }
  return false;
}

Status leave(ZooConfig& config, std::string_view leaving) {
  while (!leaving.empty()) {
    SYNOD_TRY_ASSIGN(const NodeId id, parse_my_id(next_item(leaving)));
    erase_server(config, id);
  }
  return {};
}

Status join(ZooConfig& config, std::string_view joining) {
  while (!joining.empty()) {
    SYNOD_TRY_ASSIGN(const ZooConfig lines, parse_server_lines(next_item(joining)));
    if (lines.servers.size() != 1 || !lines.servers[0].client.has_value()) {
      return Error{ErrorCode::invalid_argument,
                   "a joiner is server.N=host:port:electionPort[:role];[client host:]client port"};
    }
    const ServerLine& line = lines.servers[0];
    erase_server(config, line.id);
    for (const ServerLine& other : config.servers) {
      if (collide(line, other)) {
        return Error{ErrorCode::invalid_argument,
                     fmt::format("server.{} has an address of server.{}", line.id.value(),
                                 other.id.value())};
      }
    }
    config.servers.push_back(line);
  }
  return {};
}

Result<ZooConfig> wanted(const paxos::Membership& now, const zkwire::ReconfigRequest& request) {
  if (!request.new_members.empty()) {
    std::string text = request.new_members;
    std::replace(text.begin(), text.end(), ',', '\n');
    return parse_server_lines(text);
  }
  SYNOD_TRY_ASSIGN(ZooConfig config, parse_server_lines(members_text(now)));
  if (!config.groups.empty()) {
    return Error{ErrorCode::invalid_argument,
                 "members of groups are changed as a whole, not one by one"};
  }
  SYNOD_TRY(leave(config, request.leaving));
  SYNOD_TRY(join(config, request.joining));
  return config;
}

}  // namespace

std::string address_of(const ServerLine& line) {
  std::string text =
      fmt::format("{}:{}:{}", host_text(line.peer.host), line.peer.port, line.election_port);
  return line.client.has_value() ? text + ";" + ports::to_string(*line.client) : text;
}

std::optional<ports::HostPort> peer_of(const std::string& address) {
  const Result<ZooConfig> line = parse_server_lines("server.1=" + address);
  if (!line.ok() || line->servers.size() != 1) {
    return std::nullopt;
  }
  return line->servers[0].peer;
}

std::vector<paxos::Member> members_of(const ZooConfig& config) {
  std::vector<paxos::Member> members;
  for (const ServerLine& line : config.servers) {
    paxos::Member member;
    member.node = line.id;
    member.observer = line.observer;
    member.group = line.group;
    member.weight = line.weight;
    member.address = address_of(line);
    members.push_back(std::move(member));
  }
  return members;
}

std::string members_text(const paxos::Membership& members) {
  std::string text;
  std::map<std::uint32_t, std::string> groups;
  std::string weights;
  for (const paxos::Member& member : members.members()) {
    const std::size_t client = std::min(member.address.find(';'), member.address.size());
    text +=
        fmt::format("server.{}={}:{}{}\n", member.node.value(), member.address.substr(0, client),
                    member.observer ? "observer" : "participant", member.address.substr(client));
    if (member.group != 0) {
      std::string& group = groups[member.group];
      group += fmt::format("{}{}", group.empty() ? "" : ":", member.node.value());
    }
    weights += fmt::format("weight.{}={}\n", member.node.value(), member.weight);
  }
  for (const auto& [group, ids] : groups) {
    text += fmt::format("group.{}={}\n", group, ids);
  }
  return groups.empty() ? text : text + weights;
}

Reconfigured reconfigure(const paxos::Membership& now, const std::string& config_text,
                         bool standalone_enabled, const zkwire::ReconfigRequest& request) {
  const bool conditional = request.current_config_id != -1;
  if (conditional &&
      static_cast<std::uint64_t>(request.current_config_id) != version_of(config_text)) {
    return no(Code::bad_version, "it is for another version of the members");
  }
  Result<ZooConfig> config = wanted(now, request);
  if (!config.ok()) {
    return no(Code::bad_arguments, config.error().message);
  }
  const auto voters = std::count_if(config->servers.begin(), config->servers.end(),
                                    [](const ServerLine& line) { return !line.observer; });
  if (voters < (standalone_enabled ? 2 : 1)) {
    return no(Code::bad_arguments, fmt::format("{} voters are too few", voters));
  }
  if (const Status checked = check_servers(*config); !checked.ok()) {
    return no(Code::bad_arguments, checked.error().message);
  }
  Reconfigured result;
  result.members = paxos::Membership(members_of(*config));
  result.text = members_text(result.members);
  return result;
}

}  // namespace synod::coordinator
