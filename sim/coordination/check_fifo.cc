// What ZooKeeper calls the client order: the writes of one session take effect in the order in
// which they were sent, and a connection that ends loses a suffix of them, never one from their
// midst. A write whose answer was lost is placed by the zxid that a read of its tag shows.
#include <fmt/format.h>

#include <map>
#include <set>

#include "sim/coordination/checker.h"

namespace synod::sim::coordination {
namespace {

using zkwire::Code;
using zkwire::OpCode;

// Audits have numbers from 101 to 107: they read everything, after a sync.
bool is_audit(int client) { return client > 100 && client < 108; }

struct TagEffects {
  std::map<std::string, std::int64_t> zxids;  // by tag, as reads show them
  bool audited = false;
  std::set<std::string> created;  // names below /c at the end
};

TagEffects find_effects(const History& history) {
  TagEffects effects;
  for (const Operation& operation : history.operations) {
    const std::string& path = path_of(operation.request);
    if (const auto* reply = std::get_if<zkwire::DataReply>(&operation.reply)) {
      const std::string tag = reply->data.value_or("");
      if (operation.succeeded() && !tag.empty() && tag != path && !path.starts_with("/s/") &&
          !path.starts_with("/r/")) {
        const bool is_set = path.starts_with("/p/") || path.starts_with("/w/");
        effects.zxids[tag] = is_set ? reply->stat.mzxid : reply->stat.czxid;
      }
    } else if (const auto* names = std::get_if<zkwire::ChildrenStatReply>(&operation.reply)) {
      if (operation.succeeded() && is_audit(operation.client) && path == "/c") {
        effects.audited = true;
        effects.created.insert(names->children.begin(), names->children.end());
      }
    }
  }
  return effects;
}

// The zxid at which it took effect; 0 if it did not, or nobody knows.
std::int64_t effect_of(const Operation& operation, const TagEffects& effects) {
  if (operation.completed()) {
    const bool ended = operation.header.err == static_cast<std::int32_t>(Code::session_expired) ||
                       operation.header.err == static_cast<std::int32_t>(Code::session_moved);
    return ended ? 0 : operation.header.zxid;
  }
  auto it = effects.zxids.find(operation.tag);
  return operation.tag.empty() || it == effects.zxids.end() ? 0 : it->second;
}

// True if the write cannot fail and certainly did not take effect.
bool is_lost(const Operation& operation, const TagEffects& effects) {
  const std::string& path = path_of(operation.request);
  const bool creates = operation.op == OpCode::create || operation.op == OpCode::create2;
  return effects.audited && creates && !operation.completed() && path == "/c/" + operation.tag &&
         effects.created.count(operation.tag) == 0;
}

}  // namespace

void check_fifo(const History& history, Findings& findings) {
  const TagEffects effects = find_effects(history);
  struct Before {
    std::int64_t zxid = 0;
    const Operation* operation = nullptr;
  };
  std::map<std::int64_t, Before> sessions;
  std::map<std::uint64_t, const Operation*> lost;  // by connection: the first
  for (const Operation& operation : history.operations) {
    if (!is_write(operation.op)) {
      continue;
    }
    if (is_lost(operation, effects)) {
      lost.try_emplace(operation.connection, &operation);
      continue;
    }
    const std::int64_t zxid = effect_of(operation, effects);
    if (zxid <= 0) {
      continue;
    }
    Before& before = sessions[operation.session];
    if (zxid <= before.zxid) {
      findings.add(fmt::format(
          "fifo: {:#x} is not behind {:#x} of what its session sent before: {} AFTER {}", zxid,
          before.zxid, describe(operation), describe(*before.operation)));
    } else {
      before = {zxid, &operation};
    }
    auto hole = lost.find(operation.connection);
    if (hole != lost.end()) {
      findings.add(
          fmt::format("fifo: took effect at {:#x}: {} BUT NOT what was sent before on the same "
                      "connection: {}",
                      zxid, describe(operation), describe(*hole->second)));
    }
  }
}

}  // namespace synod::sim::coordination
