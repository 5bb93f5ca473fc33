#include "sim/coordination/history.h"

#include <fmt/format.h>

namespace synod::sim::coordination {
namespace {

using zkwire::OpCode;

struct PathOf {
  const std::string& operator()(const zkwire::CreateRequest& r) const { return r.path; }
  const std::string& operator()(const zkwire::PathVersionRequest& r) const { return r.path; }
  const std::string& operator()(const zkwire::SetDataRequest& r) const { return r.path; }
  const std::string& operator()(const zkwire::PathWatchRequest& r) const { return r.path; }
  const std::string& operator()(const zkwire::PathRequest& r) const { return r.path; }
  template <typename T>
  const std::string& operator()(const T&) const {
    static const std::string none;
    return none;
  }
};

}  // namespace

bool is_write(OpCode op) {
  switch (op) {
    case OpCode::create:
    case OpCode::create2:
    case OpCode::remove:
    case OpCode::set_data:
    case OpCode::multi:
    case OpCode::close_session: return true;
    default: return false;
  }
}

const std::string& path_of(const zkwire::Request& request) { return std::visit(PathOf{}, request); }

std::string describe(const Operation& operation) {
  std::string what = zkwire::to_string(operation.op);
  if (const auto* multi = std::get_if<zkwire::MultiRequest>(&operation.request)) {
    for (const zkwire::MultiPart& part : multi->parts) {
      what +=
          fmt::format(" [{} {}]", zkwire::to_string(part.type), std::visit(PathOf{}, part.request));
    }
  } else {
    what += " " + path_of(operation.request);
  }
  std::string result = "unanswered";
  if (operation.completed()) {
    result = fmt::format("zxid {:#x} {}", operation.header.zxid,
                         zkwire::to_string(static_cast<zkwire::Code>(operation.header.err)));
  }
  return fmt::format("client {} session {:#x}: {} {}: {}", operation.client, operation.session,
                     what, operation.tag, result);
}

}  // namespace synod::sim::coordination
