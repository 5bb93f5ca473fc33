#include "paxos/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/checksum.h"
#include "paxos/fields.h"

namespace synod::paxos {
namespace {

Instant time_of(const Event& event, Instant before) {
  return std::visit(
      [&](const auto& e) {
        if constexpr (std::is_same_v<std::decay_t<decltype(e)>, LogTrimmed>) {
          return before;
        } else {
          return e.now;
        }
      },
      event);
}

}  // namespace

Machine::Machine(const Options& options, const Recovered& recovered)
    : options_(options),
      outbox_(options.self, options.planted),
      founding_(options, recovered),
      acceptor_(options, recovered),
      grants_(options, recovered),
      log_first_(recovered.log_first) {
  election_.note_number(acceptor_.promised().number);
}

void Machine::step(const Event& event, Effects& effects) {
  now_ = time_of(event, now_);
  Step step{options_, now_, outbox_, effects, contacts_};
  // Nearly always nothing: the calls themselves would cost a percent of a write each.
  const auto hear_if_any = [&] { grants_.rest() ? void() : hear_put_off(step); };
  hear_if_any();
  std::visit([&](const auto& e) { on(step, e); }, event);
  hear_if_any();
  while (!outbox_.local().empty()) {
    const Message message = std::move(outbox_.local().front());
    outbox_.local().pop_front();
    hear(step, options_.self, message);
  }
  if (leading_.leads() && leading_.must_leave(acceptor_)) {
    leading_.send_watermarks(step, acceptor_);
    give_up(step, "is no voter any more", leading_.most_advanced(step, acceptor_));
  }
  if (peers_version() != peers_version_) {
    announce_peers(step);
  }
  announce_role(step);
  set_alarm(step);
}

// ---- who is who

// By the log, or by a change that it holds and that is not chosen yet.
bool Machine::is_member(NodeId node) const {
  const History& history = acceptor_.history();
  return history.membership().find(node) != nullptr ||
         std::any_of(history.changes().begin(), history.changes().end(),
                     [&](const Change& change) { return change.membership.find(node) != nullptr; });
}

// The configuration file founds; once a change said who is where, it counts no more.
std::vector<NodeId> Machine::peers() const {
  std::vector<NodeId> nodes(linked_.begin(), linked_.end());
  const auto add = [&](const std::vector<Member>& members) {
    for (const Member& member : members) {
      nodes.push_back(member.node);
    }
  };
  const History& history = acceptor_.history();
  if (!history.membership().names_addresses()) {
    add(options_.configured);
  }
  add(history.membership().members());
  for (const Change& change : history.changes()) {
    add(change.membership.members());
  }
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  nodes.erase(std::remove(nodes.begin(), nodes.end(), options_.self), nodes.end());
  return nodes;
}

bool Machine::is_peer(NodeId node) const {
  const auto same = [&](const Member& member) { return member.node == node; };
  return std::any_of(options_.configured.begin(), options_.configured.end(), same) ||
         is_member(node) || linked_.count(node) != 0;
}

// Among the voters, without the one that was followed: the first one waits for nobody.
std::uint64_t Machine::rank() const {
  std::uint64_t rank = 0;
  for (const Member& member : acceptor_.history().membership().members()) {
    const bool before = member.node < options_.self && member.node != election_.followed();
    rank += !member.observer && before ? 1 : 0;
  }
  return rank;
}

bool Machine::may_stand() const {
  const History& history = acceptor_.history();
  const auto may_by = [&](const Membership& membership) {
    // After a power cut all may be in doubt: one of them must ask.
    const Member* self = membership.find(options_.self);
    return self != nullptr && !self->observer &&
           (self->incarnation == founding_.identity().incarnation || founding_.identity().in_doubt);
  };
  // Whoever leaves by a change that is not known as chosen may have to finish it.
  return founding_.founded() &&
         (may_by(history.membership()) ||
          std::any_of(history.changes().begin(), history.changes().end(),
                      [&](const Change& change) { return may_by(change.membership); }));
}

Role Machine::role() const {
  if (!founding_.founded()) {
    return Role::unfounded;
  }
  if (leading_.leads()) {
    return Role::leader;
  }
  if (leading_.phase() != Leader::Phase::none) {
    return Role::candidate;
  }
  return may_stand() ? Role::follower : Role::learner;
}

// One whose history this node holds: what it says about the log can be followed.
NodeId Machine::leader() const {
  if (leading_.leads()) {
    return options_.self;
  }
  const bool taught = acceptor_.adopted() == acceptor_.promised() &&
                      acceptor_.promised().node == election_.followed();
  return taught && !election_.lost(now_, options_) ? election_.followed() : NodeId();
}

ChangeVerdict Machine::may_change(Instant now, const Membership& members) const {
  return leading_.may_change(options_, now, acceptor_, members);
}

bool Machine::can_propose() const { return leading_.can_propose(options_, acceptor_); }

void Machine::announce_role(Step& step) {
  const RoleChanged now{role(), acceptor_.promised(), leader(), leading_.serving()};
  if (now.role != announced_.role || now.ballot != announced_.ballot ||
      now.leader != announced_.leader || now.serving != announced_.serving) {
    announced_ = now;
    step.effects.push_back(now);
  }
}

void Machine::announce_peers(Step& step) {
  const History& history = acceptor_.history();
  peers_version_ = peers_version();
  std::map<NodeId, Member> all;
  const auto add = [&](const Membership& membership) {
    for (const Member& member : membership.members()) {
      all[member.node] = member;
    }
  };
  for (const Membership& membership :
       acceptor_.staged_configurations(Slot(), acceptor_.staged().keep)) {
    add(membership);
  }
  add(history.membership());
  for (const Change& change : history.changes()) {
    add(change.membership);
  }
  PeersChanged changed;
  for (const auto& [node, member] : all) {
    changed.members.push_back(member);
  }
  step.effects.push_back(std::move(changed));
  if (!is_member(options_.self) && std::exchange(was_member_, false)) {
    step.warn("is no member of the ensemble any more: stands for no election, and learns only");
  }
  was_member_ = was_member_ || history.membership().find(options_.self) != nullptr;
}

// ---- time

Instant Machine::next_alarm() const {
  if (!founding_.founded() || leading_.leads()) {
    return next_beat_;
  }
  if (leading_.phase() != Leader::Phase::none) {
    return leading_.deadline();
  }
  // One that only learns wants to know, too, that nobody leads any more.
  const bool watches = may_stand() || !election_.lost(now_, options_);
  const Instant next = watches ? election_.next(now_, options_) : Instant::max();
  // Whoever is the last by rank is free then.
  const auto members = static_cast<std::int64_t>(acceptor_.history().membership().members().size());
  if (now_ >= grants_.until() + options_.rank_delay * members) {
    return next;
  }
  const Instant free = free_at();
  if (now_ >= free) {
    return next;
  }
  return grants_.any_put_off() ? grants_.until() : std::max(next, free);
}

// Leases of several end at once: who stands first goes by rank then, too.
Instant Machine::free_at() const {
  return grants_.until() + options_.rank_delay * static_cast<std::int64_t>(rank());
}

// Often enough that a lease is renewed twice before it ends.
Duration Machine::beat_interval() const {
  constexpr std::int64_t beats_per_lease = 3;
  const bool leases = options_.lease > Duration();
  return leases ? std::min(options_.heartbeat_interval, options_.lease / beats_per_lease)
                : options_.heartbeat_interval;
}

void Machine::set_alarm(Step& step) {
  const Instant at = next_alarm();
  if (at != alarm_) {
    alarm_ = at;
    step.effects.push_back(WakeAt{at});
  }
}

void Machine::on(Step& step, const Started&) {
  contacts_.start(step.now);
  founding_.start(step);
  grants_.start(step);
  next_beat_ = step.now;
  if (founding_.founded()) {
    on_founded(step);
  }
}

void Machine::on(Step& step, const Tick&) {
  alarm_ = Instant::max();  // it has rung
  if (!founding_.founded()) {
    if (step.now >= next_beat_) {
      next_beat_ = step.now + options_.heartbeat_interval;
      founding_.announce_all(step);
    }
    return;
  }
  if (leading_.leads()) {
    if (!leading_.has_quorum(step, acceptor_)) {
      give_up(step, "no quorum answers", NodeId());
    } else if (step.now >= next_beat_) {
      next_beat_ = step.now + beat_interval();
      leading_.heartbeat(step, acceptor_);
    }
    return;
  }
  if (leading_.phase() != Leader::Phase::none) {
    if (step.now >= leading_.deadline()) {
      give_up(step, "no quorum of promises, or no history, in time", NodeId());
    }
    return;
  }
  if (may_stand() && step.now >= free_at() &&
      election_.tick(step, acceptor_.history().membership(), peers(), rank())) {
    stand(step);
  }
}

void Machine::on_founded(Step& step) {
  acceptor_.set_identity(founding_.identity());
  acceptor_.set_membership(Membership(founding_.identity().founders));
  election_.lose(step, rank());
}

// ---- standing, leading, stepping down

void Machine::stand(Step& step) {
  const std::uint64_t number =
      std::max(election_.highest_number(), acceptor_.promised().number) + 1;
  election_.note_number(number);
  election_.won();
  stop_teaching(step);
  acceptor_.raise(step, Ballot{number, options_.self});
  election_.follow(step, options_.self);
  step.note(fmt::format("stands with ballot {}.{}", number, options_.self.value()));
  next_beat_ = step.now + beat_interval();
  leading_.prepare(step, acceptor_, peers());
}

// Ends a candidacy or a leadership; the others need not wait for silence.
void Machine::give_up(Step& step, const char* why, NodeId successor) {
  const bool led = leading_.leads();
  const Ballot ballot = leading_.ballot();
  step.note(fmt::format("{} ballot {}.{}: {}", led ? "steps down from" : "gives up", ballot.number,
                        ballot.node.value(), why));
  leading_.end(step, acceptor_);
  for (NodeId peer : peers()) {
    step.send(peer, StepDown{ballot, successor});
  }
  if (successor != NodeId()) {
    election_.follow(step, successor);  // nobody else is helped to stand before it is lost, too
  } else {
    election_.postpone(step, rank());
  }
}

void Machine::stop_teaching(const Step& step) {
  if (pupil_ != NodeId()) {
    pupil_lesson_.stop(step, pupil_);
    pupil_ = NodeId();
  }
}

void Machine::on(Step& step, const Stand&) {
  if (!may_stand() || grants_.run(step.now)) {
    return;
  }
  if (leading_.phase() != Leader::Phase::none) {
    leading_.end(step, acceptor_);
  }
  stand(step);
}

void Machine::on(Step& step, const HandOver&) {
  if (leading_.leads()) {
    give_up(step, "hands over", leading_.most_advanced(step, acceptor_));
  }
}

// ---- events of the engine

void Machine::on(Step& step, const Received& e) {
  if (is_peer(e.from)) {
    contacts_.hear(e.from, e.now);
    hear(step, e.from, e.message);
  }
}

void Machine::on(Step& step, const Durable& e) { outbox_.durable(e.lsn, step.effects); }

void Machine::on(Step& step, const LinkUp& e) {
  linked_.insert(e.peer);
  founding_.announce(step, e.peer);
  if (founding_.founded()) {
    leading_.on_link_up(step, e.peer);
  }
}

void Machine::on(Step& step, const LinkDown& e) {
  leading_.on_link_down(step, e.peer);
  if (leading_.phase() == Leader::Phase::fetching && leading_.donor() == e.peer) {
    leading_.drop_donor(step, acceptor_, log_first_);
  }
  if (e.peer == pupil_) {
    stop_teaching(step);
  }
  if (e.refused && leading_.phase() == Leader::Phase::none) {
    election_.on_link_down(step, e.peer, rank());
  }
  linked_.erase(e.peer);
  const std::vector<NodeId> wanted = peers();
  if (std::find(wanted.begin(), wanted.end(), e.peer) == wanted.end()) {
    leading_.forget(step, e.peer);
  }
}

void Machine::on(Step& step, const Propose& e) {
  if (leading_.leads()) {
    leading_.propose(step, acceptor_, e.entry, log_first_);
  } else {
    step.effects.push_back(ProposalsLost{acceptor_.history().chosen()});
  }
}

void Machine::on(Step& step, const ProposeChange& e) {
  const ChangeVerdict verdict = leading_.may_change(options_, step.now, acceptor_, e.members);
  if (verdict == ChangeVerdict::ok) {
    leading_.propose_change(step, acceptor_, e, log_first_);
  } else {
    step.effects.push_back(ChangeRefused{verdict});
  }
}

void Machine::on(Step& step, const Read& e) {
  if (leading_.leads()) {
    leading_.read(step, acceptor_, e.token);
  } else {
    step.effects.push_back(ReadFailed{e.token});
  }
}

void Machine::on(Step& step, const TurnEnded&) { leading_.send_watermarks(step, acceptor_); }

void Machine::on(Step& step, const Sent& e) {
  leading_.on_sent(step, acceptor_, e, log_first_);
  if (e.to == pupil_ && e.ballot == acceptor_.promised() && !leading_.leads()) {
    pupil_lesson_.on_sent(e);
    pupil_lesson_.pump(step, pupil_, acceptor_.history(), log_first_, Slot(0));
  }
}

void Machine::on(Step& step, const SnapshotStaged& e) { acceptor_.on_snapshot(step, e); }

void Machine::on(Step&, const LogTrimmed& e) { log_first_ = std::max(log_first_, e.first); }

// ---- views

std::uint64_t Machine::digest() const {
  std::uint64_t h = hash_mix(outbox_.digest(), founding_.digest());
  h = hash_mix(h, acceptor_.digest());
  h = hash_mix(h, grants_.digest());
  h = hash_mix(h, leading_.digest());
  h = hash_mix(h, election_.digest());
  h = hash_mix(h, hash_mix(pupil_.value(), pupil_lesson_.digest()));
  for (NodeId node : linked_) {
    h = is_member(node) ? h : hash_mix(h, node.value());
  }
  return hash_mix(h, log_first_.value());
}

std::optional<std::string> Machine::check() const {
  for (const std::optional<std::string>& broken :
       {acceptor_.check(), leading_.check(acceptor_), outbox_.check()}) {
    if (broken.has_value()) {
      return broken;
    }
  }
  return std::nullopt;
}

}  // namespace synod::paxos
