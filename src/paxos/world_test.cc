#include "paxos/world_test.h"

#include <algorithm>
#include <sstream>

#include "base/check.h"

namespace synod::paxos::testing {
namespace {

Options options_of(NodeId self, const World::Settings& settings,
                   const std::vector<Member>& members) {
  Options options;
  options.self = self;
  options.configured = members;
  options.fresh_incarnation = Incarnation(self.value() * 100 + 1);
  options.fresh_cluster = ClusterId(self.value() + 70);
  options.opening_entry = settings.opening_entry;
  options.planted = settings.planted;
  options.chains_kept = settings.chains_kept;
  options.doubt_patience = settings.doubt_patience;
  options.slots_in_flight_max = settings.in_flight_max;
  options.lease = settings.lease;
  return options;
}

}  // namespace

Message log_message(const Journal::State& log, const SendLog& e) {
  const Chain before = log.chain_at(Slot(e.first.value() - 1));
  std::vector<Entry> entries;
  for (Slot slot = e.first; slot <= e.last; slot = slot.next()) {
    entries.push_back(log.log.at(slot.value() - log.base.value() - 1).entry);
  }
  if (e.stage) {
    return Stage{e.ballot, e.keep, e.first, before, e.chosen, entries};
  }
  return Accept{e.ballot, e.first, before, e.chosen, entries};
}

World::World(const Settings& settings) : settings_(settings) {
  std::vector<Member> members = settings.members;
  for (std::uint32_t i = 1; members.size() < settings.nodes && i <= settings.nodes; ++i) {
    Member member;
    member.node = NodeId(i);
    members.push_back(member);
  }
  for (Member& member : members) {
    nodes_.push_back(member.node);
    member.incarnation = Incarnation(member.node.value() * 100 + 1);
  }
  judge_ = Judge(Membership(members));
  for (std::uint32_t i = 0; i < settings.spares; ++i) {
    nodes_.push_back(NodeId(nodes_.back().value() + 1));
  }
  trace(false);
  for (NodeId node : nodes_) {
    Node& n = at(node);
    n.options = options_of(node, settings, members);
    if (settings.founded) {
      IdentityRecord identity{ClusterId(7), n.options.fresh_incarnation, members, false};
      n.journal.append(Persist{Lsn(1), Ballot{}, identity});
      n.journal.flush();
      n.journal.restart_lsn();
    }
    n.applied_membership = Membership(members);
    n.core.emplace(n.options, n.journal.recover());
  }
  for (NodeId node : nodes_) {
    step(node, Started{now_});
  }
  for (NodeId a : nodes_) {
    for (NodeId b : nodes_) {
      if (a < b) {
        connect(a, b);
      }
    }
  }
  if (settings.founded) {
    links_.clear();  // greetings; everybody knows everybody
  }
  trace(true);
}

void World::connect(NodeId a, NodeId b) {
  step(a, LinkUp{now_, b});
  step(b, LinkUp{now_, a});
}

std::string World::take_trace() {
  std::string text;
  text.swap(trace_);
  return text;
}

// ---- what a node does

void World::step(NodeId node, const Event& event) {
  Effects effects;
  at(node).core->step(event, effects);
  at(node).core->step(TurnEnded{now_}, effects);
  for (const Effect& effect : effects) {
    say(node, effect);
    perform(node, effect);
  }
}

void World::say(NodeId node, const Effect& effect) {
  const bool quiet = std::holds_alternative<WakeAt>(effect) ||
                     std::holds_alternative<StopSending>(effect) ||
                     std::holds_alternative<PeersChanged>(effect);
  if (!tracing_ || quiet) {
    return;
  }
  std::ostringstream line;
  line << 'n' << node << ": " << effect << '\n';
  trace_ += line.str();
}

void World::perform(NodeId node, const Effect& effect) {
  Node& n = at(node);
  if (const auto* persist = std::get_if<Persist>(&effect)) {
    n.journal.append(*persist);
  } else if (const auto* message = std::get_if<Send>(&effect)) {
    send(node, message->to, Packet{message->message, Ballot{}});
  } else if (const auto* deliver = std::get_if<Deliver>(&effect)) {
    apply(node, deliver->slot, deliver->entry);
  } else if (const auto* read = std::get_if<DeliverFromLog>(&effect)) {
    for (Slot slot = read->first; slot <= read->last; slot = slot.next()) {
      const Journal::State& log = n.journal.visible();
      apply(node, slot, log.log.at(slot.value() - log.base.value() - 1).entry);
    }
  } else if (const auto* install = std::get_if<InstallSnapshot>(&effect)) {
    n.applied.assign(install->slot.value(), "");
    n.applied_chain = n.journal.visible().base_chain;
    n.applied_membership = n.journal.visible().base_membership;
  } else if (const auto* log = std::get_if<SendLog>(&effect)) {
    stream(node, *log);
  } else if (const auto* snapshot = std::get_if<SendSnapshot>(&effect)) {
    const Slot slot(n.applied.size());
    const Journal::Snapshot whole{slot, n.applied_chain, n.applied_membership};
    send(node, snapshot->to, Packet{whole, snapshot->ballot});
    step(node, Sent{now_, snapshot->to, snapshot->ballot, true, true, slot, n.applied_chain});
  } else if (const auto* alarm = std::get_if<WakeAt>(&effect)) {
    n.alarm = alarm->at;
  } else if (const auto* ready = std::get_if<ReadReady>(&effect)) {
    judge_.on_read_ready(node, ready->token, ready->slot);
  }
}

void World::apply(NodeId node, Slot slot, const Entry& entry) {
  Node& n = at(node);
  SYNOD_CHECK(slot.value() == n.applied.size() + 1);
  std::ostringstream text;
  text << entry;
  n.applied.push_back(text.str());
  n.applied_chain = chain_after(n.applied_chain, slot, entry);
  n.applied_membership = n.applied_membership.after(entry);
  judge_.on_delivered(node, slot, n.applied_chain);
}

void World::stream(NodeId node, const SendLog& e) {
  send(node, e.to, Packet{log_message(at(node).journal.visible(), e), Ballot{}});
  step(node, Sent{now_, e.to, e.ballot, true, false, e.last, Chain(0)});
}

void World::send(NodeId from, NodeId to, Packet packet) {
  if (cut_.count({from, to}) == 0 && running(to)) {
    link(from, to).push_back(std::move(packet));
  }
}

// ---- what the world does to it

void World::stand(NodeId node) { step(node, Stand{now_}); }

bool World::propose(NodeId node, const std::string& value) {
  if (!running(node) || !core(node).can_propose()) {
    return false;
  }
  const Entry entry = make_entry(EntryKind::batch, value);
  judge_.on_proposed(entry, core(node).chain());
  step(node, Propose{now_, entry});
  return true;
}

void World::change(NodeId node, std::vector<Member> members) {
  for (Member& member : members) {
    member.address = "n" + std::to_string(member.node.value());
  }
  step(node, ProposeChange{now_, Membership(std::move(members)), "owner's"});
}

void World::read(NodeId node, std::uint64_t token) {
  judge_.on_read(node, token);
  step(node, Read{now_, token});
}
void World::hand_over(NodeId node) { step(node, HandOver{now_}); }

bool World::flush(NodeId node, std::size_t count) {
  if (!running(node) || journal(node).unflushed() == 0 || count == 0) {
    return false;
  }
  Node& n = at(node);
  n.journal.flush(count);
  judge_.on_durable(node, n.journal.durable());
  step(node, Durable{now_, n.journal.durable_ballot(), n.journal.durable_lsn()});
  return true;
}

std::size_t World::in_flight(NodeId from, NodeId to) const {
  auto it = links_.find({from, to});
  return it == links_.end() ? 0 : it->second.size();
}

const Packet* World::peek(NodeId from, NodeId to, std::size_t index) const {
  return in_flight(from, to) <= index ? nullptr : &links_.at({from, to})[index];
}

bool World::deliver(NodeId from, NodeId to, std::size_t index) {
  if (in_flight(from, to) <= index) {
    return false;
  }
  Queue& queue = link(from, to);
  const Packet packet = queue[index];
  queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(index));
  if (!running(to)) {
    return true;
  }
  if (const auto* snapshot = std::get_if<Journal::Snapshot>(&packet.content)) {
    at(to).journal.stage_snapshot(*snapshot);
    step(to, SnapshotStaged{now_, packet.ballot, snapshot->slot, snapshot->chain,
                            snapshot->membership});
  } else {
    step(to, Received{now_, from, std::get<Message>(packet.content)});
  }
  return true;
}

