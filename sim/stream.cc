// The sending and hearing of bytes: SimStream and its half of SimNetwork.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/checksum.h"
#include "ports/scope.h"
#include "sim/connection.h"

namespace synod::sim {
namespace {

constexpr Duration resend_wait_max = Duration::millis(1000);
constexpr Duration close_patience = Duration::seconds(3);

Error reset_error() { return Error{ErrorCode::io, "connection reset"}; }

}  // namespace

SimStream::~SimStream() { network_.leave(connection_, side_); }

void SimStream::attach(ports::Lane& lane, ports::StreamHandler& handler) {
  SYNOD_CHECK(self().lane == nullptr);
  self().lane = static_cast<SimLane*>(&lane);
  self().handler = &handler;
  network_.wake(connection_, side_);
}

void SimStream::write(Bytes bytes) {
  Connection::End& end = self();
  if (end.gone || end.shutdown_asked || end.close_asked || end.failure) {
    return;
  }
  end.drain_owed = true;
  end.unsent += bytes;
  network_.pump(connection_, side_);
}

void SimStream::resume_reading() {
  self().reading_paused = false;
  network_.wake(connection_, side_);
}

void SimStream::shutdown_write() {
  self().shutdown_asked = true;
  network_.pump(connection_, side_);
}

void SimStream::close() {
  self().close_asked = true;
  network_.pump(connection_, side_);
  network_.wake(connection_, side_);
  network_.close_anyway_later(connection_, side_);
}

// A peer that does not read must not keep a closing stream for ever.
void SimNetwork::close_anyway_later(const Shared& connection, int side) {
  if (connection->ends[side].fin_departed) {
    return;
  }
  world_.schedule(world_.here() + close_patience, nullptr, [this, connection, side] {
    Connection::End& end = connection->ends[side];
    if (end.gone || end.fin_departed || end.failure) {
      return;
    }
    end.unsent.clear();
    end.fin_departed = true;
    Packet last;
    last.kind = Packet::Kind::reset;
    depart(connection, side, std::move(last));
    wake(connection, side);
  });
}

void SimNetwork::pump(const Shared& connection, int side) {
  Connection::End& end = connection->ends[side];
  if (end.gone || end.failure) {
    return;
  }
  while (!end.unsent.empty() && end.unacknowledged < options_.window_bytes) {
    std::size_t count = std::min(
        end.unsent.size(), static_cast<std::size_t>(options_.window_bytes) - end.unacknowledged);
    if (count > 1 && prng_.chance(1, 4)) {
      count = 1 + static_cast<std::size_t>(prng_.below(count));
    }
    Packet packet;
    packet.bytes = end.unsent.substr(0, count);
    end.unsent.erase(0, count);
    end.unacknowledged += count;
    depart(connection, side, std::move(packet));
  }
  if (!end.unsent.empty()) {
    return;
  }
  if ((end.shutdown_asked || end.close_asked) && !end.fin_departed) {
    end.fin_departed = true;
    Packet fin;
    fin.kind = Packet::Kind::fin;
    depart(connection, side, std::move(fin));
  }
  wake(connection, side);
}

void SimNetwork::depart(const Shared& connection, int side, Packet packet) {
  if (world_.current_ended()) {
    return;
  }
  Connection::End& from = connection->ends[side];
  const SimMachine& source = from.process->machine();
  const SimMachine& target = connection->ends[1 - side].process->machine();
  packet.departed = world_.here();
  packet.ready = packet.departed + draw_latency(source, target);
  if (!connection->pipe && options_.chunk_lost_once_in != 0 &&
      prng_.chance(1, options_.chunk_lost_once_in)) {
    packet.ready = packet.ready + options_.resend_after;
  }
  if (!from.way.empty()) {
    packet.ready = std::max(packet.ready, from.way.back().ready + Duration::nanos(1));
  }
  if (tap_ && !packet.bytes.empty()) {
    tap_({*from.process, *connection->ends[1 - side].process, connection->number, packet.bytes});
  }
  world_.mix(hash64(packet.bytes, static_cast<std::uint64_t>(packet.kind)));
  from.way.push_back(std::move(packet));
  schedule_arrival(connection, side, from.way.front().ready);
}

void SimNetwork::schedule_arrival(const Shared& connection, int side, Instant when) {
  Connection::End& from = connection->ends[side];
  if (from.arrival_scheduled) {
    return;
  }
  from.arrival_scheduled = true;
  world_.schedule(when, nullptr, [this, connection, side] {
    connection->ends[side].arrival_scheduled = false;
    arrive(connection, side);
  });
}

// The first packet on the way of `side` reaches the other machine, or does not.
void SimNetwork::arrive(const Shared& connection, int side) {
  Connection::End& from = connection->ends[side];
  Connection::End& to = connection->ends[1 - side];
  if (from.way.empty()) {
    return;
  }
  const Instant now = world_.now();
  const Packet& head = from.way.front();
  if (head.ready > now) {
    schedule_arrival(connection, side, head.ready);
    return;
  }
  if (!reaches(from.process->machine(), to.process->machine())) {
    if (head.kind == Packet::Kind::reset || !from.process->machine().powered()) {
      from.way.clear();  // nobody is there to send it again
      return;
    }
    if (from.attempts++ == 0) {
      from.blocked_since = now;
    }
    const Duration patience =
        options_.give_up_max / 2 +
        Duration::nanos(static_cast<std::int64_t>(
            prng_.below(static_cast<std::uint64_t>(options_.give_up_max.nanos() / 2) + 1)));
    if (now - from.blocked_since > patience) {
      from.way.clear();
      from.failure = Error{ErrorCode::timed_out, "no answer from the other side"};
      wake(connection, side);
      return;
    }
    const Duration wait = options_.resend_after * (1 << std::min(from.attempts, 5));
    schedule_arrival(connection, side, now + std::min(wait, resend_wait_max));
    return;
  }
  from.attempts = 0;
  Packet packet = std::move(from.way.front());
  from.way.pop_front();
  if (!from.way.empty()) {
    schedule_arrival(connection, side, from.way.front().ready);
  }
  if (to.gone) {
    if (packet.kind == Packet::Kind::bytes && !from.gone) {
      Packet answer;
      answer.kind = Packet::Kind::reset;
      depart(connection, 1 - side, std::move(answer));
    }
    return;
  }
  switch (packet.kind) {
    case Packet::Kind::bytes: to.received += packet.bytes; break;
    case Packet::Kind::fin: to.fin_received = true; break;
    case Packet::Kind::reset:
      to.failure = reset_error();
      // What had arrived and was not read yet may go with it.
      to.received.resize(to.received.size() - prng_.below(to.received.size() + 1));
      break;
  }
  wake(connection, 1 - side);
}

// `side` has read so much: the other side may send as much again.
void SimNetwork::acknowledge(const Shared& connection, int side, std::size_t count) {
  SimMachine& from = connection->ends[side].process->machine();
  SimMachine& to = connection->ends[1 - side].process->machine();
  const bool open = reaches(from, to);
  const Duration wait = open ? draw_latency(from, to) : options_.resend_after;
  world_.schedule(world_.here() + wait, nullptr, [this, connection, side, count, open] {
    Connection::End& sender = connection->ends[1 - side];
    if (sender.gone) {
      return;
    }
    if (!open) {
      acknowledge(connection, side, count);
      return;
    }
    sender.unacknowledged -= std::min(sender.unacknowledged, count);
    pump(connection, 1 - side);
  });
}

void SimNetwork::wake(const Shared& connection, int side) {
  Connection::End& end = connection->ends[side];
  if (end.gone || end.lane == nullptr || end.wake_scheduled || end.closed_told) {
    return;
  }
  end.wake_scheduled = true;
  end.lane->deliver(world_.here(), [this, connection, side] {
    connection->ends[side].wake_scheduled = false;
    tell(connection, side);
  });
}

// One turn of the Lane: tells the handler one thing, and comes back for the next.
void SimNetwork::tell(const Shared& connection, int side) {
  Connection::End& end = connection->ends[side];
  if (end.gone || end.closed_told) {
    return;
  }
  ports::StreamHandler& handler = *end.handler;
  if (end.drain_owed && end.unsent.empty() && !end.failure && !end.close_asked) {
    end.drain_owed = false;
    wake(connection, side);
    handler.on_drained();
    return;
  }
  if (!end.received.empty() && !end.reading_paused && !end.close_asked) {
    std::size_t count = end.received.size();
    if (count > 1 && prng_.chance(1, 8)) {
      count = 1 + static_cast<std::size_t>(prng_.below(count));
    }
    const Bytes bytes = end.received.substr(0, count);
    end.received.erase(0, count);
    acknowledge(connection, side, count);
    wake(connection, side);
    handler.on_bytes(bytes);
    return;
  }
  if (end.failure) {
    end.closed_told = true;
    handler.on_closed(*end.failure);
    return;
  }
  if (end.close_asked && end.fin_departed) {
    end.closed_told = true;
    handler.on_closed(Error{ErrorCode::closed, "closed"});
    return;
  }
  if (!end.fin_received || !end.received.empty() || end.close_asked) {
    return;
  }
  if (!end.eof_told) {
    end.eof_told = true;
    wake(connection, side);
    handler.on_eof();
  } else if (end.fin_departed) {
    end.closed_told = true;
    handler.on_closed(Error{ErrorCode::closed, "closed by both sides"});
  }
}

// What has departed and not arrived is lost from a drawn place on.
void SimNetwork::lose_suffix(Connection& connection, int side) {
  std::deque<Packet>& way = connection.ends[side].way;
  if (!connection.pipe && !way.empty()) {
    way.resize(way.size() - static_cast<std::size_t>(prng_.below(way.size() + 1)));
  }
}

// The user of `side` let go of the stream.
void SimNetwork::leave(const Shared& connection, int side) {
  Connection::End& end = connection->ends[side];
  end.handler = nullptr;
  if (end.gone) {
    return;
  }
  end.gone = true;
  if (!end.fin_departed && !end.failure) {
    Packet last;
    last.kind = end.unsent.empty() ? Packet::Kind::fin : Packet::Kind::reset;
    depart(connection, side, std::move(last));
  }
}

void SimNetwork::break_connection(const Shared& connection) {
  for (int side = 0; side < 2; ++side) {
    Connection::End& end = connection->ends[side];
    lose_suffix(*connection, side);
    Connection::End& other = connection->ends[1 - side];
    for (Packet& packet : end.way) {
      if (packet.kind == Packet::Kind::bytes && !other.gone) {
        other.received += packet.bytes;
      }
    }
    end.way.clear();
  }
  for (int side = 0; side < 2; ++side) {
    connection->ends[side].failure = reset_error();
    wake(connection, side);
  }
}

}  // namespace synod::sim
