#include "sim/coordination/flood.h"

#include <fmt/format.h>

namespace synod::sim::coordination {

Flood::Flood(SimProcess& process, const FloodOptions& options)
    : options_(options),
      path_(fmt::format("/flood-{}", options.client.number)),
      prng_(process.main_lane().entropy().next()),
      client_(process, history_, *this, options.client) {}

void Flood::on_ready() {
  if (!stopped_) {
    client_.submit(zkwire::OpCode::create,
                   zkwire::CreateRequest{path_, Bytes(), zkwire::open_acl(), 0, -1});
    fill();
  }
}

void Flood::on_reply(const Operation&) {
  ++answered_;
  fill();
}

void Flood::fill() {
  while (!stopped_ && client_.ready() && client_.unanswered() < options_.outstanding) {
    const bool large = prng_.chance(1, options_.large_once_in);
    client_.submit(
        zkwire::OpCode::set_data,
        zkwire::SetDataRequest{path_, Bytes(large ? options_.large_bytes : 16, 'x'), -1});
  }
}

}  // namespace synod::sim::coordination
