// A simulated network of TCP-like streams, without TCP's mercy.
//
// Bytes   arrive in order, cut into arbitrary chunks, after a drawn latency; a lost packet shows as
//         a longer one. At most `window_bytes` are on their way or unread: then the sender's
//         buffered() grows. When a stream dies, any suffix of what was on its way is lost.
// Deaths  A process that ends resets its streams: peers hear on_closed(io). A machine that loses
//         power, or a cut link, says nothing: bytes wait, until the link heals (and they arrive),
//         the stream gives up (timed_out), or they meet a machine that has forgotten it (reset).
// Links   are directed pairs of machines: open, cut (dials time out, streams stall) or slow. A
//         machine always reaches itself.
// Threads One.
// Memory  Connections are shared between their two ends and the events under way.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/instant.h"
#include "base/prng.h"
#include "ports/network.h"
#include "ports/stream.h"

namespace synod::sim {

class SimLane;
class SimListener;
class SimMachine;
class SimProcess;
class SimStream;
class World;
struct Connection;
struct DialState;
struct Packet;

struct NetworkOptions {
  Duration latency_min = Duration::micros(50);
  Duration latency_max = Duration::micros(400);
  Duration local_latency_max = Duration::micros(40);
  // A chunk is lost and sent again, once in so many; 0 is never.
  std::uint64_t chunk_lost_once_in = 0;
  Duration resend_after = Duration::millis(200);
  std::uint64_t window_bytes = 256 << 10;
  // What is on its way over a cut link is given up after a span drawn up to this.
  Duration give_up_max = Duration::seconds(60);
  // A dial over an open link hangs until its timeout, once in so many.
  std::uint64_t dial_hangs_once_in = 0;
};

class SimNetwork {
 public:
  SimNetwork(World& world, std::uint64_t seed);
  ~SimNetwork();

  NetworkOptions& options() { return options_; }

  // --- links, by machine name; from -> to only
  void cut(const std::string& from, const std::string& to);
  void heal(const std::string& from, const std::string& to);
  bool is_cut(const std::string& from, const std::string& to) const;
  void cut_both(const std::string& a, const std::string& b);
  void heal_all();
  void slow(const std::string& from, const std::string& to, Duration more);
  // Every stream between the two dies: both ends hear on_closed(io), suffixes are lost.
  void break_streams(const std::string& a, const std::string& b);
  // One drawn stream of all dies so; false if there is none.
  bool break_any_stream();

  // Sees every byte that leaves a process, in the order of leaving: for checkers of the wires.
  struct Tapped {
    const SimProcess& from;
    const SimProcess& to;
    std::uint64_t connection = 0;
    ByteView bytes;
  };
  void set_tap(std::function<void(const Tapped&)> tap) { tap_ = std::move(tap); }

  // --- for World
  void process_ended(SimProcess& process, bool peers_hear);

  // --- the calls of ports::Network, made through the machine's own view of it
  std::unique_ptr<ports::Dial> dial(SimMachine& machine, SimLane& lane, const ports::Address& to,
                                    const ports::DialOptions& options,
                                    ports::Network::Dialled done);
  Result<std::unique_ptr<ports::Listener>> listen(SimMachine& machine, SimLane& lane,
                                                  const ports::Address& at,
                                                  const ports::ListenOptions& options,
                                                  ports::Network::Accepted accepted);
  void resolve(SimLane& lane, const ports::HostPort& endpoint, ports::Network::Resolved done);

  // Two ends of a new connection inside one machine, as a pipe makes them.
  std::pair<std::unique_ptr<ports::Stream>, std::unique_ptr<ports::Stream>> make_pipe(
      SimProcess& first, SimProcess& second);

 private:
  friend class SimListener;
  friend class SimStream;
  using Link = std::pair<std::string, std::string>;
  using Shared = std::shared_ptr<Connection>;  // its two ends and the events under way

  Duration draw_latency(const SimMachine& from, const SimMachine& to);
  bool reaches(const SimMachine& from, const SimMachine& to) const;
  SimListener* find_listener(const SimMachine& machine, const std::string& host,
                             std::uint16_t port) const;
  void arrive_dial(const std::shared_ptr<DialState>& dial);
  void finish_dial(const std::shared_ptr<DialState>& dial, Result<Shared> result);
  Shared connect(SimProcess& first, SimProcess& second);
  std::uint16_t next_port(const std::string& machine);

  // What a stream asks for, and what the network does with it. `side` is who sends.
  void pump(const Shared& connection, int side);
  void depart(const Shared& connection, int side, Packet packet);
  void arrive(const Shared& connection, int side);
  void schedule_arrival(const Shared& connection, int side, Instant when);
  void acknowledge(const Shared& connection, int side, std::size_t count);
  // Makes the Lane of `side` look at what there is to tell.
  void wake(const Shared& connection, int side);
  void tell(const Shared& connection, int side);
  void lose_suffix(Connection& connection, int side);
  void leave(const Shared& connection, int side);
  void close_anyway_later(const Shared& connection, int side);
  void break_connection(const Shared& connection);
  std::vector<Shared> living();

  World& world_;
  Prng prng_;
  NetworkOptions options_;
  std::set<Link> cut_;
  std::map<Link, Duration> slow_;
  std::map<std::pair<std::string, std::uint16_t>, std::vector<SimListener*>> listeners_;
  std::vector<std::weak_ptr<Connection>> connections_;
  std::map<std::string, std::uint16_t> port_next_;
  std::uint64_t connection_next_ = 1;
  std::function<void(const Tapped&)> tap_;
};

// One machine's view: what its processes hold as ports::Network.
std::unique_ptr<ports::Network> make_network_view(SimNetwork& network, SimMachine& machine);

}  // namespace synod::sim
