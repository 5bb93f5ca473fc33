#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "sim/coordination/checker.h"

namespace synod::sim::coordination {
namespace {

using zkwire::OpCode;

// What is known of one key that a single client sets.
struct Key {
  std::map<std::string, std::size_t> sent;  // tag -> its place in the order of sending, from 1
  struct Version {
    std::string tag;
    std::int64_t mzxid = 0;
  };
  std::map<std::int32_t, Version> versions;
  struct Seen {
    const Operation* read = nullptr;
    std::int64_t zxid = 0;
    std::int32_t version = 0;
  };
  std::vector<Seen> reads;
};

void learn(Key& key, std::int32_t version, const std::string& tag, std::int64_t mzxid,
           const Operation& operation, Findings& findings) {
  const auto [it, fresh] = key.versions.try_emplace(version, Key::Version{tag, mzxid});
  if (!fresh && (it->second.tag != tag || it->second.mzxid != mzxid)) {
    findings.add(fmt::format("keys: version {} is {} at {:#x} and {} at {:#x}: {}", version,
                             it->second.tag, it->second.mzxid, tag, mzxid, describe(operation)));
  }
  if (tag != path_of(operation.request) && key.sent.count(tag) == 0) {
    findings.add(
        fmt::format("keys: {} holds {}, which nobody set there", path_of(operation.request), tag));
  }
}

// Versions rise with the order of sending: no set takes effect twice, or before an earlier one.
void check_versions(const std::string& path, const Key& key, Findings& findings) {
  std::int32_t version_before = 0;
  std::size_t place_before = 0;
  std::int64_t mzxid_before = 0;
  for (const auto& [version, found] : key.versions) {
    auto it = key.sent.find(found.tag);
    const std::size_t place = it == key.sent.end() ? 0 : it->second;
    if (version != 0) {
      const auto steps = static_cast<std::size_t>(version - version_before);
      if (place < place_before + steps || found.mzxid <= mzxid_before) {
        findings.add(fmt::format(
            "keys: {} version {} is the set number {}, version {} was number {}: a set took effect "
            "twice or out of order",
            path, version, place, version_before, place_before));
      }
    }
    version_before = version;
    place_before = place;
    mzxid_before = found.mzxid;
  }
}

// Every answered set counts: between two versions lie at least the answered ones between them.
void check_answered(const std::string& path, const Key& key, const std::vector<bool>& answered,
                    Findings& findings) {
  std::int32_t version_before = 0;
  std::size_t place_before = 0;
  for (const auto& [version, found] : key.versions) {
    auto it = key.sent.find(found.tag);
    if (it == key.sent.end()) {
      continue;
    }
    std::int32_t must = 0;
    for (std::size_t place = place_before + 1; place <= it->second; ++place) {
      must += answered[place] ? 1 : 0;
    }
    if (version - version_before < must) {
      findings.add(fmt::format("keys: {} has version {} after {}: an acknowledged set is missing",
                               path, version, version_before));
    }
    version_before = version;
    place_before = it->second;
  }
}

void check_reads(const std::string& path, const Key& key, Findings& findings) {
  for (const Key::Seen& seen : key.reads) {
    auto next = key.versions.upper_bound(seen.version);
    const std::int64_t mzxid = key.versions.at(seen.version).mzxid;
    if (mzxid > seen.zxid || (next != key.versions.end() && next->second.mzxid <= seen.zxid)) {
      findings.add(
          fmt::format("keys: {} read version {} of {:#x} at {:#x}, not the newest then: {}", path,
                      seen.version, mzxid, seen.zxid, describe(*seen.read)));
    }
  }
}

}  // namespace

void check_keys(const History& history, Findings& findings) {
  std::map<std::string, Key> keys;
  std::map<std::string, std::vector<bool>> answered;
  for (const Operation& operation : history.operations) {
    const std::string& path = path_of(operation.request);
    if (!path.starts_with("/p/")) {
      continue;
    }
    Key& key = keys[path];
    if (std::holds_alternative<zkwire::SetDataRequest>(operation.request)) {
      std::vector<bool>& list = answered[path];
      list.resize(std::max<std::size_t>(list.size(), 1));
      key.sent[operation.tag] = list.size();
      list.push_back(operation.succeeded());
      if (operation.completed() && operation.header.err != 0 &&
          operation.header.err != static_cast<std::int32_t>(zkwire::Code::session_expired)) {
        findings.add("keys: a set that cannot fail failed: " + describe(operation));
      }
      if (const auto* reply = std::get_if<zkwire::StatReply>(&operation.reply)) {
        if (operation.succeeded()) {
          learn(key, reply->stat.version, operation.tag, reply->stat.mzxid, operation, findings);
          if (reply->stat.mzxid != operation.header.zxid) {
            findings.add("keys: mzxid is not the set's own: " + describe(operation));
          }
        }
      }
    }
  }
  for (const Operation& operation : history.operations) {
    const std::string& path = path_of(operation.request);
    const auto* reply = std::get_if<zkwire::DataReply>(&operation.reply);
    auto it = keys.find(path);
    if (it == keys.end() || reply == nullptr || !operation.succeeded()) {
      continue;
    }
    learn(it->second, reply->stat.version, reply->data.value_or(""), reply->stat.mzxid, operation,
          findings);
    it->second.reads.push_back({&operation, operation.header.zxid, reply->stat.version});
  }
  for (const auto& [path, key] : keys) {
    check_versions(path, key, findings);
    check_answered(path, key, answered[path], findings);
    check_reads(path, key, findings);
  }
}

}  // namespace synod::sim::coordination
