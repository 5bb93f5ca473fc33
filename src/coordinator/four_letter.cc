#include "coordinator/four_letter.h"

#include <fmt/format.h>

#include <map>
#include <set>

namespace synod::coordinator {
namespace {

constexpr std::string_view known[] = {"ruok", "isro", "srvr", "stat", "conf", "cons",
                                      "crst", "srst", "dirs", "dump", "envi", "mntr",
                                      "wchs", "wchc", "wchp", "gtmk", "stmk", "hash"};
// Known to ZooKeeper, and not here.
constexpr std::string_view missing[] = {"dirs", "dump", "gtmk", "stmk", "hash"};

template <std::size_t N>
bool is_among(std::string_view word, const std::string_view (&list)[N]) {
  for (const std::string_view entry : list) {
    if (entry == word) {
      return true;
    }
  }
  return false;
}

const char* mode_of(const FourLetterView& facts, const EdgeOptions& options) {
  if (options.standalone) {
    return "standalone";
  }
  const ClusterView& c = facts.cluster;
  if (c.voters == 0 ? options.observer : c.observes) {
    return "observer";
  }
  return facts.cluster.role == paxos::Role::leader ? "leader" : "follower";
}

std::string version_of(const EdgeOptions& options) {
  // Monitors look for digits.digits.digits-.
  return options.version + "-synod";
}

std::string hex(Zxid zxid) {
  return fmt::format("0x{:x}", static_cast<std::uint64_t>(zxid.value()));
}

// Milliseconds, at most four decimals, at least one: as a Java double prints.
std::string average_ms(const EdgeStats& stats) {
  if (stats.latency_count == 0) {
    return "0.0";
  }
  const std::uint64_t parts = stats.latency_sum_us * 10 / stats.latency_count;  // 1/10000 ms
  std::string text = fmt::format("{}.{:04}", parts / 10000, parts % 10000);
  while (text.back() == '0' && text[text.size() - 2] != '.') {
    text.pop_back();
  }
  return text;
}

std::string server_lines(const FourLetterView& facts, const EdgeOptions& options) {
  const EdgeStats& s = facts.stats;
  std::string text = fmt::format(
      "Latency min/avg/max: {}/{}/{}\nReceived: {}\nSent: {}\nConnections: {}\nOutstanding: {}\n"
      "Zxid: {}\nMode: {}\nNode count: {}\n",
      s.latency_min_us / 1000, average_ms(s), s.latency_max_us / 1000, s.received, s.sent,
      facts.connections, facts.outstanding, hex(facts.zxid), mode_of(facts, options),
      facts.counts.nodes);
  if (!options.standalone && facts.cluster.role == paxos::Role::leader) {
    text += "Proposal sizes last/min/max: -1/-1/-1\n";
  }
  return text;
}

std::string version_line(const EdgeOptions& options) {
  return "Zookeeper version: " + version_of(options) + ", built on release\n";
}

std::string stat(const FourLetterView& facts, const EdgeOptions& options) {
  std::string text = version_line(options) + "Clients:\n";
  for (const std::string& line : facts.lines) {
    text += line + "\n";
  }
  return text + "\n" + server_lines(facts, options);
}

std::string cons(const FourLetterView& facts) {
  std::string text;
  for (const std::string& line : facts.lines) {
    text += line + "\n";
  }
  return text + "\n";
}

std::string conf(const EdgeOptions& options) {
  std::string text;
  for (const auto& [key, value] : options.configuration) {
    text += key + "=" + value + "\n";
  }
  return text;
}

std::string envi(const EdgeOptions& options) {
  return "Environment:\nzookeeper.version=" + version_of(options) +
         "\njava.version=none (synod is no Java program)\n";
}

std::string mntr(const FourLetterView& facts, const EdgeOptions& options) {
  std::string text;
  for (const auto& [key, value] : mntr_values(facts, options)) {
    text += key + "\t" + value + "\n";
  }
  return text;
}

std::string sid(SessionId session) {
  return fmt::format("0x{:x}", static_cast<std::uint64_t>(session.value()));
}

std::string watches_by_session(const FourLetterView& facts) {
  std::map<SessionId, std::set<std::string>> by_session;
  for (const auto& [session, path] : facts.watch_pairs) {
    by_session[session].insert(path);
  }
  std::string text;
  for (const auto& [session, paths] : by_session) {
    text += sid(session) + "\n";
    for (const std::string& path : paths) {
      text += "\t" + path + "\n";
    }
  }
  return text + "\n";
}

std::string watches_by_path(const FourLetterView& facts) {
  std::map<std::string, std::set<SessionId>> by_path;
  for (const auto& [session, path] : facts.watch_pairs) {
    by_path[path].insert(session);
  }
  std::string text;
  for (const auto& [path, sessions] : by_path) {
    text += path + "\n";
    for (const SessionId session : sessions) {
      text += "\t" + sid(session) + "\n";
    }
  }
  return text + "\n";
}

}  // namespace

std::vector<NamedHistogram> histograms_of(const FourLetterView& facts) {
  const StageLatencies& stages = facts.cluster.stages;
  return {{"stage_queue", &stages.queue},        {"stage_propose", &stages.propose},
          {"stage_flush", &stages.flush},        {"stage_quorum", &stages.quorum},
          {"stage_apply", &stages.apply},        {"stage_reply", &facts.stats.reply},
          {"write_latency", &facts.stats.write}, {"read_latency", &facts.stats.read}};
}

namespace {

using Values = std::vector<std::pair<std::string, std::string>>;

template <typename T>
void add_value(Values& values, const char* key, const T& value) {
  values.emplace_back(fmt::format("zk_{}", key), fmt::format("{}", value));
}

void add_rules(Values& values, const ClusterView& cluster) {
  add_value(values, "synod_rules", cluster.rules.value());
  if (cluster.role == paxos::Role::leader) {
    add_value(values, "synod_rules_agreed", cluster.agreed_rules.value());
  }
}

void add_lease(Values& values, const ClusterView& cluster) {
  add_value(values, "synod_lease_ms", cluster.lease_ms);
  if (cluster.role == paxos::Role::leader) {
    add_value(values, "synod_lease_held", cluster.lease_held ? 1 : 0);
  }
}

void add_limits(Values& values, const FourLetterView& facts) {
  add_value(values, "synod_state_bytes", size_bytes(facts.counts));
  add_value(values, "synod_state_limit_bytes", facts.cluster.state_limit_bytes);
  add_value(values, "synod_state_full", facts.cluster.state_full ? 1 : 0);
  add_value(values, "synod_writes_refused", facts.stats.writes_refused);
  add_value(values, "synod_held_bytes", facts.held_bytes);
  add_value(values, "synod_held_back", facts.held_back);
  add_value(values, "synod_clients_cut", facts.stats.clients_cut);
}

}  // namespace

Values mntr_values(const FourLetterView& facts, const EdgeOptions& options) {
  Values values;
  const auto add = [&values](const char* key, const auto& value) { add_value(values, key, value); };
  const EdgeStats& s = facts.stats;
  const ClusterView& c = facts.cluster;
  add("version", version_of(options) + ", built on release");
  add("server_state", mode_of(facts, options));
  if (!options.standalone) {
    add("peer_state", c.role == paxos::Role::leader ? "leading - broadcast"
                      : c.serving && c.observes     ? "observing - broadcast"
                      : c.serving                   ? "following - broadcast"
                                                    : "looking");
    add("quorum_size", c.voters);
  }
  add("avg_latency", average_ms(s));
  add("max_latency", s.latency_max_us / 1000);
  add("min_latency", s.latency_min_us / 1000);
  add("packets_received", s.received);
  add("packets_sent", s.sent);
  add("num_alive_connections", facts.connections);
  add("outstanding_requests", facts.outstanding);
  add("uptime", (facts.now - facts.started).millis());
  add("znode_count", facts.counts.nodes);
  add("watch_count", facts.watches);
  add("ephemerals_count", facts.counts.ephemerals);
  add("approximate_data_size", facts.counts.data_bytes);
  add("global_sessions", facts.counts.sessions);
  add("local_sessions", 0);
  add("auth_failed_count", s.auth_failed);
  add("connection_rejected", s.connections_refused);
  if (!options.standalone && c.role == paxos::Role::leader) {
    add("learners", c.followers);
    add("synced_followers", c.synced_followers);
    add("synced_observers", c.synced_observers);
  }
  // Ours.
  add("last_zxid", hex(facts.zxid));
  add("ballot", c.ballot.number);
  add("p99_fsynctime", fmt::format("{:.3f}", static_cast<double>(c.flush_p99.micros()) / 1000));
  add("synod_server_id", options.self.value());
  add("synod_leader", c.leader.value());
  add("synod_serving", c.serving ? 1 : 0);
  add("synod_votes", c.votes ? 1 : 0);
  add_rules(values, c);
  add_lease(values, c);
  add("synod_digest", fmt::format("{:016x}", facts.digest));
  add("synod_slot_applied", c.applied.value());
  add("synod_slot_last", c.last.value());
  add("synod_elections", c.elections);
  add("synod_proposals", c.proposals);
  add("synod_slow_applies", c.slow_applies);
  add("synod_disk_full", c.disk_full ? 1 : 0);
  add("synod_slow_requests", s.slow_requests);
  add_limits(values, facts);
  for (const NamedHistogram& stage : histograms_of(facts)) {
    const std::string key = fmt::format("synod_{}_ms", stage.name);
    const auto ms = [](std::int64_t us) { return fmt::format("{}.{:03}", us / 1000, us % 1000); };
    add((key + "_count").c_str(), stage.histogram->count());
    add((key + "_p50").c_str(), ms(stage.histogram->percentile_us(50)));
    add((key + "_p99").c_str(), ms(stage.histogram->percentile_us(99)));
    add((key + "_max").c_str(), ms(stage.histogram->max_us()));
  }
  if (!c.rot.empty()) {
    add("synod_rot", c.rot);
  }
  if (!c.reason.empty()) {
    add("synod_reason", c.reason);
  }
  return values;
}

bool is_four_letter_word(std::string_view word) { return is_among(word, known); }

bool four_letter_allowed(std::string_view word, const EdgeOptions& options) {
  if (is_among(word, missing)) {
    return false;
  }
  const std::set<std::string>& words = options.four_letter_words;
  return word == "srvr" || words.count("*") != 0 || words.count(std::string(word)) != 0;
}

std::string answer_four_letter(std::string_view word, const FourLetterView& facts,
                               const EdgeOptions& options) {
  if (!four_letter_allowed(word, options)) {
    return std::string(word) + " is not executed because it is not in the whitelist.\n";
  }
  const bool serving = facts.cluster.serving;
  if (word == "ruok") {
    return "imok";
  }
  if (word == "isro") {
    return serving ? "rw" : "null";
  }
  if (word == "envi") {
    return envi(options);
  }
  // mntr is answered even so: it is how `synod status` learns why.
  if (!serving && word != "mntr") {
    return "This ZooKeeper instance is not currently serving requests\n";
  }
  if (word == "srvr") {
    return version_line(options) + server_lines(facts, options);
  }
  if (word == "stat") {
    return stat(facts, options);
  }
  if (word == "conf") {
    return conf(options);
  }
  if (word == "cons") {
    return cons(facts);
  }
  if (word == "mntr") {
    return mntr(facts, options);
  }
  if (word == "crst") {
    return "Connection stats reset.\n";
  }
  if (word == "srst") {
    return "Server stats reset.\n";
  }
  if (word == "wchc") {
    return watches_by_session(facts);
  }
  if (word == "wchp") {
    return watches_by_path(facts);
  }
  return fmt::format("{} connections watching {} paths\nTotal watches:{}\n", facts.watching,
                     facts.paths_watched, facts.data_watches);
}

}  // namespace synod::coordinator
