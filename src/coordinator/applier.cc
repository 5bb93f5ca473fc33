#include "coordinator/applier.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "coordinator/journal_records.h"
#include "coordinator/release.h"

namespace synod::coordinator {
namespace {

// Tickets of our reads; the courier's and the engine's lie elsewhere.
constexpr std::uint64_t ticket_base = std::uint64_t{1} << 62;
constexpr std::size_t log_read_size_bytes = 4 << 20;
// The latch is given back after so many commands or so long: readers wait no longer.
constexpr std::size_t commands_per_hold = 16;
constexpr Duration hold_max = Duration::micros(200);
// One turn of applying; then others have theirs.
constexpr Duration run_max = Duration::millis(2);
constexpr std::size_t slots_per_run = 256;
constexpr Duration slow_apply = Duration::millis(1);

}  // namespace

Applier::Applier(ports::Lane& lane, Shared& shared, std::vector<ports::Sender<Wake>> edges,
                 znode::State::Options state_options, RulesVersion rules, ApplierOwner owner)
    : lane_(lane),
      shared_(shared),
      edges_(std::move(edges)),
      to_wake_(edges_.size(), false),
      state_options_(state_options),
      rules_(rules),
      owner_(std::move(owner)) {}

void Applier::restore(znode::State state, Slot slot, paxos::Chain chain,
                      const paxos::Membership& membership) {
  {
    const ports::WriteHold hold(shared_.gate);
    shared_.state = std::move(state);
  }
  applied_ = slot;
  chain_ = chain;
  membership_ = membership;
}

// ---- what the core delivers

void Applier::push(const paxos::Deliver& e) {
  queue_.push_back(Ready{e.slot, e.entry, e.chain, lane_.now()});
}

void Applier::push(const paxos::DeliverFromLog& e) {
  queue_.push_back(FromLog{e.first, e.last, false});
}

void Applier::push(const paxos::InstallSnapshot& e) {
  // What stands before it is in the snapshot.
  queue_.clear();
  queue_.push_back(Install{e.slot, false, nullptr});
  chain_ = e.chain;
  membership_ = e.membership;
}

bool Applier::on(const LogRead& report) {
  if (report.ticket != (ticket_base | read_ticket_) || queue_.empty()) {
    return report.ticket >= ticket_base && report.ticket < 2 * ticket_base;
  }
  auto* wanted = std::get_if<FromLog>(&queue_.front());
  if (wanted == nullptr) {
    return true;
  }
  if (report.error.has_value()) {
    owner_.failed(with_context("chosen slots cannot be read back", *report.error));
    return true;
  }
  const FromLog all = *wanted;
  queue_.pop_front();
  if (report.slots.back().slot < all.last) {
    queue_.push_front(FromLog{report.slots.back().slot.next(), all.last, false});
  }
  for (auto it = report.slots.rbegin(); it != report.slots.rend(); ++it) {
    Result<paxos::RecoveredEntry> entry = to_paxos(*it);
    if (!entry.ok()) {
      owner_.failed(entry.error());
      return true;
    }
    queue_.push_front(Ready{it->slot, std::move(entry->entry), entry->chain, lane_.now()});
  }
  return true;
}

void Applier::on(SnapshotContent report) {
  auto* install_item = queue_.empty() ? nullptr : std::get_if<Install>(&queue_.front());
  if (install_item == nullptr || install_item->slot != report.slot) {
    return;
  }
  if (report.error.has_value()) {
    owner_.failed(with_context("the snapshot cannot be read back", *report.error));
    return;
  }
  if (!report.bytes.empty()) {
    if (Status fed = install_item->loader->feed(report.bytes); !fed.ok()) {
      owner_.failed(with_context("the snapshot is not a state", fed.error()));
    }
    return;
  }
  Result<znode::State> state = install_item->loader->finish();
  if (!state.ok()) {
    owner_.failed(with_context("the snapshot is not a state", state.error()));
    return;
  }
  queue_.pop_front();
  install(std::move(state).value(), report.slot);
}

void Applier::install(znode::State state, Slot slot) {
  owner_.replacing();
  held_.clear();  // their edges ask again
  Zxid before;
  {
    const ports::WriteHold hold(shared_.gate);
    before = shared_.state.last_zxid();
    std::swap(shared_.state, state);
    for (EdgeIndex edge = 0; edge < edges_.size(); ++edge) {
      put(edge, StateReplaced{before});
    }
  }
  applied_ = slot;
  wake();
  owner_.applied(slot);
}

// ---- applying

bool Applier::run() {
  const Instant began = lane_.now();
  for (std::size_t slots = 0; !queue_.empty(); ++slots) {
    if (slots >= slots_per_run || lane_.now() - began > run_max) {
      return true;
    }
    if (auto* from_log = std::get_if<FromLog>(&queue_.front())) {
      if (!std::exchange(from_log->asked, true)) {
        owner_.journal(ReadLog{ticket_base | ++read_ticket_, from_log->first, from_log->last,
                               log_read_size_bytes});
      }
      return false;
    }
    if (auto* snapshot = std::get_if<Install>(&queue_.front())) {
      if (!std::exchange(snapshot->asked, true)) {
        snapshot->loader = std::make_unique<znode::Loader>(state_options_);
        owner_.journal(LoadSnapshot{snapshot->slot});
      }
      return false;
    }
    const Ready& next = std::get<Ready>(queue_.front());
    const Status known = check_rules(next.slot, rules_of(next.entry), rules_);
    const bool passes_over = state_options_.planted == PlantedBug::rules_not_agreed;
    if (!known.ok() && !passes_over) {
      owner_.failed(known.error());
      return false;
    }
    Ready ready = std::move(std::get<Ready>(queue_.front()));
    queue_.pop_front();
    if (!known.ok()) {
      ready.entry = paxos::make_entry(paxos::EntryKind::readmit, paxos::encode(paxos::Readmit{}));
    }
    apply(ready);
  }
  return false;
}

void Applier::apply(const Ready& ready) {
  SYNOD_CHECK(ready.slot == applied_.next());
  switch (ready.entry.kind) {
    case paxos::EntryKind::open: {
      znode::Command open;
      open.request = znode::OpenEpoch{};
      const ports::WriteHold hold(shared_.gate);
      apply_command(znode::BatchHeader{}, open);
      give_held();
      break;
    }
    case paxos::EntryKind::batch: {
      Result<znode::BatchReader> batch = znode::BatchReader::begin(*ready.entry.value);
      if (batch.ok()) {
        apply_batch(*batch, ready.slot);
      } else {
        // The same on every replica: bytes that no leader of ours writes change nothing.
        lane_.log().error("engine", "slot {} holds no batch: {}", ready.slot.value(),
                          batch.error().message);
      }
      break;
    }
    case paxos::EntryKind::readmit: {
      const ports::WriteHold hold(shared_.gate);
      give_held();
      break;
    }
    case paxos::EntryKind::membership: apply_change(ready); break;
  }
  membership_ = membership_.after(ready.entry);
  chain_ = ready.chain;
  applied_ = ready.slot;
  latency_.add(lane_.now() - ready.known);
  wake();
  owner_.applied(ready.slot);
}

void Applier::apply_change(const Ready& ready) {
  paxos::Membership members;
  ByteView owners;
  if (!paxos::decode_change(*ready.entry.value, members, owners) || owners.empty()) {
    return;
  }
  Result<znode::BatchReader> batch = znode::BatchReader::begin(owners);
  if (batch.ok()) {
    holding_ = true;
    apply_batch(*batch, ready.slot);
    holding_ = false;
  }
}

// Under the gate.
void Applier::give_held() {
  for (auto& [edge, item] : held_) {
    put(edge, std::move(item));
  }
  held_.clear();
}

void Applier::apply_batch(znode::BatchReader& batch, Slot slot) {
  while (!batch.at_end()) {
    const ports::WriteHold hold(shared_.gate);
    const Instant began = lane_.now();
    for (std::size_t i = 0; i < commands_per_hold && !batch.at_end(); ++i) {
      const Result<const znode::Command*> command = batch.next();
      if (!command.ok()) {
        lane_.log().error("engine", "slot {}: {}: the rest of it changes nothing", slot.value(),
                          command.error().message);
        return;
      }
      apply_command(batch.header(), **command);
      const Duration took = lane_.now() - began;
      slow_applies_ += took > slow_apply ? 1 : 0;
      if (took > hold_max) {
        break;
      }
    }
  }
}

// Under the gate.
void Applier::apply_command(const znode::BatchHeader& header, const znode::Command& command) {
  znode::Effects effects = shared_.state.apply(header, command);
  for (EdgeIndex edge = 0; edge < edges_.size(); ++edge) {
    const bool deaf = edge > 0 && state_options_.planted == PlantedBug::watch_one_edge_only;
    if (shared_.inboxes[edge].watched && !deaf) {
      for (const znode::Trigger& trigger : effects.triggers) {
        put(edge, Fired{trigger, effects.outcome.zxid});
      }
    }
    for (const znode::SessionEffect& session : effects.sessions) {
      put(edge, SessionChanged{session});
    }
  }
  if (command.session == SessionId()) {
    return;
  }
  owner_.heard(command.session);
  std::uint64_t nonce = 0;
  if (const auto* create = std::get_if<znode::CreateSession>(&command.request)) {
    nonce = create->nonce;
  } else if (const auto* attach = std::get_if<znode::AttachSession>(&command.request)) {
    nonce = attach->nonce;
  }
  auto it = expected_.find(Key{command.session, command.generation, command.sequence, nonce});
  if (it != expected_.end()) {
    Applied result{command.session, command.generation, command.sequence, nonce,
                   std::move(effects.outcome)};
    if (holding_) {
      held_.emplace_back(it->second.first, std::move(result));
    } else {
      put(it->second.first, std::move(result));
    }
    expected_.erase(it);
  }
}

// ---- edges

void Applier::expect(const Submit& submit, std::uint64_t path) {
  expected_[Key{submit.session, submit.generation, submit.sequence, submit.nonce}] = {submit.edge,
                                                                                      path};
}

void Applier::forget_before(std::uint64_t path) {
  std::erase_if(expected_, [&](const auto& one) { return one.second.second < path; });
}

void Applier::put(EdgeIndex edge, InboxItem item) {
  std::vector<InboxItem>& items = shared_.inboxes[edge].items;
  if (items.empty()) {
    to_wake_[edge] = true;
    shared_.inboxes[edge].since = lane_.now();
  }
  items.push_back(std::move(item));
}

void Applier::wake() {
  for (EdgeIndex edge = 0; edge < edges_.size(); ++edge) {
    // A full Lane is awake; it looks at its inbox before it answers anything.
    if (to_wake_[edge] && edges_[edge].try_send(Wake{})) {
      to_wake_[edge] = false;
    }
  }
}

void Applier::tell(EdgeIndex edge, InboxItem item) {
  if (edge >= edges_.size()) {
    return;
  }
  {
    const ports::WriteHold hold(shared_.gate);
    put(edge, std::move(item));
  }
  wake();
}

void Applier::tell_all(const InboxItem& item) {
  {
    const ports::WriteHold hold(shared_.gate);
    for (EdgeIndex edge = 0; edge < edges_.size(); ++edge) {
      put(edge, item);
    }
  }
  wake();
}

}  // namespace synod::coordinator
