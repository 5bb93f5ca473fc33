// One connection of the simulated network: private to network.cc and stream.cc.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "sim/machine.h"
#include "sim/network.h"

namespace synod::sim {

// What travels: bytes, or one of two ends of them.
struct Packet {
  enum class Kind { bytes, fin, reset };
  Kind kind = Kind::bytes;
  Bytes bytes;
  Instant departed;
  Instant ready;  // at the other side, if the link is open then
};

struct Connection {
  struct End {
    SimProcess* process = nullptr;
    SimLane* lane = nullptr;
    ports::StreamHandler* handler = nullptr;
    ports::Peer peer;
    bool gone = false;  // nobody is left on this side: what arrives is answered with a reset

    // outgoing
    Bytes unsent;
    bool drain_owed = false;
    bool shutdown_asked = false;
    bool close_asked = false;
    bool fin_departed = false;
    std::size_t unacknowledged = 0;
    std::deque<Packet> way;
    bool arrival_scheduled = false;
    int attempts = 0;
    Instant blocked_since;

    // incoming
    Bytes received;
    bool reading_paused = false;
    bool fin_received = false;
    bool eof_told = false;
    bool closed_told = false;
    bool wake_scheduled = false;
    std::optional<Error> failure;
  };

  End ends[2];
  std::uint64_t number = 0;
  bool pipe = false;
};

class SimStream final : public ports::Stream {
 public:
  SimStream(SimNetwork& network, std::shared_ptr<Connection> connection, int side)
      : network_(network), connection_(std::move(connection)), side_(side) {}
  ~SimStream() override;

  void attach(ports::Lane& lane, ports::StreamHandler& handler) override;
  void write(Bytes bytes) override;
  std::size_t buffered() const override { return self().unsent.size(); }
  void pause_reading() override { self().reading_paused = true; }
  void resume_reading() override;
  void shutdown_write() override;
  void close() override;
  const ports::Peer& peer() const override { return self().peer; }

 private:
  Connection::End& self() const { return connection_->ends[side_]; }

  SimNetwork& network_;
  std::shared_ptr<Connection> connection_;  // shared with the other end and the events under way
  int side_;
};

class SimListener final : public ports::Listener {
 public:
  SimListener(SimNetwork& network, SimMachine& machine, SimLane& lane, ports::Address at,
              int backlog, ports::Network::Accepted accepted);
  ~SimListener() override;
  ports::Address address() const override { return at_; }

  bool takes(const std::string& host) const;
  bool full() const { return pending_ >= backlog_; }
  SimLane& lane() const { return lane_; }
  void accept(std::shared_ptr<Connection> connection);
  void forget() { registered_ = false; }

 private:
  SimNetwork& network_;
  SimMachine& machine_;
  SimLane& lane_;
  ports::Address at_;
  int backlog_;
  int pending_ = 0;
  bool registered_ = true;
  ports::Network::Accepted accepted_;
  ports::Scope scope_;
};

struct DialState {
  SimMachine* machine = nullptr;
  SimLane* lane = nullptr;
  ports::Address to;
  ports::Network::Dialled done;
  bool finished = false;
  bool abandoned = false;
};

}  // namespace synod::sim
