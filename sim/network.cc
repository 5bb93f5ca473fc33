#include "sim/network.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ports/scope.h"
#include "sim/connection.h"

namespace synod::sim {
namespace {

constexpr Duration dial_again_after = Duration::seconds(1);

bool is_numeric(const std::string& host) {
  return host.find_first_not_of("0123456789.") == std::string::npos ||
         host.find(':') != std::string::npos;
}

class SimDial final : public ports::Dial {
 public:
  explicit SimDial(std::shared_ptr<DialState> state) : state_(std::move(state)) {}
  ~SimDial() override { state_->abandoned = true; }

 private:
  std::shared_ptr<DialState> state_;  // shared with the packets under way
};

class MachineNetwork final : public ports::Network {
 public:
  MachineNetwork(SimNetwork& network, SimMachine& machine) : network_(network), machine_(machine) {}

  std::unique_ptr<ports::Dial> dial(ports::Lane& lane, const ports::Address& to,
                                    const ports::DialOptions& options, Dialled done) override {
    return network_.dial(machine_, static_cast<SimLane&>(lane), to, options, std::move(done));
  }
  Result<std::unique_ptr<ports::Listener>> listen(ports::Lane& lane, const ports::Address& at,
                                                  const ports::ListenOptions& options,
                                                  Accepted accepted) override {
    return network_.listen(machine_, static_cast<SimLane&>(lane), at, options, std::move(accepted));
  }
  void resolve(ports::Lane& lane, const ports::HostPort& endpoint, Resolved done) override {
    network_.resolve(static_cast<SimLane&>(lane), endpoint, std::move(done));
  }
  std::vector<ports::Address> local_addresses() const override {
    return {{machine_.address(), 0}, {"127.0.0.1", 0}};
  }

