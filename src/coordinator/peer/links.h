// The connections between this coordinator and the others.
//
// Every node dials every other one and speaks on the connection that it dialled; what others say
// comes in on those that they dialled. So two nodes need not agree which connection is theirs.
//
//   closed   an established connection ended: it is dialled again at once
//   refused  and the other host said that nobody listens there: the process is gone (on_down with
//            refused); silence proves nothing and is never reported so
//
// A connection on which pings stay unanswered is dropped and dialled anew, since after a network
// has healed TCP itself may wait for minutes.
//
// Where a direct connection stays away, messages go through another server (relays.h); for the
// owner that is a connection like any other.
//
// Invariants  N1 messages on one connection arrive in order, whole, or the connection ends.
//             N2 bytes that are not a frame of ours close their connection and nothing else.
// Threads     Confined to the engine's Lane.
// Memory      At most unsent_bytes_max a peer; beyond it the connection is closed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/peer/messages.h"
#include "coordinator/peer/relays.h"
#include "ports/lane.h"
#include "ports/network.h"
#include "ports/scope.h"

namespace synod::coordinator::peer {

struct LinksOptions {
  NodeId self;
  ports::HostPort listen;                    // our own peer port
  std::map<NodeId, ports::HostPort> others;  // to begin with: connect()
  // Servers that are none of the others may say who they are; the owner decides.
  bool strangers = false;
  Bytes introduction;  // of ourselves: where we can be dialled
  RulesVersion rules{1};
  std::uint16_t format = format_newest;  // lowered by tests and the simulator only
  Duration redial_delay_min = Duration::millis(20);
  Duration redial_delay_max = Duration::millis(500);
  Duration dial_timeout = Duration::millis(1000);
  Duration ping_interval = Duration::millis(500);
  Duration silence_max = Duration::millis(3000);
  std::size_t unsent_bytes_max = 64U << 20;
  std::size_t incoming_max = 64;  // connections; strangers are cut beyond it
};

// What the owner is told; on its Lane, never inside a call of Links.
struct LinksEvents {
  std::function<void(NodeId)> on_up;
  std::function<void(NodeId, bool refused)> on_down;
  std::function<void(NodeId, PeerMessage)> on_message;
  std::function<void(NodeId)> on_silent = [](NodeId) {
  };  // the last connection that it dialled has ended
  // Whom we are, for hellos.
  std::function<std::pair<ClusterId, Incarnation>()> identity;
  // Why the owner wants no connection with the one that says this hello; empty: it may have one.
  std::function<std::string(const Hello&)> objection = [](const Hello&) { return std::string(); };
  std::function<void(const Error&)> on_failed;  // the port cannot be listened on
};

class Links {
 public:
  Links(ports::Lane& lane, ports::Network& network, LinksOptions options, LinksEvents events);
  ~Links();
  Links(const Links&) = delete;
  Links& operator=(const Links&) = delete;

  // Those to dial from now on; connections to others end, without on_down. Not to be called inside
  // an event.
  void connect(const std::map<NodeId, ports::HostPort>& others);
  // Connected, and it knows Introduction and ChangeAsk.
  bool knows_changes(NodeId peer) const;
  // False: not connected, the message is lost (on_down told or will tell).
  bool send(NodeId to, const PeerMessage& message);
  bool up(NodeId peer) const;
  // Not yet taken by the kernel.
  std::size_t buffered(NodeId peer) const;

 private:
  class Outgoing;
  class Incoming;

  void listen();
  void accept(std::unique_ptr<ports::Stream> stream);
  std::string refusal(const Hello& hello) const;
  Hello hello_to(NodeId to) const;
  void replace_incoming(Incoming* incoming, NodeId from);
  void forget(Incoming* incoming);
  void dial(NodeId node, const ports::HostPort& endpoint);
  RelaysOwner relays_owner();
  bool direct(NodeId peer) const;
  bool hears(NodeId peer) const;
  void on_direct_up(NodeId node);
  void on_direct_down(NodeId node, bool refused);

  ports::Lane& lane_;
  ports::Network& network_;
  const LinksOptions options_;
  LinksEvents events_;
  std::unique_ptr<ports::Listener> listener_;
  std::map<NodeId, std::unique_ptr<Outgoing>> outgoing_;
  std::map<NodeId, ports::HostPort> others_;
  std::vector<std::unique_ptr<Incoming>> incoming_;
  Relays relays_;
  ports::Scope scope_;
};

}  // namespace synod::coordinator::peer
