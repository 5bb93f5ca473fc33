#include "coordinator/zoo_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>

namespace synod::coordinator {
namespace {

struct Property {
  std::string key;
  std::string value;
  int line = 0;
};

Error invalid(std::string message) { return {ErrorCode::invalid_argument, std::move(message)}; }

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\f' || c == '\r'; }

std::string_view trim(std::string_view s) {
  while (!s.empty() && is_blank(s.front())) {
    s.remove_prefix(1);
  }
  while (!s.empty() && is_blank(s.back())) {
    s.remove_suffix(1);
  }
  return s;
}

// A logical line: an odd number of backslashes at the end joins the next one.
std::string next_line(std::string_view& rest, int& line) {
  std::string joined;
  for (;;) {
    const std::size_t end = rest.find('\n');
    std::string_view piece = trim(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    ++line;
    const std::size_t last = piece.find_last_not_of('\\');
    const std::size_t slashes = piece.size() - (last == std::string_view::npos ? 0 : last + 1);
    const bool comment = joined.empty() && !piece.empty() && (piece[0] == '#' || piece[0] == '!');
    if (comment || slashes % 2 == 0 || rest.empty()) {
      joined += piece;
      return joined;
    }
    joined += piece.substr(0, piece.size() - 1);
  }
}

std::string unescape(std::string_view s) {
  std::string out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '\\' && i + 1 < s.size()) {
      ++i;
      out += s[i] == 't' ? '\t' : s[i] == 'n' ? '\n' : s[i];
    } else {
      out += s[i];
    }
  }
  return out;
}

// Java's properties: the key ends at the first unescaped '=', ':' or blank.
std::vector<Property> parse_properties(std::string_view text) {
  std::vector<Property> all;
  int line = 0;
  while (!text.empty()) {
    const int first = line + 1;
    const std::string joined = next_line(text, line);
    if (joined.empty() || joined[0] == '#' || joined[0] == '!') {
      continue;
    }
    std::size_t end = 0;
    while (end < joined.size() && joined[end] != '=' && joined[end] != ':' &&
           !is_blank(joined[end])) {
      end += joined[end] == '\\' ? 2 : 1;
    }
    end = std::min(end, joined.size());
    std::string_view value = trim(std::string_view(joined).substr(end));
    if (!value.empty() && (value[0] == '=' || value[0] == ':')) {
      value = trim(value.substr(1));
    }
    all.push_back({unescape(std::string_view(joined).substr(0, end)), unescape(value), first});
  }
  return all;
}

template <typename T>
bool parse_number(std::string_view text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

template <typename T>
Status number(const Property& p, T low, T high, T& out) {
  T value{};
  if (!parse_number<T>(trim(p.value), value) || value < low || value > high) {
    return invalid(fmt::format("line {}: {}: expected a number from {} to {}, found \"{}\"", p.line,
                               p.key, low, high, p.value));
  }
  out = value;
  return {};
}

Status boolean(const Property& p, bool& out) {
  std::string v(trim(p.value));
  std::transform(v.begin(), v.end(), v.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (v != "true" && v != "false" && v != "yes" && v != "no") {
    return invalid(
        fmt::format("line {}: {}: expected true or false, found \"{}\"", p.line, p.key, p.value));
  }
  out = v == "true" || v == "yes";
  return {};
}

std::vector<std::string> split(std::string_view text, char by) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t end = text.find(by);
    parts.emplace_back(trim(text.substr(0, end)));
    if (end == std::string_view::npos) {
      return parts;
    }
    text.remove_prefix(end + 1);
  }
}

// Cuts "host:1:2:role" at its colons, a bracketed IPv6 host counting as one part.
std::vector<std::string> split_server(std::string_view text) {
  if (text.empty() || text[0] != '[') {
    return split(text, ':');
  }
  const std::size_t close = text.find(']');
  if (close == std::string_view::npos) {
    return {};
  }
  std::vector<std::string> parts{std::string(text.substr(1, close - 1))};
  std::string_view rest = text.substr(close + 1);
  if (!rest.empty() && rest[0] == ':') {
    for (std::string& part : split(rest.substr(1), ':')) {
      parts.push_back(std::move(part));
    }
  }
  return parts;
}

Status parse_client_part(const Property& p, std::string_view text, ServerLine& server) {
  Result<ports::HostPort> client = text.find(':') == std::string_view::npos
                                       ? ports::parse_host_port("0.0.0.0:" + std::string(text), 0)
                                       : ports::parse_host_port(std::string(text), 0);
  if (!client.ok()) {
    return invalid(
        fmt::format("line {}: {}: expected [client address:]client port after ';', found "
                    "\"{}\"",
                    p.line, p.key, text));
  }
  server.client = client.value();
  return {};
}

Status parse_role(const Property& p, std::string word, bool& observer) {
  std::transform(word.begin(), word.end(), word.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (word != "participant" && word != "observer") {
    return invalid(fmt::format("line {}: {}: the role is participant or observer, not \"{}\"",
                               p.line, p.key, word));
  }
  observer = word == "observer";
  return {};
}

Status parse_peer_type(const Property& p, ZooConfig& config) {
  bool observes = false;
  SYNOD_TRY(parse_role(p, p.value, observes));
  config.peer_observes = observes;
  return {};
}

// group.N=id:id:...
Status parse_group(const Property& p, ZooConfig& config) {
  std::uint32_t group = 0;
  if (!parse_number(std::string_view(p.key).substr(std::string_view("group.").size()), group) ||
      group == 0) {
    return invalid(fmt::format("line {}: {}: a group's number is from 1 up", p.line, p.key));
  }
  for (const std::string& word : split(p.value, ':')) {
    std::uint32_t id = 0;
    if (!parse_number(word, id) || id < 1 || id > 255) {
      return invalid(
          fmt::format("line {}: {}: expected servers' numbers with ':' between them, "
                      "found \"{}\"",
                      p.line, p.key, p.value));
    }
    config.groups[group].push_back(NodeId(id));
  }
  return {};
}

// weight.N=number, of server N
Status parse_weight(const Property& p, ZooConfig& config) {
  constexpr std::uint32_t weight_max = 1'000'000;
  std::uint32_t id = 0;
  std::uint32_t weight = 0;
  if (!parse_number(std::string_view(p.key).substr(std::string_view("weight.").size()), id) ||
      !parse_number(p.value, weight) || weight > weight_max) {
    return invalid(fmt::format("line {}: {}: expected weight.SERVER=number up to {}", p.line, p.key,
                               weight_max));
  }
  config.weights[NodeId(id)] = weight;
  return {};
}

Status parse_server(const Property& p, ZooConfig& config) {
  ServerLine server;
  std::uint32_t id = 0;
  if (!parse_number(std::string_view(p.key).substr(std::string_view("server.").size()), id) ||
      id < 1 || id > 255) {
    return invalid(fmt::format("line {}: {}: a server's number is from 1 to 255", p.line, p.key));
  }
  server.id = NodeId(id);
  std::string_view value = p.value;
  const std::size_t semicolon = value.find(';');
  if (semicolon != std::string_view::npos) {
    SYNOD_TRY(parse_client_part(p, trim(value.substr(semicolon + 1)), server));
    value = trim(value.substr(0, semicolon));
  }
  if (value.find('|') != std::string_view::npos) {
    return invalid(fmt::format("line {}: {}: several addresses for one server are not supported",
                               p.line, p.key));
  }
  const std::vector<std::string> parts = split_server(value);
  const bool shaped = (parts.size() == 3 || parts.size() == 4) && !parts[0].empty() &&
                      parse_number(parts[1], server.peer.port) &&
                      parse_number(parts[2], server.election_port);
  if (!shaped) {
    return invalid(fmt::format(
        "line {}: {}: expected host:port:electionPort[:role][;clientPort], found \"{}\"", p.line,
        p.key, p.value));
  }
  if (server.peer.port == server.election_port) {
    return invalid(fmt::format("line {}: {}: the two ports must differ", p.line, p.key));
  }
  server.peer.host = parts[0];
  if (parts.size() == 4) {
    SYNOD_TRY(parse_role(p, parts[3], server.observer));
  }
  if (config.find_server(server.id) != nullptr) {
    return invalid(fmt::format("line {}: {} is there twice", p.line, p.key));
  }
  config.servers.push_back(std::move(server));
  return {};
}

Status parse_words(const Property& p, ZooConfig& config) {
  config.four_letter_words.clear();
  for (std::string& word : split(p.value, ',')) {
    if (!word.empty()) {
      config.four_letter_words.insert(std::move(word));
    }
  }
  return {};
}

using Setter = std::function<Status(const Property&, ZooConfig&)>;

Setter text_into(std::string ZooConfig::*field) {
  return [field](const Property& p, ZooConfig& c) -> Status {
    c.*field = p.value;
    return {};
  };
}

template <typename T>
Setter number_into(T ZooConfig::*field, T low, T high) {
  return [=](const Property& p, ZooConfig& c) { return number<T>(p, low, high, c.*field); };
}

Setter boolean_into(bool ZooConfig::*field) {
  return [field](const Property& p, ZooConfig& c) { return boolean(p, c.*field); };
}

Setter port_into(std::optional<std::uint16_t> ZooConfig::*field) {
  return [field](const Property& p, ZooConfig& c) -> Status {
    std::uint16_t port = 0;
    SYNOD_TRY(number<std::uint16_t>(p, 0, 65535, port));
    c.*field = port;
    return {};
  };
}

Status parse_my_id_key(const Property& p, ZooConfig& c) {
  std::uint32_t id = 0;
  SYNOD_TRY(number<std::uint32_t>(p, 1, 255, id));
  c.my_id = NodeId(id);
  return {};
}

// Bytes, or with K, M or G behind.
Status parse_state_limit(const Property& p, ZooConfig& c) {
  std::string_view text = p.value;
  std::uint64_t unit = 1;
  constexpr std::string_view units = "KMG";
  if (!text.empty() && units.find(text.back()) != std::string_view::npos) {
    unit = std::uint64_t{1} << (10 * (units.find(text.back()) + 1));
    text.remove_suffix(1);
  }
  std::uint64_t count = 0;
  if (!parse_number(text, count) || count > (std::uint64_t{1} << 50) / unit) {
    return invalid(
        fmt::format("line {}: {}: expected bytes, or a number with K, M or G behind, "
                    "found \"{}\"",
                    p.line, p.key, p.value));
  }
  c.state_limit_bytes = count * unit;
  return {};
}

// Obeying it in silence would break what it asks for.
Status refuse(const Property& p, ZooConfig&) {
  return invalid(fmt::format("line {}: {} is not supported", p.line, p.key));
}

Status refuse_if_true(const Property& p, ZooConfig& c) {
  bool wanted = false;
  SYNOD_TRY(boolean(p, wanted));
  return wanted ? refuse(p, c) : Status();
}

const std::map<std::string, Setter, std::less<>>& setters() {
  constexpr std::int32_t ms_max = 24 * 3600 * 1000;
  static const std::map<std::string, Setter, std::less<>> all = {
      {"clientPort", port_into(&ZooConfig::client_port)},
      {"clientPortAddress", text_into(&ZooConfig::client_port_address)},
      {"dataDir", text_into(&ZooConfig::data_dir)},
      {"dataLogDir", text_into(&ZooConfig::data_log_dir)},
      {"tickTime", number_into<std::int32_t>(&ZooConfig::tick_ms, 1, ms_max)},
      {"initLimit", number_into<std::int32_t>(&ZooConfig::init_limit_ticks, 1, ms_max)},
      {"syncLimit", number_into<std::int32_t>(&ZooConfig::sync_limit_ticks, 1, ms_max)},
      {"minSessionTimeout",
       number_into<std::int32_t>(&ZooConfig::session_timeout_ms_min, -1, ms_max)},
      {"maxSessionTimeout",
       number_into<std::int32_t>(&ZooConfig::session_timeout_ms_max, -1, ms_max)},
      {"maxClientCnxns",
       number_into<std::uint32_t>(&ZooConfig::connections_per_address_max, 0, 1U << 30)},
      {"maxCnxns", number_into<std::uint32_t>(&ZooConfig::connections_max, 0, 1U << 30)},
      {"globalOutstandingLimit",
       number_into<std::uint32_t>(&ZooConfig::requests_outstanding_max, 1, 1U << 30)},
      {"clientPortListenBacklog", number_into<std::int32_t>(&ZooConfig::listen_backlog, -1, 65535)},
      {"jute.maxbuffer",
       number_into<std::uint32_t>(&ZooConfig::frame_size_bytes_max, 1024, 0xfffff)},
      {"4lw.commands.whitelist", parse_words},
      {"skipACL", boolean_into(&ZooConfig::skip_acl)},
      {"enforceQuota", refuse_if_true},
      {"extendedTypesEnabled", boolean_into(&ZooConfig::extended_types)},
      {"reconfigEnabled", boolean_into(&ZooConfig::reconfig_enabled)},
      {"standaloneEnabled", boolean_into(&ZooConfig::standalone_enabled)},
      {"synod.slowRequestMs", number_into<std::int32_t>(&ZooConfig::slow_request_ms, 0, ms_max)},
      {"synod.stateLimit", parse_state_limit},
      {"synod.leaseMs", number_into<std::int32_t>(&ZooConfig::lease_ms, 0, ms_max)},
      {"synod.linearizableReads", boolean_into(&ZooConfig::linearizable_reads)},
      {"DigestAuthenticationProvider.enabled", boolean_into(&ZooConfig::digest_enabled)},
      {"DigestAuthenticationProvider.superDigest", text_into(&ZooConfig::super_digest)},
      {"snapCount",
       number_into<std::uint64_t>(&ZooConfig::snapshot_count, 2, std::uint64_t{1} << 40)},
      {"autopurge.snapRetainCount",
       number_into<std::uint32_t>(&ZooConfig::snapshots_retained, 0, 1U << 20)},
      {"autopurge.purgeInterval",
       number_into<std::uint32_t>(&ZooConfig::purge_interval_hours, 0, 1U << 20)},
      {"admin.enableServer", boolean_into(&ZooConfig::admin_enabled)},
      {"admin.serverPort", port_into(&ZooConfig::admin_port)},
      {"admin.serverAddress", text_into(&ZooConfig::admin_address)},
      {"admin.commandURL", text_into(&ZooConfig::admin_url)},
      {"metricsProvider.httpPort", port_into(&ZooConfig::metrics_port)},
      {"myid", parse_my_id_key},
      {"peerType", parse_peer_type},
      {"secureClientPort", refuse},
      {"dynamicConfigFile", refuse},
      {"enforce.auth.enabled", refuse_if_true},
      {"sessionRequireClientSASLAuth", refuse_if_true},
  };
  return all;
}

ServerLine* find_line(ZooConfig& config, NodeId id) {
  const auto it = std::find_if(config.servers.begin(), config.servers.end(),
                               [id](const ServerLine& s) { return s.id == id; });
  return it == config.servers.end() ? nullptr : &*it;
}

void warn(ZooConfig& config, const std::string& text) {
  config.warning += (config.warning.empty() ? "" : "; ") + text;
}

// Every participant in exactly one group, or no groups at all: then weights mean nothing, as in
// ZooKeeper.
Status place_in_groups(ZooConfig& config) {
  if (config.groups.empty()) {
    if (!config.weights.empty()) {
      warn(config, "weights have no effect without groups");
    }
    return {};
  }
  for (const auto& [group, ids] : config.groups) {
    for (const NodeId id : ids) {
      ServerLine* server = find_line(config, id);
      if (server == nullptr || server->group != 0) {
        return invalid(fmt::format("group.{}: server {} {}", group, id.value(),
                                   server == nullptr ? "has no line" : "is in two groups"));
      }
      server->group = group;
    }
  }
  bool weighs = false;
  for (ServerLine& server : config.servers) {
    const auto weight = config.weights.find(server.id);
    server.weight = weight == config.weights.end() ? 1 : weight->second;
    if (!server.observer && server.group == 0) {
      return invalid(fmt::format("server.{} is in no group", server.id.value()));
    }
    weighs = weighs || (!server.observer && server.weight > 0);
  }
  return weighs ? Status{} : Status(invalid("no server has any weight"));
}

Status check_whole(ZooConfig& config) {
  if (config.data_dir.empty()) {
    return invalid("dataDir is missing");
  }
  if (config.data_log_dir.empty()) {
    config.data_log_dir = config.data_dir;
  }
  // One alone could not be replaced by an older one if it turned out to be damaged.
  config.snapshots_retained = std::max<std::uint32_t>(config.snapshots_retained, 2);
  if (config.admin_address.empty()) {
    config.admin_address = config.client_port_address;
  }
  if (config.session_timeout_ms_min <= 0) {
    config.session_timeout_ms_min = 2 * config.tick_ms;
  }
  if (config.session_timeout_ms_max <= 0) {
    config.session_timeout_ms_max = 20 * config.tick_ms;
  }
  if (config.session_timeout_ms_min > config.session_timeout_ms_max) {
    return invalid(fmt::format("minSessionTimeout {} is above maxSessionTimeout {}",
                               config.session_timeout_ms_min, config.session_timeout_ms_max));
  }
  constexpr std::int32_t lease_ms_min = 30;
  const std::int32_t lease_ms_max = config.election_timeout_ms();
  if (config.lease_ms != 0 && (config.lease_ms < lease_ms_min || config.lease_ms > lease_ms_max)) {
    return invalid(
        fmt::format("synod.leaseMs: expected 0 (none), or {} to {} with tickTime={}, "
                    "found {}",
                    lease_ms_min, lease_ms_max, config.tick_ms, config.lease_ms));
  }
  return check_servers(config);
}

}  // namespace

Status check_servers(ZooConfig& config) {
  std::sort(config.servers.begin(), config.servers.end(),
            [](const ServerLine& a, const ServerLine& b) { return a.id < b.id; });
  const auto voter = [](const ServerLine& s) { return !s.observer; };
  if (!config.servers.empty() &&
      std::none_of(config.servers.begin(), config.servers.end(), voter)) {
    return invalid("every server is an observer: at least one must be a participant");
  }
  return place_in_groups(config);
}

Result<ZooConfig> parse_server_lines(std::string_view text) {
  ZooConfig config;
  for (const Property& p : parse_properties(text)) {
    if (p.key.compare(0, 7, "server.") == 0) {
      SYNOD_TRY(parse_server(p, config));
    } else if (p.key.compare(0, 6, "group.") == 0) {
      SYNOD_TRY(parse_group(p, config));
    } else if (p.key.compare(0, 7, "weight.") == 0) {
      SYNOD_TRY(parse_weight(p, config));
    } else {
      return invalid(fmt::format("line {}: {} is no line about servers", p.line, p.key));
    }
  }
  return config;
}

std::size_t ZooConfig::voters() const {
  return static_cast<std::size_t>(std::count_if(servers.begin(), servers.end(),
                                                [](const ServerLine& s) { return !s.observer; }));
}

const ServerLine* ZooConfig::find_server(NodeId id) const {
  for (const ServerLine& server : servers) {
    if (server.id == id) {
      return &server;
    }
  }
  return nullptr;
}

Result<ZooConfig> parse_zoo_config(std::string_view text) {
  ZooConfig config;
  config.text = std::string(text);
  // `synod status` and monitors need more than ZooKeeper's default of srvr alone.
  config.four_letter_words = {"srvr", "ruok", "stat", "mntr", "isro"};
  std::string unknown;
  for (const Property& p : parse_properties(text)) {
    constexpr std::string_view prefix = "zookeeper.";
    Property property = p;
    if (property.key.compare(0, prefix.size(), prefix) == 0) {
      property.key.erase(0, prefix.size());
    }
    const auto setter = setters().find(property.key);
    if (setter != setters().end()) {
      SYNOD_TRY(setter->second(property, config));
    } else if (property.key.compare(0, 7, "server.") == 0) {
      SYNOD_TRY(parse_server(property, config));
    } else if (property.key.compare(0, 6, "group.") == 0) {
      SYNOD_TRY(parse_group(property, config));
    } else if (property.key.compare(0, 7, "weight.") == 0) {
      SYNOD_TRY(parse_weight(property, config));
    } else {
      unknown += (unknown.empty() ? "" : ", ") + p.key;
    }
  }
  if (!unknown.empty()) {
    config.warning = "these keys have no effect here: " + unknown;
  }
  SYNOD_TRY(check_whole(config));
  return config;
}

Result<NodeId> parse_my_id(std::string_view text) {
  std::uint32_t id = 0;
  const std::string_view line = trim(text.substr(0, text.find('\n')));
  if (!parse_number(line, id) || id < 1 || id > 255) {
    return invalid(fmt::format("myid: expected a number from 1 to 255, found \"{}\"", line));
  }
  return NodeId(id);
}

Status complete_zoo_config(ZooConfig& config, const std::optional<std::string>& my_id_file) {
  if (my_id_file.has_value()) {
    SYNOD_TRY_ASSIGN(const NodeId id, parse_my_id(*my_id_file));
    if (config.my_id.has_value() && *config.my_id != id) {
      return invalid(fmt::format("myid is {} in {}/myid and {} in the configuration", id.value(),
                                 config.data_dir, config.my_id->value()));
    }
    config.my_id = id;
  }
  if (!config.my_id.has_value()) {
    if (!config.standalone()) {
      return invalid(
          fmt::format("{}/myid is missing: it tells which server.N this is", config.data_dir));
    }
    config.my_id = config.servers.empty() ? NodeId(1) : config.servers.front().id;
  }
  const ServerLine* self = config.find_server(*config.my_id);
  if (!config.servers.empty() && self == nullptr) {
    return invalid(
        fmt::format("there is no server.{} line for this server", config.my_id->value()));
  }
  if (self != nullptr && config.peer_observes.value_or(self->observer) != self->observer) {
    warn(config, fmt::format("peerType differs from the line of server.{}, which counts",
                             self->id.value()));
  }
  if (self != nullptr && self->client.has_value()) {
    if (config.client_port.has_value() && *config.client_port != self->client->port) {
      return invalid(fmt::format("clientPort is {}, but server.{} says {}", *config.client_port,
                                 self->id.value(), self->client->port));
    }
    config.client_port = self->client->port;
    config.client_port_address = self->client->host;
  }
  if (!config.client_port.has_value()) {
    return invalid("clientPort is missing");
  }
  return {};
}

std::string config_node_text(const ZooConfig& config) {
  std::string text;
  for (const ServerLine& s : config.servers) {
    const bool v6 = s.peer.host.find(':') != std::string::npos;
    text += fmt::format("server.{}={}:{}:{}:{}", s.id.value(),
                        v6 ? "[" + s.peer.host + "]" : s.peer.host, s.peer.port, s.election_port,
                        s.observer ? "observer" : "participant");
    if (s.client.has_value()) {
      text += ";" + ports::to_string(*s.client);
    }
    text += "\n";
  }
  for (const auto& [group, ids] : config.groups) {
    std::string members;
    for (const NodeId id : ids) {
      members += (members.empty() ? "" : ":") + std::to_string(id.value());
    }
    text += fmt::format("group.{}={}\n", group, members);
  }
  if (!config.groups.empty()) {
    for (const ServerLine& s : config.servers) {
      text += fmt::format("weight.{}={}\n", s.id.value(), s.weight);
    }
  }
  return text + "version=0";
}

}  // namespace synod::coordinator
