#include "coordinator/peer/relays.h"

#include <utility>
#include <vector>

#include "ports/entropy.h"

namespace synod::coordinator::peer {
namespace {

// How long a connection is away before a way around is looked for: a process that is started again
// is back sooner.
constexpr Duration patience = Duration::millis(250);
// A path that is broken sooner is refused by somebody: it is not opened again at once.
constexpr Duration short_life = Duration::seconds(1);

}  // namespace

Relays::Relays(ports::Lane& lane, NodeId self, RelaysOwner owner)
    : lane_(lane), self_(self), owner_(std::move(owner)) {}

void Relays::want(std::set<NodeId> others) {
  wanted_ = std::move(others);
  std::erase_if(paths_, [this](const auto& path) { return wanted_.count(path.first) == 0; });
  std::erase_if(heard_, [this](const auto& path) { return wanted_.count(path.first) == 0; });
  changed();
}

// ---- what the direct connections do

void Relays::on_direct_up(NodeId node) {
  paths_.erase(node);
  if (owner_.reaches(node)) {
    owner_.send(node, Reach{{told_.begin(), told_.end()}});
  }
  changed();
}

void Relays::on_direct_down(NodeId node) {
  break_paths([node](NodeId, const Path& path) { return path.through == node; });
  tell_origins(node);
  changed();
}

void Relays::on_heard(NodeId node) {
  heard_.erase(node);
  changed();
}

void Relays::on_deaf(NodeId node) {
  reach_.erase(node);
  for (auto it = heard_.begin(); it != heard_.end();) {
    if (it->second.through != node) {
      ++it;
      continue;
    }
    const NodeId origin = it->first;
    it = heard_.erase(it);
    if (!owner_.hears(origin)) {
      owner_.on_silent(origin);
    }
  }
  std::erase_if(passing_, [node](const auto& path) { return path.first.first == node; });
  changed();
}

// Its origin sends no more until it has opened another one.
void Relays::tell_origins(NodeId target) {
  for (auto it = passing_.begin(); it != passing_.end();) {
    const auto [origin, to] = it->first;
    if (to != target) {
      ++it;
      continue;
    }
    owner_.send(origin, RelayBroken{origin, to, it->second});
    it = passing_.erase(it);
  }
}

void Relays::break_paths(const std::function<bool(NodeId to, const Path&)>& which) {
  std::vector<NodeId> broken;
  for (const auto& [to, path] : paths_) {
    if (which(to, path)) {
      broken.push_back(to);
    }
  }
  for (const NodeId to : broken) {
    lane_.log().info("peer", "the way to node {} through node {} is broken", to.value(),
                     paths_[to].through.value());
    if (lane_.now() - paths_[to].opened < short_life) {
      not_before_[to] = lane_.now() + short_life;
    }
    paths_.erase(to);
    owner_.on_down(to);
  }
}

// ---- messages

bool Relays::take(NodeId from, const PeerMessage& message) {
  return std::visit(
      [&](const auto& m) {
        using M = std::decay_t<decltype(m)>;
        constexpr bool ours = std::is_same_v<M, Reach> || std::is_same_v<M, RelayOpen> ||
                              std::is_same_v<M, Relayed> || std::is_same_v<M, RelayBroken>;
        if constexpr (ours) {
          take(from, m);
        }
        return ours;
      },
      message);
}

void Relays::take(NodeId from, const Reach& m) {
  reach_[from] = std::set<NodeId>(m.nodes.begin(), m.nodes.end());
  look_soon();
}

void Relays::take(NodeId from, const RelayOpen& m) {
  if (m.to == self_) {
    open_at_target(from, m);
  } else if (m.from == from) {
    passing_[{m.from, m.to}] = m.path;
    if (!owner_.reaches(m.to) || !owner_.send(m.to, m)) {
      passing_.erase({m.from, m.to});
      owner_.send(from, RelayBroken{m.from, m.to, m.path});
    }
  }
}

void Relays::open_at_target(NodeId through, const RelayOpen& m) {
  if (wanted_.count(m.from) == 0 || m.from == through) {
    owner_.send(through, RelayBroken{m.from, m.to, m.path});
    return;
  }
  heard_[m.from] = Path{through, m.path, lane_.now()};
  owner_.end_incoming(m.from);
}

void Relays::take(NodeId from, const Relayed& m) {
  if (m.to == self_) {
    take_at_target(from, m);
    return;
  }
  const auto open = passing_.find({m.from, m.to});
  if (m.from != from || open == passing_.end() || open->second != m.path) {
    return;  // of a path that was broken; its origin knows, or will know
  }
  if (!owner_.reaches(m.to) || !owner_.send(m.to, m)) {
    passing_.erase(open);
    owner_.send(from, RelayBroken{m.from, m.to, m.path});
  }
}

// A path may have been opened later than this one and have been overtaken by it: frames of any
// other than the last are refused, and the origin opens another one.
void Relays::take_at_target(NodeId through, const Relayed& m) {
  const auto path = heard_.find(m.from);
  if (path == heard_.end() || path->second.number != m.path || path->second.through != through) {
    owner_.send(through, RelayBroken{m.from, m.to, m.path});
    return;
  }
  Result<Frame> frame = decode_payload(m.payload);
  auto* message = frame.ok() ? std::get_if<PeerMessage>(&*frame) : nullptr;
  if (message == nullptr || format_of(*message) >= format_of_relays) {
    lane_.log().warning("peer", "what node {} sends through node {} is no message", m.from.value(),
                        through.value());
    heard_.erase(path);
    owner_.send(through, RelayBroken{m.from, m.to, m.path});
    return;
  }
  owner_.on_message(m.from, std::move(*message));
}

void Relays::take(NodeId from, const RelayBroken& m) {
  if (m.from == self_) {
    break_paths([&](NodeId to, const Path& path) {
      return to == m.to && path.through == from && path.number == m.path;
    });
    look_soon();
    return;
  }
  // The target refuses: on to the origin.
  const auto open = passing_.find({m.from, m.to});
  if (m.to == from && open != passing_.end() && open->second == m.path) {
    passing_.erase(open);
    owner_.send(m.from, m);
  }
}

bool Relays::send(NodeId node, const PeerMessage& message) {
  const Path path = paths_.at(node);
  if (format_of(message) >= format_of_relays) {
    return true;  // nothing that it would miss
  }
  return owner_.send(path.through, Relayed{self_, node, path.number, encode_payload(message)});
}

// ---- whom others reach by us, and we by others

void Relays::changed() {
  look_soon();
  if (std::exchange(telling_, true)) {
    return;
  }
  lane_.after(Duration(), scope_.wrap([this] {
    telling_ = false;
    tell_reach();
  }));
}

void Relays::tell_reach() {
  std::set<NodeId> reached;
  for (const NodeId node : wanted_) {
    if (owner_.reaches(node) && owner_.hears(node)) {
      reached.insert(node);
    }
  }
  if (reached == told_) {
    return;
  }
  told_ = std::move(reached);
  for (const NodeId node : wanted_) {
    if (owner_.reaches(node)) {
      owner_.send(node, Reach{{told_.begin(), told_.end()}});
    }
  }
}

void Relays::look_soon() {
  if (std::exchange(looking_, true)) {
    return;
  }
  lane_.after(patience, scope_.wrap([this] {
    looking_ = false;
    look();
  }));
}

void Relays::look() {
  for (const NodeId node : wanted_) {
    if (owner_.reaches(node) || paths_.count(node) != 0) {
      continue;
    }
    if (lane_.now() < not_before_[node]) {
      look_soon();
      continue;
    }
    const std::optional<NodeId> through = way_to(node);
    const std::uint64_t number = lane_.entropy().next();
    if (!through.has_value() || !owner_.send(*through, RelayOpen{self_, node, number})) {
      continue;
    }
    paths_[node] = Path{*through, number, lane_.now()};
    lane_.log().info("peer", "node {} is reached through node {}", node.value(), through->value());
    owner_.on_up(node);
  }
}

std::optional<NodeId> Relays::way_to(NodeId node) const {
  for (const NodeId other : wanted_) {
    const auto reach = reach_.find(other);
    if (other != node && owner_.reaches(other) && reach != reach_.end() &&
        reach->second.count(node) != 0) {
      return other;
    }
  }
  return std::nullopt;
}

}  // namespace synod::coordinator::peer