void World::duplicate(NodeId from, NodeId to, std::size_t index) {
  Queue& queue = link(from, to);
  if (index < queue.size()) {
    queue.push_back(Packet(queue[index]));
  }
}

void World::drop(NodeId from, NodeId to) { links_.erase({from, to}); }

void World::drop_one(NodeId from, NodeId to, std::size_t index) {
  Queue& queue = link(from, to);
  if (index < queue.size()) {
    queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(index));
  }
}

void World::crash(NodeId node, std::size_t kept) {
  Node& n = at(node);
  n.core.reset();
  n.alarm = Instant::max();
  if (n.journal.flush(kept)) {
    judge_.on_durable(node, n.journal.durable());
  }
  n.journal.lose_unflushed();
  for (NodeId other : nodes_) {
    drop(node, other);
    drop(other, node);
  }
}

void World::restart(NodeId node) {
  Node& n = at(node);
  SYNOD_CHECK(!n.core.has_value());
  ++n.lives;
  n.options.fresh_incarnation = Incarnation(node.value() * 100 + n.lives);
  n.journal.restart_lsn();
  const Recovered recovered = n.journal.recover();
  n.applied.assign(recovered.chosen.value(), "");
  n.applied_chain = recovered.chosen_chain;
  n.applied_membership =
      recovered.membership.empty() ? Membership(recovered.identity.founders) : recovered.membership;
  n.core.emplace(n.options, recovered);
  step(node, Started{now_});
  for (NodeId other : nodes_) {
    if (other != node && running(other) && cut_.count({node, other}) == 0) {
      connect(node, other);
    }
  }
}

