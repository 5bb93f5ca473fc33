// Ways to servers that cannot be reached directly, through one that both are connected with.
//
// Each tells the others with whom it is connected both ways (Reach). Where a direct connection
// stays away, a path is opened through the lowest of those that reach the other one, and what would
// have been written to the direct connection is written to that server, which passes it on. To the
// owner a path is a connection like any other: it is up or down, and in order while it is up. The
// two directions choose their ways apart from each other. One hop, never two: whoever passes on
// needs a direct connection.
//
//            origin                     relay                     target
//   RelayOpen -------------------------> RelayOpen ----------------> frames of this path count
//   Relayed   -------------------------> Relayed   ----------------> as if the origin had dialled
//             <------ RelayBroken ------                             (or a RelayBroken, if the path
//                                                                    is not the one it knows)
//
// Invariants  Y1 frames of one path arrive in order and without gaps, or the path is broken: its
//                number is drawn anew each time, and the target takes frames of the newest that was
//                opened only.
//             Y2 a direct connection ends the path of its direction, on both sides.
// Source      docs/formats/peer.md, types 67 to 70; docs/decisions/0145.
// Threads     Confined to the engine's Lane.
// Memory      A path for each pair of servers at most; nothing is queued here.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>

#include "coordinator/peer/messages.h"
#include "ports/lane.h"
#include "ports/scope.h"

namespace synod::coordinator::peer {

// What relays ask of the direct connections, and tell the owner of Links.
struct RelaysOwner {
  // Connected, by our own dialling, with one that knows relays.
  std::function<bool(NodeId)> reaches;
  // It has dialled us, and that connection stands.
  std::function<bool(NodeId)> hears;
  std::function<bool(NodeId, const PeerMessage&)> send;
  // What it dialled is of no use any more: it speaks by a path now.
  std::function<void(NodeId)> end_incoming;
  std::function<void(NodeId)> on_up;
  std::function<void(NodeId)> on_down;
  std::function<void(NodeId)> on_silent;  // what it opened to us is gone, and it has not dialled us
  std::function<void(NodeId, PeerMessage)> on_message;
};

class Relays {
 public:
  Relays(ports::Lane& lane, NodeId self, RelaysOwner owner);

  // Those that we want to be connected with. Paths to others end, without on_down.
  void want(std::set<NodeId> others);
  // Our own connection to it stands; a path that there was has been told down before.
  void on_direct_up(NodeId node);
  void on_direct_down(NodeId node);
  // It has dialled us, or the last such connection has ended.
  void on_heard(NodeId node);
  void on_deaf(NodeId node);
  // True if the message was for us and not for the owner of Links.
  bool take(NodeId from, const PeerMessage& message);

  bool up(NodeId node) const { return paths_.count(node) != 0; }
  // What it says comes through another server.
  bool heard(NodeId node) const { return heard_.count(node) != 0; }
  // By whom; precondition: up().
  NodeId through(NodeId node) const { return paths_.at(node).through; }
  // False: it is lost, on_down will tell. Precondition: up().
  bool send(NodeId node, const PeerMessage& message);

 private:
  struct Path {
    NodeId through;
    std::uint64_t number = 0;
    Instant opened = {};
  };

  void take(NodeId from, const Reach& m);
  void take(NodeId from, const RelayOpen& m);
  void take(NodeId from, const Relayed& m);
  void take(NodeId from, const RelayBroken& m);
  void open_at_target(NodeId through, const RelayOpen& m);
  void take_at_target(NodeId through, const Relayed& m);
  void break_paths(const std::function<bool(NodeId to, const Path&)>& which);
  void tell_origins(NodeId target);
  void changed();
  void tell_reach();
  void look_soon();
  void look();
  std::optional<NodeId> way_to(NodeId node) const;

  ports::Lane& lane_;
  const NodeId self_;
  RelaysOwner owner_;
  std::set<NodeId> wanted_;
  std::map<NodeId, std::set<NodeId>> reach_;  // what the others said
  std::set<NodeId> told_;                     // what we said last
  // As the origin, by target.
  std::map<NodeId, Path> paths_;
  std::map<NodeId, Instant> not_before_;  // whose last path was broken at once
  // As the relay, by origin and target: the path's number.
  std::map<std::pair<NodeId, NodeId>, std::uint64_t> passing_;
  // As the target, by origin.
  std::map<NodeId, Path> heard_;
  bool looking_ = false;
  bool telling_ = false;
  ports::Scope scope_;
};

}  // namespace synod::coordinator::peer
