// What the connections of one Edge hold together of requests that are not answered, and whose turn
// it is to hand writes to the engine.
//
//   reading     beyond held_bytes_max or requests_max, whoever holds more than its share of them is
//               not read from until enough is answered: its client is slowed by its own socket and
//               nobody else's. Nothing is dropped.
//   submitting  a connection has at most in_flight_max writes and in_flight_bytes_max at the engine
//               at once, but always one; all of them together at most as many as the totals say.
//               While the total is reached, connections take turns by bytes (deficit round robin).
//
// Source   Shreedhar, Varghese, "Efficient fair queueing using deficit round robin" (1995);
//          ZooKeeper's globalOutstandingLimit for the habit of not reading.
// Purity   Numbers only. Owned by an Edge, confined to its Lane.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/fifo.h"
#include "znode/watch_table.h"

namespace synod::coordinator {

// One connection's part.
struct EdgeShare {
  std::size_t held_bytes = 0;  // requests not answered
  std::size_t requests = 0;
  std::size_t in_flight = 0;  // writes at the engine
  std::size_t in_flight_bytes = 0;
  std::size_t allowance_bytes = 0;  // of its turns so far
  bool queues = false;              // for a turn
};

struct EdgeShareLimits {
  std::size_t held_bytes_max = 64U << 20;
  std::size_t requests_max = 0;  // 0: bytes alone count
  // Of one connection.
  std::size_t in_flight_max = 256;
  std::size_t in_flight_bytes_max = 512U << 10;
  // Of all.
  std::size_t total_in_flight_max = 8192;
  std::size_t total_in_flight_bytes_max = 8U << 20;
};

class EdgeShares {
 public:
  using ConnectionId = znode::Watcher;

  explicit EdgeShares(const EdgeShareLimits& limits) : limits_(limits) {}

  // --- requests read and answered
  void hold(EdgeShare& share, std::size_t size_bytes);
  void let_go(EdgeShare& share, std::size_t size_bytes);
  // The connection is read from no more for now: until an answer of its own, or settled().
  bool must_wait(const EdgeShare& share);
  // True once after too much was held, when a quarter of the limits is free again.
  bool settled();
  // How often too much was held.
  std::uint64_t crowds() const { return crowds_; }
  bool crowded() const { return too_many_bytes() || too_many_requests(); }
  std::size_t held_bytes() const { return held_bytes_; }

  // --- writes at the engine
  // Whether the next write of the size may go, as far as its own connection goes.
  bool has_room(const EdgeShare& share, std::size_t size_bytes) const;
  bool full() const;
  void submitted(EdgeShare& share, std::size_t size_bytes);
  void done(EdgeShare& share, std::size_t size_bytes);
  // What the connection has at the engine counts no more: it is to be submitted again.
  void forget(EdgeShare& share);
  // Others wait already, or nobody may submit now: the connection waits for its turn.
  bool must_queue() const { return full() || !turns_.empty(); }
  void queue(EdgeShare& share, ConnectionId connection);
  bool anyone_queues() const { return !turns_.empty(); }
  // Precondition: anyone_queues(). Begins the turn, if the connection is still there; what is left
  // of its allowance stays if it queues again.
  ConnectionId next_turn();
  static void begin_turn(EdgeShare& share);

  // The connection has ended.
  void leave(EdgeShare& share);

 private:
  bool too_many_bytes() const;
  bool too_many_requests() const;

  const EdgeShareLimits limits_;
  std::size_t held_bytes_ = 0;
  std::size_t requests_ = 0;
  std::size_t holders_ = 0;  // connections that hold anything
  std::size_t in_flight_ = 0;
  std::size_t in_flight_bytes_ = 0;
  bool crowd_ = false;  // until settled()
  std::uint64_t crowds_ = 0;
  Fifo<ConnectionId> turns_;
};

}  // namespace synod::coordinator
