// What the engine does for sessions: queue, batches, forwarding, barriers, expiry.
#include <algorithm>
#include <utility>

#include "coordinator/engine.h"

namespace synod::coordinator {
namespace {

// After a refusal the edges send again a little later, not at the speed of the wire.
constexpr Duration renewal_delay = Duration::millis(50);
// An expectation survives this many renewals: its edge has submitted again by then, or is gone.
constexpr std::uint64_t paths_remembered = 3;
constexpr std::size_t forward_size_bytes_max = 1 << 20;

}  // namespace

// ---- edges

void Engine::take(Submit&& m) {
  applier_.expect(m, path_);
  if (role_.leader != NodeId()) {
    enqueue(std::move(m.command));
  }
}

void Engine::take(SyncRequest&& m) { sync_gathered_.push_back({m.edge, NodeId(), m.ticket}); }

void Engine::take(Touch&& m) {
  if (role_.role == paxos::Role::leader) {
    for (SessionId session : m.sessions) {
      sessions_.touch(session);
    }
  } else if (role_.leader != NodeId() && links_ != nullptr &&
             options_.planted != PlantedBug::touches_lost) {
    links_->send(role_.leader, peer::Touched{std::move(m.sessions)});
  }
}

void Engine::enqueue(Bytes command) {
  if (queue_.size_bytes() + command.size() > options_.queue_bytes_max) {
    renew_path_later();
    return;
  }
  if (queue_.empty()) {
    queued_at_ = lane_.now();
  }
  queue_.push(std::move(command));
}

// ---- peers

void Engine::hear(NodeId from, peer::PeerMessage message) {
  if (phase_ != Phase::running && phase_ != Phase::repairing) {
    return;
  }
  const bool runs = phase_ == Phase::running;
  if (auto* introduction = std::get_if<peer::Introduction>(&message)) {
    hear_own(from, std::move(*introduction));
  } else if (auto* ask_repair = std::get_if<peer::RepairAsk>(&message)) {
    hear_own(from, *ask_repair);
  } else if (auto* give = std::get_if<peer::RepairGive>(&message)) {
    hear_own(from, std::move(*give));
  } else if (auto* begin = std::get_if<peer::SnapshotBegin>(&message)) {
    courier_.on(from, *begin, runs ? core_->promised() : paxos::Ballot{});
  } else if (auto* part = std::get_if<peer::SnapshotPart>(&message)) {
    courier_.on(from, *part);
  } else if (auto* end = std::get_if<peer::SnapshotEnd>(&message)) {
    courier_.on(from, *end);
  } else if (auto* taken = std::get_if<peer::SnapshotTaken>(&message)) {
    courier_.on(from, *taken);
  } else if (auto* go_on = std::get_if<peer::SnapshotFrom>(&message)) {
    courier_.on(from, *go_on);
  } else if (!runs) {
    return;  // the others belong to a core
  } else if (auto* m = std::get_if<paxos::Message>(&message)) {
    step(paxos::Received{lane_.now(), from, std::move(*m)});
  } else if (auto* forward = std::get_if<peer::Forward>(&message)) {
    hear_own(from, std::move(*forward));
  } else if (auto* change = std::get_if<peer::ChangeAsk>(&message)) {
    hear_own(from, std::move(*change));
  } else if (auto* dropped = std::get_if<peer::ForwardDropped>(&message)) {
    hear_own(from, std::move(*dropped));
  } else if (auto* ask = std::get_if<peer::SyncAsk>(&message)) {
    hear_own(from, std::move(*ask));
  } else if (auto* answer = std::get_if<peer::SyncAnswer>(&message)) {
    hear_own(from, std::move(*answer));
  } else if (auto* touched = std::get_if<peer::Touched>(&message)) {
    hear_own(from, std::move(*touched));
  } else if (auto* digests = std::get_if<peer::DigestsSaid>(&message)) {
    hear_own(from, *digests);
  }
}

void Engine::hear_own(NodeId from, peer::Forward&& m) {
  std::size_t size_bytes = 0;
  for (const Bytes& command : m.commands) {
    size_bytes += command.size();
  }
  if (role_.role != paxos::Role::leader ||
      queue_.size_bytes() + size_bytes > options_.queue_bytes_max) {
    links_->send(from, peer::ForwardDropped{});
    return;
  }
  for (Bytes& command : m.commands) {
    enqueue(std::move(command));
  }
}

void Engine::hear_own(NodeId from, peer::ForwardDropped&&) {
  if (from == role_.leader) {
    renew_path_later();
  }
}

void Engine::hear_own(NodeId from, peer::SyncAsk&& m) {
  if (role_.role != paxos::Role::leader) {
    links_->send(from, peer::SyncAnswer{m.ticket, false, Slot()});
    return;
  }
  sync_gathered_.push_back({0, from, m.ticket});
}

void Engine::hear_own(NodeId, peer::SyncAnswer&& m) {
  auto it = sync_asked_.find(m.ticket);
  if (it == sync_asked_.end()) {
    return;
  }
  std::vector<SyncWaiter> waiters = std::move(it->second);
  sync_asked_.erase(it);
  if (m.ok) {
    sync_ready_.push_back({m.slot, std::move(waiters)});
    return;
  }
  for (const SyncWaiter& waiter : waiters) {
    answer_sync(waiter.edge, waiter.ticket, false);
  }
}

void Engine::hear_own(NodeId, peer::Touched&& m) {
  if (role_.role == paxos::Role::leader) {
    for (SessionId session : m.sessions) {
      sessions_.touch(session);
    }
  }
}

// ---- proposing and forwarding

znode::BatchHeader Engine::batch_header(RulesVersion rules) const {
  znode::BatchHeader header;
  header.time = lane_.wall();
  header.rules = rules;
  header.switches = shared_.switches;
  return header;
}

bool Engine::gathered() const { return !taken_.empty() || !queue_.empty(); }

// What goes next, up to a reconfig. Nothing: that is the very next, the first of taken_.
std::vector<Bytes> Engine::take_gathered(std::size_t commands_max, std::size_t bytes_max) {
  if (taken_.empty()) {
    std::vector<Bytes> next = queue_.take(commands_max, bytes_max);
    if (std::none_of(next.begin(), next.end(), znode::is_reconfigure)) {
      return next;
    }
    taken_.assign(std::make_move_iterator(next.begin()), std::make_move_iterator(next.end()));
  }
  std::vector<Bytes> out;
  while (!taken_.empty() && !znode::is_reconfigure(taken_.front())) {
    out.push_back(std::move(taken_.front()));
    taken_.pop_front();
  }
  return out;
}

void Engine::propose_gathered() {
  while (gathered() && core_->can_propose() && unflushed_.size() < options_.batches_unflushed_max &&
         unapplied_bytes_ < options_.unapplied_bytes_max) {
    const std::vector<Bytes> commands =
        take_gathered(options_.batch_commands_max, options_.batch_size_bytes);
    if (commands.empty()) {
      if (!judge_reconfig()) {
        return;
      }
      continue;
    }
    const Instant began = lane_.now();
    stages_.queue.add(began - queued_at_);
    queued_at_ = began;
    ++proposals_;
    Bytes value = znode::encode_batch(batch_header(znode::rules_version_of_writes), commands);
    const std::size_t size_bytes = value.size();
    step(paxos::Propose{lane_.now(), paxos::make_entry(paxos::EntryKind::batch, std::move(value))});
    unflushed_.push_back(persisted_);
    unapplied_.emplace_back(core_->last(), size_bytes);
    unapplied_bytes_ += size_bytes;
    stages_.propose.add(lane_.now() - began);
    proposed_.emplace_back(core_->last(), began);
  }
}

void Engine::forward_gathered() {
  if (role_.leader == NodeId() || links_ == nullptr) {
    queue_.clear();
    taken_.clear();
    return;
  }
  while (gathered()) {
    peer::Forward forward;
    forward.commands = take_gathered(SIZE_MAX, forward_size_bytes_max);
    const bool knows = options_.release.knows_changes() && links_->knows_changes(role_.leader);
    if (forward.commands.empty() && knows) {
      links_->send(role_.leader, peer::ChangeAsk{std::move(taken_.front())});
      taken_.pop_front();
      continue;
    }
    if (forward.commands.empty()) {
      fail_reconfig(zkwire::Code::unimplemented, "the leader is of a release without it");
      continue;
    }
    if (options_.planted == PlantedBug::reorder_forwarded) {
      std::reverse(forward.commands.begin(), forward.commands.end());
    }
    // If the connection is away they are lost, and the edges send them again when it is back.
    links_->send(role_.leader, std::move(forward));
  }
}

void Engine::propose_own(znode::Command command) { enqueue(znode::encode_command(command)); }

void Engine::renew_path() {
  ++path_;
  if (path_ > paths_remembered) {
    applier_.forget_before(path_ - paths_remembered);
  }
  applier_.tell_all(PathRenewed{path_});
}

void Engine::renew_path_later() {
  if (std::exchange(renewal_due_, true)) {
    return;
  }
  lane_.after(renewal_delay, scope_.wrap([this] {
    renewal_due_ = false;
    if (phase_ == Phase::running && role_.leader != NodeId()) {
      renew_path();
    }
  }));
}

// ---- barriers

// Those that gathered in this turn share one round.
void Engine::begin_syncs() {
  if (sync_gathered_.empty()) {
    return;
  }
  std::vector<SyncWaiter> waiters;
  waiters.swap(sync_gathered_);
  const std::uint64_t token = ++last_token_;
  if (role_.role == paxos::Role::leader) {
    sync_asked_.emplace(token, std::move(waiters));
    step(paxos::Read{lane_.now(), token});
  } else if (role_.leader != NodeId() && links_ != nullptr &&
             links_->send(role_.leader, peer::SyncAsk{token})) {
    sync_asked_.emplace(token, std::move(waiters));
  } else {
    for (const SyncWaiter& waiter : waiters) {
      waiter.peer == NodeId()
          ? answer_sync(waiter.edge, waiter.ticket, false)
          : void(links_->send(waiter.peer, peer::SyncAnswer{waiter.ticket, false, Slot()}));
    }
  }
}

void Engine::perform(paxos::ReadReady&& e) {
  auto it = sync_asked_.find(e.token);
  if (it == sync_asked_.end()) {
    return;
  }
  SyncReady ready{e.slot, {}};
  for (const SyncWaiter& waiter : it->second) {
    if (waiter.peer == NodeId()) {
      ready.waiters.push_back(waiter);
    } else {
      links_->send(waiter.peer, peer::SyncAnswer{waiter.ticket, true, e.slot});
    }
  }
  sync_asked_.erase(it);
  sync_ready_.push_back(std::move(ready));
}

void Engine::perform(paxos::ReadFailed&& e) {
  auto it = sync_asked_.find(e.token);
  if (it == sync_asked_.end()) {
    return;
  }
  const std::vector<SyncWaiter> waiters = std::move(it->second);
  sync_asked_.erase(it);
  for (const SyncWaiter& waiter : waiters) {
    if (waiter.peer == NodeId()) {
      answer_sync(waiter.edge, waiter.ticket, false);
    } else if (links_ != nullptr) {
      links_->send(waiter.peer, peer::SyncAnswer{waiter.ticket, false, Slot()});
    }
  }
}

// Whatever was asked of another leader, or through another connection.
void Engine::fail_syncs() {
  std::map<std::uint64_t, std::vector<SyncWaiter>> asked;
  asked.swap(sync_asked_);
  for (const auto& [token, waiters] : asked) {
    for (const SyncWaiter& waiter : waiters) {
      if (waiter.peer == NodeId()) {
        answer_sync(waiter.edge, waiter.ticket, false);
      }
    }
  }
}

void Engine::settle_syncs() {
  for (auto it = sync_ready_.begin(); it != sync_ready_.end();) {
    if (it->slot > applier_.applied() && options_.planted != PlantedBug::sync_not_awaited) {
      ++it;
      continue;
    }
    for (const SyncWaiter& waiter : it->waiters) {
      answer_sync(waiter.edge, waiter.ticket, true);
    }
    it = sync_ready_.erase(it);
  }
}

void Engine::answer_sync(EdgeIndex edge, std::uint64_t ticket, bool ok) {
  applier_.tell(edge, Synced{ticket, ok});
}

// ---- what only a leader does

void Engine::lead_on() {
  const std::map<std::string, std::string>& settings = shared_.state.settings();
  auto it = settings.find("config");
  if (!options_.config_text.empty() && !core_->membership().names_addresses() &&
      (it == settings.end() || it->second != options_.config_text)) {
    znode::Command command;
    command.request = znode::UpdateSettings{{{"config", options_.config_text}}};
    propose_own(std::move(command));
  }
  end_turn_soon();
}

// What the sessions' silence is measured by.
Instant Engine::session_now() const {
  switch (options_.planted) {
    case PlantedBug::expire_by_wall_clock: return Instant() + Duration::millis(lane_.wall().millis);
    case PlantedBug::expire_early: return lane_.now() + (lane_.now() - Instant());
    default: return lane_.now();
  }
}

void Engine::tick() {
  const Duration interval = options_.tick / 4;
  lane_.after(interval, scope_.wrap([this] { tick(); }));
  compare_digests();
  if (phase_ != Phase::running || !role_.serving || role_.role != paxos::Role::leader) {
    return;
  }
  if (disk_watch_.stalled(lane_.now(), core_->chosen())) {
    hand_over("the own disk does not answer, those of the others do");
    return;
  }
  const bool leaps = options_.planted == PlantedBug::expire_by_wall_clock ||
                     options_.planted == PlantedBug::expire_early;
  const Duration step_max = leaps ? interval * 1'000'000 : interval * 2;
  for (SessionId id : sessions_.expired(session_now(), step_max, shared_.state)) {
    znode::Command command;
    command.session = id;
    command.request = znode::ExpireSession{shared_.state.find_session(id)->generation};
    lane_.log().info("engine", "session 0x{:x} is silent: expired",
                     static_cast<std::uint64_t>(id.value()));
    propose_own(std::move(command));
  }
  end_turn_soon();
}

}  // namespace synod::coordinator
