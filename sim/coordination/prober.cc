#include "sim/coordination/prober.h"

#include <fmt/format.h>

#include <algorithm>

namespace synod::sim::coordination {
namespace {

constexpr Duration pause = Duration::millis(50);

}  // namespace

Prober::Prober(SimProcess& process, History& history, const ClientOptions& options)
    : process_(process),
      lane_(process.main_lane()),
      number_(options.number),
      client_(process, history, *this, options) {}

void Prober::send() {
  if (!client_.ready() || asked_) {
    return;
  }
  asked_ = true;
  asked_at_ = process_.world().here();
  const std::string tag = fmt::format("c{}-{}", number_, ++tags_);
  zkwire::CreateRequest request;
  request.path = "/c/" + tag;
  request.data = tag;
  request.acl = zkwire::open_acl();
  client_.submit(zkwire::OpCode::create, std::move(request), tag);
}

void Prober::on_reply(const Operation& operation) {
  asked_ = false;
  if (operation.succeeded()) {
    served_at_ = process_.world().here();
    slowest_ = std::max(slowest_, served_at_ - asked_at_);
  }
  lane_.after(pause, scope_.wrap([this] { send(); }));
}

}  // namespace synod::sim::coordination
