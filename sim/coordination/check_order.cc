#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "sim/coordination/checker.h"

namespace synod::sim::coordination {
namespace {

using zkwire::OpCode;

struct ClientState {
  std::int64_t seen = 0;        // the greatest zxid of a reply
  std::int64_t sync_floor = 0;  // what was acknowledged before its last answered sync was asked
};

}  // namespace

void Findings::add(const std::string& what) {
  constexpr std::size_t findings_max = 20;
  constexpr std::ptrdiff_t dots_max = 3;
  if (all_.size() >= findings_max) {
    return;
  }
  std::string text;
  std::ptrdiff_t dots = 0;
  for (const char c : what) {
    dots = c == '.' ? dots + 1 : 0;
    if (dots <= dots_max) {
      text += c;
    }
  }
  all_.push_back(std::move(text));
}

void check_order(const History& history, Findings& findings) {
  std::map<std::int64_t, std::size_t> writes;  // zxid -> operation
  std::map<int, ClientState> clients;
  std::vector<std::int64_t> floor(history.operations.size(), 0);
  std::int64_t acknowledged = 0;
  for (const Step& step : history.steps) {
    if (step.kind == Step::Kind::invoke) {
      floor[step.operation] = acknowledged;
      continue;
    }
    if (step.kind != Step::Kind::complete) {
      continue;
    }
    const Operation& operation = history.operations[step.operation];
    const std::int64_t zxid = operation.header.zxid;
    if (zxid <= 0) {
      continue;
    }
    ClientState& client = clients[operation.client];
    if (zxid < client.seen) {
      findings.add(fmt::format("order: a reply goes back behind {:#x}: {}", client.seen,
                               describe(operation)));
    }
    client.seen = std::max(client.seen, zxid);
    if (is_write(operation.op)) {
      const auto [it, fresh] = writes.try_emplace(zxid, step.operation);
      if (!fresh) {
        findings.add(fmt::format("order: one zxid for two writes: {} AND {}", describe(operation),
                                 describe(history.operations[it->second])));
      }
      if (zxid <= floor[step.operation]) {
        findings.add(fmt::format("order: {:#x} was acknowledged before this was asked: {}",
                                 floor[step.operation], describe(operation)));
      }
      acknowledged = std::max(acknowledged, zxid);
    } else {
      if (operation.op == OpCode::sync && operation.header.err == 0) {
        client.sync_floor = std::max(client.sync_floor, floor[step.operation]);
      }
      if (zxid < client.sync_floor) {
        findings.add(fmt::format("order: stale after a sync that had to show {:#x}: {}",
                                 client.sync_floor, describe(operation)));
      }
    }
  }
}

Findings check_history(const History& history) {
  Findings findings;
  for (const std::string& complaint : history.complaints) {
    findings.add(complaint);
  }
  Model model;
  check_order(history, findings);
  check_keys(history, findings);
  if (history.audited) {
    // Whether an unanswered write took effect is known only when everything was read at the end.
    check_replies(history, model, findings);
    check_watches(history, model, findings);
    check_ephemerals(history, findings);
  }
  check_fifo(history, findings);
  check_sessions(history, findings);
  check_linear(history, findings);
  return findings;
}

}  // namespace synod::sim::coordination
