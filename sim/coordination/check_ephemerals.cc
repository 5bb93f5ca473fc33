#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "sim/coordination/checker.h"

namespace synod::sim::coordination {
namespace {

using zkwire::OpCode;

struct Session {
  std::int64_t alive_until = 0;  // the greatest zxid of a write that it had acknowledged
  std::int64_t closed_at = 0;    // 0: not by itself
};

struct Ephemeral {
  std::int64_t session = 0;
  std::int64_t made_at = 0;
  std::int64_t removed_at = 0;  // 0: not by an answered delete
  bool removal_asked = false;
};

class EphemeralCheck {
 public:
  EphemeralCheck(const History& history, Findings& findings)
      : history_(history), findings_(findings) {}

  void run() {
    for (const Operation& operation : history_.operations) {
      learn(operation);
    }
    for (const Step& step : history_.steps) {
      if (step.kind == Step::Kind::expired) {
        dead_[step.client].insert(step.session);
      } else if (step.kind == Step::Kind::complete) {
        const Operation& operation = history_.operations[step.operation];
        if (operation.op == OpCode::close_session && operation.succeeded()) {
          dead_[step.client].insert(operation.session);
        }
        judge(operation);
      }
    }
  }

 private:
  void learn(const Operation& operation) {
    const bool acknowledged = operation.succeeded() && is_write(operation.op);
    if (acknowledged) {
      Session& session = sessions_[operation.session];
      session.alive_until = std::max(session.alive_until, operation.header.zxid);
      if (operation.op == OpCode::close_session) {
        session.closed_at = operation.header.zxid;
      }
    }
    const std::string& path = path_of(operation.request);
    if (!path.starts_with("/e/")) {
      return;
    }
    if (operation.op == OpCode::create || operation.op == OpCode::create2) {
      if (acknowledged) {
        nodes_[path].session = operation.session;
        nodes_[path].made_at = operation.header.zxid;
      }
    } else if (operation.op == OpCode::remove) {
      nodes_[path].removal_asked = true;
      if (acknowledged) {
        nodes_[path].removed_at = operation.header.zxid;
      }
    }
  }

  void judge(const Operation& operation) {
    const std::string& path = path_of(operation.request);
    const std::int64_t zxid = operation.header.zxid;
    if (path == "/e" && operation.succeeded()) {
      const std::vector<std::string>* names = nullptr;
      if (const auto* children = std::get_if<zkwire::ChildrenReply>(&operation.reply)) {
        names = &children->children;
      } else if (const auto* both = std::get_if<zkwire::ChildrenStatReply>(&operation.reply)) {
        names = &both->children;
      }
      if (names != nullptr) {
        const std::set<std::string> seen(names->begin(), names->end());
        for (const auto& [node_path, node] : nodes_) {
          shown(node_path, seen.count(node_path.substr(3)) != 0, zxid, operation);
        }
      }
    } else if (path.starts_with("/e/") && !is_write(operation.op) && operation.op != OpCode::sync &&
               zxid > 0) {
      shown(path, operation.header.err == 0, zxid, operation);
    }
  }

  void shown(const std::string& path, bool present, std::int64_t zxid, const Operation& operation) {
    auto it = nodes_.find(path);
    if (it == nodes_.end() || it->second.made_at == 0) {
      return;
    }
    const Ephemeral& node = it->second;
    const Session& session = sessions_[node.session];
    const bool removed = node.removed_at != 0 && node.removed_at <= zxid;
    if (!present && !removed && !node.removal_asked && node.made_at <= zxid &&
        zxid <= session.alive_until && session.closed_at == 0) {
      findings_.add(
          fmt::format("ephemerals: {} is missing at {:#x}, its session lived until {:#x}: {}", path,
                      zxid, session.alive_until, describe(operation)));
    }
    if (present &&
        (zxid < node.made_at || removed || (session.closed_at != 0 && session.closed_at <= zxid))) {
      findings_.add(fmt::format("ephemerals: {} is there at {:#x}, but was removed: {}", path, zxid,
                                describe(operation)));
    }
    if (present && dead_[operation.client].count(node.session) != 0) {
      findings_.add(fmt::format("ephemerals: {} is there after its session's end was told: {}",
                                path, describe(operation)));
    }
  }

  const History& history_;
  Findings& findings_;
  std::map<std::int64_t, Session> sessions_;
  std::map<std::string, Ephemeral> nodes_;
  std::map<int, std::set<std::int64_t>> dead_;
};

}  // namespace

void check_ephemerals(const History& history, Findings& findings) {
  EphemeralCheck(history, findings).run();
}

}  // namespace synod::sim::coordination