void World::wipe(NodeId node) {
  SYNOD_CHECK(!running(node));
  at(node).journal = Journal();
}

void World::doubt(NodeId node, bool torn) {
  SYNOD_CHECK(!running(node));
  at(node).journal.lose_last_flush(torn);
}

void World::reboot(NodeId node, std::size_t lost) {
  SYNOD_CHECK(!running(node));
  at(node).journal.reboot(lost, settings_.planted == PlantedBug::rolled_back_voter_votes);
}

void World::refuse(NodeId node) {
  for (NodeId other : nodes_) {
    if (other != node && running(other)) {
      step(other, LinkDown{now_, node, true});
    }
  }
}

void World::cut(NodeId a, NodeId b) {
  cut_.insert({a, b});
  cut_.insert({b, a});
  drop(a, b);
  drop(b, a);
}

void World::heal(NodeId a, NodeId b) {
  cut_.erase({a, b});
  cut_.erase({b, a});
  reconnect(a, b);
}

void World::reconnect(NodeId a, NodeId b) {
  drop(a, b);
  drop(b, a);
  if (running(a) && running(b) && cut_.count({a, b}) == 0) {
    step(a, LinkDown{now_, b, false});
    step(b, LinkDown{now_, a, false});
    connect(a, b);
  }
}

void World::trim(NodeId node, Slot through) {
  Node& n = at(node);
  SYNOD_CHECK(through.value() <= n.applied.size());
  // Membership as of the applied slot, which the tests trim at most at.
  n.journal.trim(through, n.applied_membership);
  step(node, LogTrimmed{through.next()});
}

void World::settle() {
  constexpr int turns_max = 100'000;
  bool moved = true;
  for (int turn = 0; moved && turn < turns_max; ++turn) {
    moved = false;
    for (NodeId from : nodes_) {
      moved = flush(from) || moved;
      for (NodeId to : nodes_) {
        moved = deliver(from, to) || moved;
      }
    }
    SYNOD_CHECK(turn + 1 < turns_max);
  }
}

void World::advance(Duration time) {
  const Instant end = now_ + time;
  settle();
  while (true) {
    Instant next = end;
    for (NodeId node : nodes_) {
      next = running(node) ? std::min(next, at(node).alarm) : next;
    }
    now_ = std::max(now_, next);
    bool rang = false;
    for (NodeId node : nodes_) {
      if (running(node) && at(node).alarm <= now_ && at(node).alarm < end) {
        at(node).alarm = Instant::max();
        step(node, Tick{now_});
        rang = true;
      }
    }
    settle();
    if (!rang) {
      return;
    }
  }
}

void World::pass(Duration time) {
  now_ = now_ + time;
  for (NodeId node : nodes_) {
    if (running(node) && at(node).alarm <= now_) {
      at(node).alarm = Instant::max();
      step(node, Tick{now_});
    }
  }
}

void World::check() {
  std::map<NodeId, const Journal::State*> disks;
  for (NodeId node : nodes_) {
    disks[node] = &journal(node).durable();
    if (running(node)) {
      const std::optional<std::string> broken = core(node).check();
      SYNOD_CHECK(!broken.has_value());
    }
  }
  const std::string broken = judge_.check_quorums(disks);
  if (!broken.empty()) {
    judge_.blame(broken);
  }
}

}  // namespace synod::paxos::testing
