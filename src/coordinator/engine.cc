#include "coordinator/engine.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "base/check.h"
#include "base/trace.h"
#include "coordinator/journal_records.h"
#include "ports/entropy.h"

namespace synod::coordinator {
namespace {

constexpr Duration journal_retry_delay = Duration::millis(1);
constexpr Duration view_interval = Duration::millis(50);
// A leader that is told to stop waits so long for another one to be there.
constexpr Duration leave_max = Duration::seconds(1);

template <typename T>
std::string text_of(const T& value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

}  // namespace

Engine::Engine(EnginePorts ports, EngineOptions options)
    : lane_(ports.lane),
      network_(ports.network),
      shared_(ports.shared),
      journal_(ports.journal),
      on_failed_(std::move(ports.on_failed)),
      on_quarantined_(ports.on_quarantined ? std::move(ports.on_quarantined) : on_failed_),
      options_(std::move(options)),
      applier_(ports.lane, ports.shared, std::move(ports.edges),
               znode::State::Options{.planted = options_.planted}, options_.release.rules,
               ApplierOwner{[this](JournalCommand command) { journal(std::move(command)); },
                            [this](Slot slot) { slot_applied(slot); },
                            [this](SessionId session) {
                              if (role_.role == paxos::Role::leader) {
                                sessions_.touch(session);
                              }
                            },
                            [this] {
                              walker_.cancel();
                              digests_.forget_own();
                            },
                            [this](const Error& error) { fail(error); }}),
      courier_(
          ports.lane,
          CourierOwner{
              [this](JournalCommand command) { journal(std::move(command)); },
              [this](NodeId to, const peer::PeerMessage& message) {
                return links_ != nullptr && links_->send(to, message);
              },
              [this](NodeId to) { return links_ == nullptr ? 0 : links_->buffered(to); },
              [this](const paxos::Event& event) {
                step(event);
                end_turn_soon();
              },
              [this] { teach_by_snapshot(); },
              [this](std::size_t size_bytes) { return pace_.time_of(lane_.now(), size_bytes); }}),
      walker_(ports.journal, options_.snapshots),
      served_at_(lane_.now()) {
  const ports::WriteHold hold(shared_.gate);
  shared_.view.self = options_.self;
  shared_.view.reason = "recovers its log";
}

Engine::~Engine() = default;

void Engine::on(EdgeMessage message) {
  if (phase_ == Phase::running) {
    std::visit([this](auto&& m) { take(std::move(m)); }, std::move(message));
    end_turn_soon();
  } else if (const auto* sync = std::get_if<SyncRequest>(&message)) {
    answer_sync(sync->edge, sync->ticket, false);
  }
}

void Engine::on(JournalReport report) {
  if (phase_ != Phase::failed) {
    std::visit([this](auto&& r) { take(std::move(r)); }, std::move(report));
    end_turn_soon();
  } else if (auto* aside = std::get_if<SnapshotsSetAside>(&report)) {
    take(std::move(*aside));
  } else if (const auto* failed = std::get_if<JournalFailed>(&report)) {
    if (quarantined_.has_value()) {
      take(SnapshotsSetAside{failed->error});
    }
  }
}

// ---- the core

void Engine::step(const paxos::Event& event) {
  if (phase_ != Phase::running) {
    return;
  }
  paxos::Effects effects;
  trace(lane_.log(), "paxos", ">", event);
  core_->step(event, effects);
  if (applier_.membership().empty()) {  // it began on an empty disk
    applier_.found(paxos::Membership(core_->identity().founders));
  }
  for (paxos::Effect& effect : effects) {
    trace(lane_.log(), "paxos", "<", effect);
    perform(effect);
  }
}

void Engine::perform(paxos::Effect& effect) {
  std::visit([this](auto& e) { perform(std::move(e)); }, effect);
}

void Engine::perform(paxos::Persist&& e) {
  persisted_ = e.lsn;
  if (!disk_watch_.waiting()) {
    disk_watch_.waits(lane_.now(), core_->chosen());
  }
  journal(WriteRecords{e.lsn, e.ballot, to_storage(e.record, options_.self)});
}

void Engine::perform(paxos::Send&& e) {
  if (links_ != nullptr) {
    links_->send(e.to, peer::PeerMessage(std::move(e.message)));
  }
}

void Engine::perform(paxos::Deliver&& e) {
  while (!proposed_.empty() && proposed_.front().first <= e.slot) {
    if (proposed_.front().first == e.slot) {
      stages_.quorum.add(lane_.now() - proposed_.front().second);
    }
    proposed_.pop_front();
  }
  applier_.push(e);
}
void Engine::perform(paxos::DeliverFromLog&& e) { applier_.push(e); }
void Engine::perform(paxos::InstallSnapshot&& e) { applier_.push(e); }
void Engine::perform(paxos::SendLog&& e) { courier_.send(e); }
void Engine::perform(paxos::SendSnapshot&& e) { courier_.send(e); }
void Engine::perform(paxos::StopSending&& e) { courier_.stop(e.to); }

void Engine::perform(paxos::RoleChanged&& e) {
  const bool led = role_.role == paxos::Role::leader;
  const bool leads = e.role == paxos::Role::leader;
  const bool moved = e.leader != role_.leader || e.ballot != role_.ballot;
  elections_ += leads && !led ? 1 : 0;
  role_ = e;
  lane_.log().info("engine", "{} ballot={}.{} leader={}{}", text_of(e.role), e.ballot.number,
                   e.ballot.node.value(), e.leader.value(), e.serving ? " serving" : "");
  if (leads && !led) {
    sessions_.begin(session_now());
    disk_watch_.begin(lane_.now(), flushed_ < persisted_, core_->chosen());
    unflushed_.clear();
  }
  if (moved) {
    // What was under way to another leader may be lost.
    queue_.clear();
    taken_.clear();
    proposed_.clear();
    unapplied_.clear();
    unapplied_bytes_ = 0;
    fail_syncs();
    if (e.leader != NodeId()) {
      renew_path();
    }
  }
  if (e.serving) {
    lead_on();
  }
  if (e.leader != NodeId() && !leads) {
    end_leave();
  }
  update_view();
}

void Engine::perform(paxos::ProposalsLost&&) {
  unflushed_.clear();
  unapplied_.clear();
  unapplied_bytes_ = 0;
}

void Engine::perform(paxos::WakeAt&& e) {
  lane_.cancel(alarm_);
  alarm_ = ports::TimerId();
  if (e.at == Instant::max()) {
    return;
  }
  alarm_ = lane_.after(e.at - lane_.now(), scope_.wrap([this] {
    alarm_ = ports::TimerId();
    step(paxos::Tick{lane_.now()});
    end_turn_soon();
  }));
}

void Engine::perform(paxos::Note&& e) {
  e.warning ? lane_.log().warning("paxos", "{}", e.text) : lane_.log().info("paxos", "{}", e.text);
}

// ---- the journal

void Engine::journal(JournalCommand command) {
  to_journal_.push_back(std::move(command));
  send_to_journal();
}

void Engine::send_to_journal() {
  while (!to_journal_.empty()) {
    JournalCommand command = to_journal_.front();
    if (!journal_.try_send(std::move(command))) {
      if (!std::exchange(journal_retry_, true)) {
        lane_.after(journal_retry_delay, scope_.wrap([this] {
          journal_retry_ = false;
          send_to_journal();
        }));
      }
      return;
    }
    to_journal_.pop_front();
  }
}

void Engine::take(Flushed&& r) {
  flushes_.add(r.took);
  stages_.flush.add(r.took);
  flushed_ = std::max(flushed_, r.lsn);
  const bool slow =
      phase_ == Phase::running && role_.role == paxos::Role::leader &&
      disk_watch_.flushed(lane_.now(), r.took, flushed_ < persisted_, core_->chosen());
  while (!unflushed_.empty() && unflushed_.front() <= flushed_) {
    unflushed_.pop_front();
  }
  step(paxos::Durable{lane_.now(), r.ballot, r.lsn});
  if (slow) {
    hand_over("the own disk is slow, those of the others are not");
  }
}

void Engine::take(LogRead&& r) {
  if (give_repair(r)) {
    return;
  }
  if (r.ticket == replay_ticket_ && phase_ == Phase::recovering) {
    if (r.error.has_value()) {
      fail(with_context("the log cannot be read back", *r.error));
      return;
    }
    replay(std::move(r.slots));
    replay_on();
  } else if (!courier_.on(r)) {
    applier_.on(r);
  }
}

void Engine::take(SliceTaken&&) { walker_.taken(); }

void Engine::take(SnapshotWritten&& r) {
  walker_.written();
  if (r.ref.has_value()) {
    lane_.log().info("engine", "snapshot of slot {} written, {} bytes", r.ref->id.slot.value(),
                     r.ref->file_size_bytes);
    journal(ShortenLog{r.ref->id.slot, options_.log_slots_kept});
    if (std::exchange(log_unreadable_, false)) {
      step(paxos::LogTrimmed{r.ref->id.slot.next()});
    }
  }
}

// The state is whole where the log is not: whoever lags gets a snapshot of it instead. What is bad
// stays until a restart has it fetched from peers.
void Engine::teach_by_snapshot() {
  log_unreadable_ = true;
  if (!walker_.active()) {
    begin_snapshot(applier_.applied());
  }
}

void Engine::take(SnapshotFileRead&& r) { courier_.on(r); }
void Engine::take(PartTaken&& r) { courier_.on(r); }
void Engine::take(SnapshotReceived&& r) { courier_.on(r); }

void Engine::take(LogShortened&& r) { step(paxos::LogTrimmed{r.log_first}); }

// A leader that cannot write lets another one lead; its own clients' reads go on.
void Engine::take(JournalFull&& r) {
  disk_full_ = r.full;
  if (r.full) {
    hand_over("the own disk is full");
  }
  if (phase_ == Phase::running) {
    update_view();
  }
}

void Engine::take(RotFound&& r) { rot_ = std::move(r.what); }

void Engine::hand_over(const char* why) {
  if (role_.role == paxos::Role::leader) {
    lane_.log().warning("engine", "hands over: {}", why);
    step(paxos::HandOver{lane_.now()});
  }
}

void Engine::leave(std::function<void()> left) {
  left_ = std::move(left);
  const bool others = phase_ == Phase::running && core_->followers().following > 0;
  if (role_.role != paxos::Role::leader || !others) {
    end_leave();
    return;
  }
  lane_.after(leave_max, scope_.wrap([this] {
    if (left_) {
      lane_.log().warning("engine", "nobody took over within {} ms", leave_max.millis());
      end_leave();
    }
  }));
  hand_over("it is told to stop");
}

void Engine::end_leave() {
  if (left_) {
    lane_.after(Duration(), scope_.wrap(std::exchange(left_, nullptr)));
  }
}

void Engine::take(JournalFailed&& r) { fail(r.error); }

void Engine::take_no_part(const Error& error) {
  lane_.log().error("engine", "takes no part any more: {}", to_string(error));
  phase_ = Phase::failed;
  lane_.cancel(alarm_);
  // Destroyed on the next turn: one of them may be calling just now.
  std::shared_ptr<peer::Links> links = std::move(links_);
  lane_.after(Duration(), [links] {});
  {
    const ports::WriteHold hold(shared_.gate);
    shared_.view.failed = true;
    shared_.view.serving = false;
    shared_.view.reason = to_string(error);
  }
}

void Engine::fail(const Error& error) {
  if (phase_ != Phase::failed) {
    take_no_part(error);
    on_failed_(error);
  }
}

// ---- turns

void Engine::end_turn_soon() {
  if (turn_end_posted_) {
    return;
  }
  turn_end_posted_ = true;
  auto end = scope_.wrap([this] {
    turn_end_posted_ = false;
    end_turn();
  });
  if (!lane_.try_post(end)) {
    lane_.after(Duration(), end);
  }
}

// Everything that came in meanwhile has been handled: propose it as one batch, let watermarks
// leave, apply.
void Engine::end_turn() {
  if (phase_ != Phase::running) {
    return;
  }
  begin_syncs();
  if (role_.role == paxos::Role::leader) {
    propose_gathered();
  } else {
    forward_gathered();
  }
  step(paxos::TurnEnded{lane_.now()});
  apply_some();
  if (lane_.now() - view_updated_ >= view_interval) {
    update_view();
  }
}

void Engine::apply_some() {
  const bool more = applier_.run();
  const bool room = settle_applied();
  const bool judged = queue_waits_ && applier_.applied() == core_->last();
  if (room || judged) {
    queue_waits_ = queue_waits_ && !judged;
    end_turn_soon();  // what waits may be proposed
  }
  settle_syncs();
  walker_.step();
  if (more && !std::exchange(applying_posted_, true)) {
    auto again = scope_.wrap([this] {
      applying_posted_ = false;
      if (phase_ == Phase::running) {
        apply_some();
      }
    });
    if (!lane_.try_post(again)) {
      lane_.after(Duration(), again);
    }
  }
}

void Engine::slot_applied(Slot slot) {
  note_digest(slot);
  snapshot_if_due(slot);
}

// True if commands waited for what has been applied now.
bool Engine::settle_applied() {
  const bool waited = unapplied_bytes_ >= options_.unapplied_bytes_max && gathered();
  while (!unapplied_.empty() && unapplied_.front().first <= applier_.applied()) {
    unapplied_bytes_ -= unapplied_.front().second;
    pace_.wrote(lane_.now(), unapplied_.front().second);
    unapplied_.pop_front();
  }
  return waited && unapplied_bytes_ < options_.unapplied_bytes_max;
}

void Engine::snapshot_if_due(Slot slot) {
  const znode::State& state = shared_.state;
  const bool due = walker_.due(slot, state.last_zxid(), state.counts().nodes);
  if (phase_ == Phase::running && due) {
    begin_snapshot(slot);
  }
}

// Of the state as it is: `slot` was applied last.
void Engine::begin_snapshot(Slot slot) {
  storage::SnapshotId id;
  id.cluster = core_->identity().cluster;
  id.slot = slot;
  id.chain = applier_.chain().value();
  id.digest = shared_.state.digest();
  id.meta = paxos::encode(applier_.membership());
  walker_.begin(shared_.state, id);
}

void Engine::update_view() {
  view_updated_ = lane_.now();
  ClusterView view;
  view.self = options_.self;
  view.role = role_.role;
  view.leader = role_.leader;
  view.ballot = role_.ballot;
  view.serving = role_.role == paxos::Role::leader ? role_.serving : role_.leader != NodeId();
  view.applied = applier_.applied();
  view.last = core_->last();
  for (const paxos::Member& member : core_->membership().members()) {
    view.voters += member.observer ? 0 : 1;
  }
  const paxos::Member* self = core_->membership().find(options_.self);
  view.observes = self == nullptr || self->observer;
  view.votes = core_->membership().votes(options_.self, core_->identity().incarnation);
  const paxos::Core::Followers followers = core_->followers();
  view.followers = static_cast<std::uint32_t>(followers.following);
  view.synced_followers = static_cast<std::uint32_t>(followers.synced);
  view.synced_observers = static_cast<std::uint32_t>(followers.synced_observers);
  view.rules = options_.release.rules;
  view.agreed_rules = core_->agreed_rules();
  view.lease_ms = options_.lease.millis();
  view.lease_held = core_->holds_lease(view_updated_);
  view.elections = elections_;
  view.proposals = proposals_;
  view.flush_p99 = flushes_.percentile(99);
  view.slow_applies = applier_.slow_applies();
  view.stages = stages_;
  view.stages.apply = applier_.latency();
  view.reason = view.serving ? "" : why_not_serving();
  view.disk_full = disk_full_;
  view.rot = rot_;
  if (disk_full_) {
    view.reason += view.reason.empty() ? "" : "; ";
    view.reason += "the disk of this server is full: what it should write waits for room";
  }
  watch_state_limit();
  view.state_limit_bytes = options_.state_limit_bytes;
  view.state_full = state_full_;
  if (state_full_) {
    view.reason += view.reason.empty() ? "" : "; ";
    view.reason += "the state is at its limit: what makes it larger is refused";
  }
  say_why(view);
  const ports::WriteHold hold(shared_.gate);
  shared_.view = std::move(view);
}

}  // namespace synod::coordinator