 private:
  SimNetwork& network_;
  SimMachine& machine_;
};

}  // namespace

std::unique_ptr<ports::Network> make_network_view(SimNetwork& network, SimMachine& machine) {
  return std::make_unique<MachineNetwork>(network, machine);
}

SimListener::SimListener(SimNetwork& network, SimMachine& machine, SimLane& lane, ports::Address at,
                         int backlog, ports::Network::Accepted accepted)
    : network_(network),
      machine_(machine),
      lane_(lane),
      at_(std::move(at)),
      backlog_(backlog),
      accepted_(std::move(accepted)) {
  network_.listeners_[{machine_.name(), at_.port}].push_back(this);
}

SimListener::~SimListener() {
  if (registered_) {
    std::erase(network_.listeners_[{machine_.name(), at_.port}], this);
  }
}

bool SimListener::takes(const std::string& host) const {
  return at_.host == "0.0.0.0" || at_.host == "::" || at_.host == host ||
         (ports::is_loopback(at_) && ports::is_loopback({host, 0}));
}

void SimListener::accept(std::shared_ptr<Connection> connection) {
  ++pending_;
  // The Stream is made at once: if the listener goes first, the connection goes with it.
  auto stream = std::make_unique<SimStream>(network_, std::move(connection), 1);
  auto hand_over = scope_.wrap([this](std::unique_ptr<ports::Stream> accepted) {
    --pending_;
    accepted_(std::move(accepted));
  });
  lane_.deliver(network_.world_.now(),
                [hand_over = std::move(hand_over), stream = std::move(stream)]() mutable {
                  hand_over(std::move(stream));
                });
}

SimNetwork::SimNetwork(World& world, std::uint64_t seed) : world_(world), prng_(seed) {}
SimNetwork::~SimNetwork() = default;

void SimNetwork::cut(const std::string& from, const std::string& to) {
  world_.note(fmt::format("cut {} -> {}", from, to));
  cut_.insert({from, to});
}

void SimNetwork::heal(const std::string& from, const std::string& to) {
  world_.note(fmt::format("heal {} -> {}", from, to));
  cut_.erase({from, to});
}

bool SimNetwork::is_cut(const std::string& from, const std::string& to) const {
  return cut_.count({from, to}) != 0;
}

void SimNetwork::cut_both(const std::string& a, const std::string& b) {
  cut(a, b);
  cut(b, a);
}

void SimNetwork::heal_all() {
  world_.note("heal all links");
  cut_.clear();
  slow_.clear();
}

void SimNetwork::slow(const std::string& from, const std::string& to, Duration more) {
  slow_[{from, to}] = more;
}

void SimNetwork::break_streams(const std::string& a, const std::string& b) {
  world_.note(fmt::format("break streams {} - {}", a, b));
  for (const Shared& connection : living()) {
    const std::string& first = connection->ends[0].process->machine().name();
    const std::string& second = connection->ends[1].process->machine().name();
    if (!connection->pipe && ((first == a && second == b) || (first == b && second == a))) {
      break_connection(connection);
    }
  }
}

bool SimNetwork::break_any_stream() {
  std::vector<Shared> all = living();
  std::erase_if(all, [](const Shared& connection) { return connection->pipe; });
  if (all.empty()) {
    return false;
  }
  const Shared& connection = all[static_cast<std::size_t>(prng_.below(all.size()))];
  world_.note(fmt::format("break a stream {} - {}", connection->ends[0].process->machine().name(),
                          connection->ends[1].process->machine().name()));
  break_connection(connection);
  return true;
}

std::vector<SimNetwork::Shared> SimNetwork::living() {
  std::vector<Shared> result;
  std::erase_if(connections_, [](const auto& weak) { return weak.expired(); });
  for (const auto& weak : connections_) {
    Shared connection = weak.lock();
    if (!connection->ends[0].gone || !connection->ends[1].gone) {
      result.push_back(std::move(connection));
    }
  }
  return result;
}

bool SimNetwork::reaches(const SimMachine& from, const SimMachine& to) const {
  return from.powered() && to.powered() && (&from == &to || !is_cut(from.name(), to.name()));
}

Duration SimNetwork::draw_latency(const SimMachine& from, const SimMachine& to) {
  if (&from == &to) {
    return Duration::nanos(prng_.between(1000, options_.local_latency_max.nanos()));
  }
  Duration latency =
      Duration::nanos(prng_.between(options_.latency_min.nanos(), options_.latency_max.nanos()));
  if (auto it = slow_.find({from.name(), to.name()}); it != slow_.end()) {
    latency = latency + Duration::nanos(prng_.between(0, it->second.nanos()));
  }
  return latency;
}

SimListener* SimNetwork::find_listener(const SimMachine& machine, const std::string& host,
                                       std::uint16_t port) const {
  auto it = listeners_.find({machine.name(), port});
  if (it != listeners_.end()) {
    for (SimListener* listener : it->second) {
      if (listener->takes(host)) {
        return listener;
      }
    }
  }
  return nullptr;
}

std::uint16_t SimNetwork::next_port(const std::string& machine) {
  std::uint16_t& next = port_next_.try_emplace(machine, std::uint16_t{32768}).first->second;
  if (next == 65535) {
    next = 32768;
  }
  return next++;
}

SimNetwork::Shared SimNetwork::connect(SimProcess& first, SimProcess& second) {
  auto connection = std::make_shared<Connection>();
  connection->ends[0].process = &first;
  connection->ends[1].process = &second;
  connection->number = connection_next_++;
  if (connections_.size() > 256 && connections_.size() % 64 == 0) {
    living();
  }
  connections_.push_back(connection);
  return connection;
}

std::unique_ptr<ports::Dial> SimNetwork::dial(SimMachine& machine, SimLane& lane,
                                              const ports::Address& to,
                                              const ports::DialOptions& options,
                                              ports::Network::Dialled done) {
  auto state = std::make_shared<DialState>();
  state->machine = &machine;
  state->lane = &lane;
  state->to = to;
  state->done = std::move(done);
  const Instant start = world_.here();
  world_.schedule(start + machine.to_world(options.timeout), &lane.process(), [this, state] {
    finish_dial(state, Error{ErrorCode::timed_out,
                             fmt::format("connect {}: timed out", to_string(state->to))});
  });
  if (options_.dial_hangs_once_in == 0 || !prng_.chance(1, options_.dial_hangs_once_in)) {
    world_.schedule(start + draw_latency(machine, machine), &lane.process(),
                    [this, state] { arrive_dial(state); });
  }
  return std::make_unique<SimDial>(std::move(state));
}

// The first packet of a dial: answered if it can reach and come back, else sent again.
void SimNetwork::arrive_dial(const std::shared_ptr<DialState>& dial) {
  if (dial->finished || dial->abandoned) {
    return;
  }
  const bool local = ports::is_loopback(dial->to);
  SimMachine* target = local ? dial->machine : world_.find_machine(dial->to.host);
  SimListener* listener = nullptr;
  const bool open =
      target != nullptr && reaches(*dial->machine, *target) && reaches(*target, *dial->machine);
  if (open) {
    listener = find_listener(*target, dial->to.host, dial->to.port);
  }
  if (!open || (listener != nullptr && listener->full())) {
    world_.schedule(world_.now() + dial_again_after, &dial->lane->process(),
                    [this, dial] { arrive_dial(dial); });
    return;
  }
  if (listener == nullptr) {
    finish_dial(dial, Error{ErrorCode::refused,
                            fmt::format("connect {}: connection refused", to_string(dial->to))});
    return;
  }
  Shared connection = connect(dial->lane->process(), listener->lane().process());
  connection->ends[0].peer.address = dial->to;
  connection->ends[1].peer.address = {local ? "127.0.0.1" : dial->machine->address(),
                                      next_port(dial->machine->name())};
  listener->accept(connection);
  finish_dial(dial, std::move(connection));
}

void SimNetwork::finish_dial(const std::shared_ptr<DialState>& dial, Result<Shared> result) {
  if (dial->finished || dial->abandoned) {
    return;
  }
  dial->finished = true;
  std::unique_ptr<ports::Stream> stream;
  Error error;
  if (result.ok()) {
    stream = std::make_unique<SimStream>(*this, *result, 0);
  } else {
    error = result.error();
  }
  const Duration back =
      Duration::nanos(prng_.between(options_.latency_min.nanos(), options_.latency_max.nanos()));
  dial->lane->deliver(world_.now() + back, [dial, stream = std::move(stream), error]() mutable {
    if (dial->abandoned) {
      return;
    }
    auto done = std::move(dial->done);
    if (stream != nullptr) {
      done(std::move(stream));
    } else {
      done(error);
    }
  });
}

Result<std::unique_ptr<ports::Listener>> SimNetwork::listen(SimMachine& machine, SimLane& lane,
                                                            const ports::Address& at,
                                                            const ports::ListenOptions& options,
                                                            ports::Network::Accepted accepted) {
  ports::Address bound = at;
  if (bound.port == 0) {
    bound.port = next_port(machine.name());
  }
  if (find_listener(machine, at.host == "0.0.0.0" ? machine.address() : at.host, bound.port)) {
    return Error{ErrorCode::busy, fmt::format("listen on {}: address in use", to_string(bound))};
  }
  return std::unique_ptr<ports::Listener>(std::make_unique<SimListener>(
      *this, machine, lane, bound, options.backlog, std::move(accepted)));
}

void SimNetwork::resolve(SimLane& lane, const ports::HostPort& endpoint,
                         ports::Network::Resolved done) {
  Result<std::vector<ports::Address>> answer =
      Error{ErrorCode::not_found, endpoint.host + ": no such host"};
  if (is_numeric(endpoint.host)) {
    answer = std::vector<ports::Address>{{endpoint.host, endpoint.port}};
  } else if (endpoint.host == "localhost") {
    answer = std::vector<ports::Address>{{"127.0.0.1", endpoint.port}};
  } else if (const SimMachine* machine = world_.find_machine(endpoint.host)) {
    answer = std::vector<ports::Address>{{machine->address(), endpoint.port}};
  }
  lane.deliver(world_.here() + Duration::micros(100),
               [done = std::move(done), answer = std::move(answer)] { done(answer); });
}

std::pair<std::unique_ptr<ports::Stream>, std::unique_ptr<ports::Stream>> SimNetwork::make_pipe(
    SimProcess& first, SimProcess& second) {
  Shared connection = connect(first, second);
  connection->pipe = true;
  return {std::make_unique<SimStream>(*this, connection, 0),
          std::make_unique<SimStream>(*this, connection, 1)};
}

void SimNetwork::process_ended(SimProcess& process, bool peers_hear) {
  for (auto& [place, listeners] : listeners_) {
    std::erase_if(listeners, [&process](SimListener* listener) {
      const bool its = &listener->lane().process() == &process;
      if (its) {
        listener->forget();
      }
      return its;
    });
  }
  for (const Shared& connection : living()) {
    for (int side = 0; side < 2; ++side) {
      Connection::End& end = connection->ends[side];
      if (end.process != &process || end.gone) {
        continue;
      }
      end.gone = true;
      end.unsent.clear();
      // A Lane ahead of the world may have sent what its process did not live to send.
      std::erase_if(end.way,
                    [this](const Packet& packet) { return packet.departed > world_.now(); });
      lose_suffix(*connection, side);
      if (peers_hear && !end.fin_departed) {
        Packet last;
        last.kind = connection->pipe ? Packet::Kind::fin : Packet::Kind::reset;
        depart(connection, side, std::move(last));
      }
    }
  }
}

}  // namespace synod::sim
