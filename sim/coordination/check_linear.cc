// The registers below /w and the keys below /p, each by itself, with all zxids hidden: writes, and
// reads that a sync on the same connection stands before. Such a read shows what the register held
// at some moment between the asking of the sync and its own answer; where every read was promised
// to be linearizable, at some moment between its own asking and answer.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "sim/coordination/checker.h"
#include "sim/coordination/linear.h"

namespace synod::sim::coordination {
namespace {

// "/w/0", "/p/1/0".
bool is_register(const std::string& path) {
  const auto slashes = std::count(path.begin(), path.end(), '/');
  return (path.starts_with("/w/") && slashes == 2) || (path.starts_with("/p/") && slashes == 3);
}

}  // namespace

void check_linear(const History& history, Findings& findings) {
  std::map<std::string, std::vector<RegisterOp>> registers;
  std::map<std::uint64_t, std::size_t> synced;  // by connection: when the last answered was asked
  for (const Operation& operation : history.operations) {
    const std::string& path = path_of(operation.request);
    if (operation.op == zkwire::OpCode::sync && operation.succeeded()) {
      synced[operation.connection] = operation.invoked_step;
    }
    if (!is_register(path)) {
      continue;
    }
    RegisterOp one;
    if (operation.op == zkwire::OpCode::set_data) {
      one.write = true;
      one.value = operation.tag;
      one.invoked = operation.invoked_step;
      one.completed = operation.succeeded() ? *operation.completed_step : RegisterOp::never;
    } else if (operation.op == zkwire::OpCode::get_data && operation.succeeded() &&
               (history.linearizable_reads || synced.count(operation.connection) != 0)) {
      one.value = std::get<zkwire::DataReply>(operation.reply).data.value_or("");
      one.invoked =
          history.linearizable_reads ? operation.invoked_step : synced[operation.connection];
      one.completed = *operation.completed_step;
    } else {
      continue;
    }
    registers[path].push_back(std::move(one));
  }
  for (const auto& [path, operations] : registers) {
    // The groundwork's data are the paths themselves.
    if (check_register(operations, path) == Linear::no) {
      findings.add(fmt::format("linear: no order of the {} operations on {} explains them",
                               operations.size(), path));
    }
  }
}

}  // namespace synod::sim::coordination
