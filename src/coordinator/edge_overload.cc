// What an Edge does when its clients ask for more than it gets done: turns, pauses, cuts.
#include <utility>

#include "coordinator/edge.h"
#include "coordinator/edge_connection.h"

namespace synod::coordinator {
namespace {

constexpr Duration crowded_said_interval = Duration::seconds(10);

}  // namespace

// Connections whose writes wait hand them over in turn, while the engine takes any.
void Edge::take_turns() {
  while (shares_.anyone_queues() && !shares_.full() && !resubmit_soon_) {
    if (EdgeConnection* connection = find(shares_.next_turn())) {
      connection->take_turn();
    }
  }
}

void Edge::wake_those_who_waited() {
  if (shares_.crowds() != crowds_) {
    crowds_ = shares_.crowds();
    if (turn_ - crowded_said_ >= crowded_said_interval) {
      crowded_said_ = turn_;
      lane_.log().warning("edge",
                          "{} bytes of requests wait to be applied: clients that have most of them "
                          "are not read from until there are fewer",
                          shares_.held_bytes());
    }
  }
  if (shares_.settled()) {
    for (const auto& [id, connection] : connections_) {
      if (connection->paused()) {
        make_ready(id);
      }
    }
  }
}

// Readers that do not read share what there is for output, too: the worst of them goes first.
void Edge::sweep_output() {
  std::size_t total = 0;
  for (const auto& [id, connection] : connections_) {
    total += connection->unread_bytes();
  }
  while (total > options_.output_bytes_max) {
    EdgeConnection* worst = nullptr;
    for (const auto& [id, connection] : connections_) {
      if (!connection->closing() &&
          (worst == nullptr || connection->unread_bytes() > worst->unread_bytes())) {
        worst = connection.get();
      }
    }
    if (worst == nullptr) {
      return;
    }
    total -= worst->unread_bytes();
    worst->cut("too much waits for all clients, and most of it for this one");
  }
}

}  // namespace synod::coordinator
