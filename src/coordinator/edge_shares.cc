#include "coordinator/edge_shares.h"

#include <utility>

#include "base/check.h"

namespace synod::coordinator {
namespace {

// What one turn adds to what a connection may submit.
constexpr std::size_t turn_bytes = 64U << 10;
// A request costs this much beside its bytes.
constexpr std::size_t request_cost_bytes = 256;

std::size_t weight(std::size_t bytes, std::size_t requests) {
  return bytes + requests * request_cost_bytes;
}

}  // namespace

void EdgeShares::hold(EdgeShare& share, std::size_t size_bytes) {
  holders_ += share.requests == 0 ? 1 : 0;
  ++share.requests;
  ++requests_;
  share.held_bytes += size_bytes;
  held_bytes_ += size_bytes;
}

void EdgeShares::let_go(EdgeShare& share, std::size_t size_bytes) {
  SYNOD_CHECK(share.requests > 0 && share.held_bytes >= size_bytes);
  --share.requests;
  --requests_;
  holders_ -= share.requests == 0 ? 1 : 0;
  share.held_bytes -= size_bytes;
  held_bytes_ -= size_bytes;
}

bool EdgeShares::too_many_bytes() const {
  return weight(held_bytes_, requests_) > limits_.held_bytes_max;
}
bool EdgeShares::too_many_requests() const {
  return limits_.requests_max != 0 && requests_ > limits_.requests_max;
}

bool EdgeShares::must_wait(const EdgeShare& share) {
  if (share.requests == 0 || !crowded()) {
    return false;
  }
  crowds_ += std::exchange(crowd_, true) ? 0 : 1;
  return (too_many_bytes() &&
          weight(share.held_bytes, share.requests) > limits_.held_bytes_max / holders_) ||
         (too_many_requests() && share.requests > limits_.requests_max / holders_);
}

bool EdgeShares::settled() {
  const auto fell = [](std::size_t now, std::size_t limit) { return now <= limit - limit / 4; };
  if (!crowd_ || !fell(weight(held_bytes_, requests_), limits_.held_bytes_max) ||
      (limits_.requests_max != 0 && !fell(requests_, limits_.requests_max))) {
    return false;
  }
  crowd_ = false;
  return true;
}

bool EdgeShares::has_room(const EdgeShare& share, std::size_t size_bytes) const {
  return share.in_flight == 0 ||
         (share.in_flight < limits_.in_flight_max &&
          share.in_flight_bytes + size_bytes <= limits_.in_flight_bytes_max);
}

bool EdgeShares::full() const {
  return in_flight_ >= limits_.total_in_flight_max ||
         in_flight_bytes_ >= limits_.total_in_flight_bytes_max;
}

void EdgeShares::submitted(EdgeShare& share, std::size_t size_bytes) {
  ++share.in_flight;
  ++in_flight_;
  share.in_flight_bytes += size_bytes;
  in_flight_bytes_ += size_bytes;
}

void EdgeShares::done(EdgeShare& share, std::size_t size_bytes) {
  SYNOD_CHECK(share.in_flight > 0 && share.in_flight_bytes >= size_bytes);
  --share.in_flight;
  --in_flight_;
  share.in_flight_bytes -= size_bytes;
  in_flight_bytes_ -= size_bytes;
}

void EdgeShares::forget(EdgeShare& share) {
  in_flight_ -= share.in_flight;
  in_flight_bytes_ -= share.in_flight_bytes;
  share.in_flight = 0;
  share.in_flight_bytes = 0;
}

void EdgeShares::queue(EdgeShare& share, ConnectionId connection) {
  if (!std::exchange(share.queues, true)) {
    turns_.push_back(connection);
  }
}

EdgeShares::ConnectionId EdgeShares::next_turn() {
  const ConnectionId next = turns_.front();
  turns_.pop_front();
  return next;
}

void EdgeShares::begin_turn(EdgeShare& share) {
  share.queues = false;
  share.allowance_bytes += turn_bytes;
}

void EdgeShares::leave(EdgeShare& share) {
  forget(share);
  holders_ -= share.requests == 0 ? 0 : 1;
  requests_ -= share.requests;
  held_bytes_ -= share.held_bytes;
  share = EdgeShare{};
}

}  // namespace synod::coordinator
