#include "paxos/leader.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/checksum.h"
#include "paxos/fields.h"

namespace synod::paxos {

bool Leader::can_propose(const Options& options, const Acceptor& acceptor) const {
  const History& history = acceptor.history();
  return leads() && history.last().value() - history.chosen().value() < options.slots_in_flight_max;
}

RulesVersion Leader::agreed_rules(const Acceptor& acceptor) const {
  std::optional<RulesVersion> agreed;
  for (const Member& member : acceptor.history().membership().members()) {
    auto it = peers_.find(member.node);
    const RulesVersion rules = it == peers_.end() ? RulesVersion(1) : it->second.rules;
    agreed = std::min(agreed.value_or(rules), rules);
  }
  return agreed.value_or(RulesVersion(1));
}

void Leader::hear(const Step& step, NodeId from) {
  auto it = peers_.find(from);
  if (it != peers_.end()) {
    it->second.heard_ever = true;
    it->second.heard = step.now;
  }
}

// ---- teaching

void Leader::place(const Step& step, Acceptor& acceptor, NodeId peer, const Promise& m,
                   Slot log_first) {
  Progress& progress = progress_of(peer);
  const History& history = acceptor.history();
  if (progress.incarnation != m.incarnation) {
    progress.adopted = false;
    progress.accepted = Slot(0);
    progress.incarnation = m.incarnation;
    progress.lease_until = Instant();
  }
  const bool lost = m.position.adopted != ballot_ || m.position.last < progress.accepted;
  if (progress.adopted && lost) {
    // Only a disk that was put back under its feet, or a message that is late: taught again, and
    // not counted meanwhile.
    step.note(fmt::format("node {} has less than it has acknowledged", peer.value()));
    progress.adopted = false;
    progress.accepted = Slot(0);
  }
  progress.doubtful = m.doubtful;
  progress.rules = m.rules;
  progress.beats_not_adopted = 0;
  const Slot target = std::max(history_end_, history.chosen());
  if (m.position.adopted == ballot_) {
    if (m.position.last > history.last()) {
      step.warn("a follower says that it has slots of this ballot that were never proposed");
      return;
    }
    progress.adopted = true;
    progress.accepted = std::max(progress.accepted, m.position.last);
    progress.lesson.accept_after(step, peer, m.position.last);
  } else if (step.options.planted == PlantedBug::count_other_ballot && leads() &&
             m.position.last >= target) {
    progress.adopted = true;
    progress.accepted = std::min(history.last(), m.position.last);
    progress.lesson.accept_after(step, peer, progress.accepted);
  } else if (!progress.adopted) {
    if (m.chosen > target) {
      step.warn("a follower says that slots are chosen which this ballot does not have");
      return;
    }
    progress.lesson.stage(step, peer, Standing{m.position, m.chosen}, history, target);
  }
  pump_one(step, acceptor, peer, log_first);
}

void Leader::pump(const Step& step, const Acceptor& acceptor, Slot log_first) {
  for (const auto& [peer, progress] : peers_) {
    pump_one(step, acceptor, peer, log_first);
  }
}

void Leader::pump_one(const Step& step, const Acceptor& acceptor, NodeId peer, Slot log_first) {
  if (peer == self_) {
    return;
  }
  Progress& progress = peers_[peer];
  const Slot from = std::max(progress.accepted, std::min(history_end_, acceptor.history().last()));
  progress.lesson.pump(step, peer, acceptor.history(), log_first, from);
}

void Leader::on_rewind(const Step& step, Acceptor& acceptor, NodeId from, const Rewind& m,
                       Slot log_first) {
  Progress& progress = peers_[from];
  if (!leads() || progress.lesson.mode() != Lesson::Mode::accepting ||
      progress.lesson.streaming() || m.last >= progress.lesson.next()) {
    return;
  }
  progress.lesson.accept_after(step, from, m.last);
  pump_one(step, acceptor, from, log_first);
}

void Leader::on_sent(const Step& step, Acceptor& acceptor, const Sent& e, Slot log_first) {
  auto it = peers_.find(e.to);
  if (leads() && e.ballot == ballot_ && it != peers_.end()) {
    it->second.lesson.on_sent(e);
    pump_one(step, acceptor, e.to, log_first);
  }
}

// One that was no peer when the ballot began may be one now.
Progress& Leader::progress_of(NodeId peer) {
  const auto [it, fresh] = peers_.try_emplace(peer);
  if (fresh) {
    it->second.lesson = Lesson(ballot_);
  }
  return it->second;
}

void Leader::forget(const Step& step, NodeId peer) {
  on_link_down(step, peer);
  peers_.erase(peer);
}

void Leader::on_link_up(const Step& step, NodeId peer) {
  if (phase_ != Phase::none) {
    progress_of(peer).lesson.stop(step, peer);
    step.send_durable(peer, Prepare{ballot_});
  }
}

void Leader::on_link_down(const Step& step, NodeId peer) {
  auto it = peers_.find(peer);
  if (it != peers_.end()) {
    it->second.lesson.stop(step, peer);
  }
}

// ---- appending and counting

void Leader::propose(const Step& step, Acceptor& acceptor, Entry entry, Slot log_first) {
  acceptor.append_own(step, std::move(entry));
  if (step.options.planted == PlantedBug::count_leader_at_send) {
    on_accepted(step, acceptor, self_, acceptor.accepted(), log_first);
  }
  pump(step, acceptor, log_first);
}

void Leader::on_accepted(const Step& step, Acceptor& acceptor, NodeId from, const Accepted& m,
                         Slot log_first) {
  auto it = peers_.find(from);
  if (!leads() || m.ballot != ballot_ || it == peers_.end() || m.last > acceptor.history().last()) {
    return;
  }
  Progress& progress = it->second;
  if (progress.incarnation != m.incarnation) {
    return;
  }
  progress.adopted = true;
  progress.accepted = std::max(progress.accepted, m.last);
  count(step, acceptor, log_first);
  pump_one(step, acceptor, from, log_first);
}

bool Leader::chosen_by_quorums(const Step& step, const History& history, Slot slot) const {
  if (step.options.planted == PlantedBug::count_minority) {
    return true;
  }
  const bool wiped_counts = step.options.planted == PlantedBug::wiped_voter_votes;
  std::vector<const Membership*> in_force = history.configurations(history.chosen(), slot);
  if (step.options.planted == PlantedBug::membership_one_quorum) {
    in_force.erase(in_force.begin(), in_force.end() - 1);
  }
  for (const Membership* membership : in_force) {
    const bool quorum = membership->quorum([&](const Member& member) {
      auto it = peers_.find(member.node);
      return it != peers_.end() && it->second.adopted && it->second.accepted >= slot &&
             (wiped_counts || counts(step, *membership, member, it->second));
    });
    if (!quorum) {
      return false;
    }
  }
  return true;
}

void Leader::count(const Step& step, Acceptor& acceptor, Slot log_first) {
  std::set<Slot, std::greater<>> reached;
  for (const auto& [peer, progress] : peers_) {
    if (progress.adopted && progress.accepted > acceptor.history().chosen()) {
      reached.insert(progress.accepted);
    }
  }
  for (Slot slot : reached) {
    if (chosen_by_quorums(step, acceptor.history(), slot)) {
      acceptor.choose(step, slot);
      break;
    }
  }
  const Slot first_own = step.options.opening_entry ? history_end_.next() : history_end_;
  if (!serving_ && acceptor.history().chosen() >= first_own) {
    serving_ = true;
    if (!reads_waiting_.empty()) {
      begin_round(step, acceptor);
    }
  }
  seal_if_due(step, acceptor, log_first);
  readmit_if_due(step, acceptor, log_first);
}

void Leader::seal_if_due(const Step& step, Acceptor& acceptor, Slot log_first) {
  if (serving_ && unsealed_ != Slot(0) && acceptor.history().chosen() >= unsealed_) {
    unsealed_ = Slot(0);
    propose(step, acceptor, make_entry(EntryKind::readmit, encode(Readmit{})), log_first);
  }
}

// A voter that came back with an empty disk votes again once the log says so, and the log says so
// once it has nearly caught up. One change at a time.
void Leader::readmit_if_due(const Step& step, Acceptor& acceptor, Slot log_first) {
  const History& history = acceptor.history();
  if (!serving_ || !history.changes().empty() || !can_propose(step.options, acceptor)) {
    return;
  }
  for (const auto& [peer, progress] : peers_) {
    const Member* member = history.membership().find(peer);
    const std::uint64_t reach = progress.accepted.value() + step.options.slots_in_flight_max;
    if (member != nullptr && !member->observer && progress.adopted &&
        progress.incarnation != member->incarnation && reach >= history.chosen().value()) {
      const Readmit readmit{peer, progress.incarnation};
      propose(step, acceptor, make_entry(EntryKind::readmit, encode(readmit)), log_first);
      return;
    }
  }
}

// ---- keeping in touch

void Leader::heartbeat(const Step& step, const Acceptor& acceptor) {
  ++round_;
  const Duration lease = leads() ? step.options.lease : Duration();
  if (lease > Duration()) {
    lease_beats_.note(round_, step.now, lease);
  }
  for (auto& [peer, progress] : peers_) {
    if (peer == self_) {
      continue;
    }
    progress.next_at_beat = progress.lesson.next();
    step.send(peer, Heartbeat{ballot_, acceptor.history().chosen(), round_,
                              static_cast<std::uint32_t>(lease.millis())});
  }
}

void Leader::on_heartbeat_reply(const Step& step, Acceptor& acceptor, NodeId from,
                                const HeartbeatReply& m, Slot log_first) {
  auto it = peers_.find(from);
  if (phase_ == Phase::none || it == peers_.end()) {
    return;
  }
  Progress& progress = it->second;
  const bool vouches = progress.heard_round < doubt_round_ && m.round >= doubt_round_;
  progress.heard_round = std::max(progress.heard_round, m.round);
  if (!leads()) {
    if (vouches && phase_ == Phase::preparing) {
      try_elect(step, acceptor, log_first);
    } else if (vouches && fetched_.has_value()) {
      try_lead(step, acceptor, *fetched_, fetching_, log_first);
    }
    return;
  }
  if (vouches) {
    count(step, acceptor, log_first);
  }
  if (progress.incarnation == m.incarnation) {
    progress.round = std::max(progress.round, m.round);
  }
  const bool idle = progress.lesson.mode() == Lesson::Mode::idle;
  if (!m.adopted || idle) {
    // Either it never heard of this ballot's history, or a part of it was lost on the way.
    if (idle || (!progress.lesson.streaming() && ++progress.beats_not_adopted >= 2)) {
      progress.beats_not_adopted = 0;
      step.send(from, Prepare{ballot_});
    }
  } else if (m.round == round_ && m.last.next() < progress.next_at_beat) {
    on_rewind(step, acceptor, from, Rewind{ballot_, m.last}, log_first);
  }
  try_finish_round(step, acceptor);
}

void Leader::send_watermarks(const Step& step, const Acceptor& acceptor) {
  if (!leads()) {
    return;
  }
  const Slot chosen = acceptor.history().chosen();
  for (auto& [peer, progress] : peers_) {
    const Lesson& lesson = progress.lesson;
    if (peer != self_ && lesson.mode() == Lesson::Mode::accepting && !lesson.streaming() &&
        lesson.chosen_sent() < chosen) {
      step.send(peer, Chosen{ballot_, chosen});
      progress.lesson.note_chosen_sent(chosen);
    }
  }
}

bool Leader::has_quorum(const Step& step, const Acceptor& acceptor) const {
  const History& history = acceptor.history();
  const std::vector<const Membership*> in_force =
      history.configurations(history.chosen(), history.last());
  return std::all_of(in_force.begin(), in_force.end(), [&](const Membership* membership) {
    return membership->quorum([&](const Member& member) {
      auto it = peers_.find(member.node);
      return member.node == self_ ||
             (it != peers_.end() &&
              it->second.heard_within(step.options.election_timeout, step.now));
    });
  });
}

NodeId Leader::most_advanced(const Step& step, const Acceptor& acceptor) const {
  NodeId best;
  Slot accepted;
  const Membership& membership = acceptor.history().membership();
  for (const auto& [peer, progress] : peers_) {
    if (peer != self_ && progress.heard_within(step.options.election_timeout, step.now) &&
        membership.votes(peer, progress.incarnation) && progress.adopted &&
        (best == NodeId() || progress.accepted > accepted)) {
      best = peer;
      accepted = progress.accepted;
    }
  }
  return best;
}

// ---- reads

void Leader::on_lease_granted(const Step& step, NodeId from, const LeaseGranted& m) {
  auto it = peers_.find(from);
  const Duration lease = step.options.lease;
  if (!leads() || it == peers_.end() || it->second.incarnation != m.incarnation ||
      Duration::millis(m.lease_ms) != lease) {
    return;
  }
  std::optional<Instant> end = lease_beats_.end_of(m.round, lease);
  if (step.options.planted == PlantedBug::lease_from_receipt) {
    end = step.now + lease;
  }
  it->second.lease_until = std::max(it->second.lease_until, end.value_or(Instant()));
}

bool Leader::holds_lease(const Options& options, Instant now, const Acceptor& acceptor) const {
  if (options.lease <= Duration() || !serving_) {
    return false;
  }
  const History& history = acceptor.history();
  const std::vector<const Membership*> in_force =
      history.configurations(history.chosen(), history.last());
  const auto granted = [&](const Member& member) {
    auto it = peers_.find(member.node);
    return it != peers_.end() && it->second.incarnation == member.incarnation &&
           (member.node == self_ || now < it->second.lease_until);
  };
  return options.planted == PlantedBug::lease_without_quorum ||
         std::all_of(in_force.begin(), in_force.end(),
                     [&](const Membership* set) { return set->quorum(granted); });
}

void Leader::read(const Step& step, Acceptor& acceptor, std::uint64_t token) {
  if (holds_lease(step.options, step.now, acceptor)) {
    step.effects.push_back(ReadReady{token, acceptor.history().chosen()});
    return;
  }
  reads_waiting_.push_back(token);
  if (serving_ && reads_asked_.empty()) {
    begin_round(step, acceptor);
  }
}

void Leader::begin_round(const Step& step, const Acceptor& acceptor) {
  reads_asked_.swap(reads_waiting_);
  heartbeat(step, acceptor);
  asked_round_ = round_;
  asked_slot_ = acceptor.history().chosen();
  try_finish_round(step, acceptor);
}

void Leader::try_finish_round(const Step& step, const Acceptor& acceptor) {
  const History& history = acceptor.history();
  while (!reads_asked_.empty()) {
    for (const Membership* membership : history.configurations(history.chosen(), history.last())) {
      const bool quorum = membership->quorum([&](const Member& member) {
        auto it = peers_.find(member.node);
        return it != peers_.end() && counts(step, *membership, member, it->second) &&
               (member.node == self_ || it->second.round >= asked_round_);
      });
      if (!quorum && step.options.planted != PlantedBug::sync_without_quorum) {
        return;
      }
    }
    for (std::uint64_t token : reads_asked_) {
      step.effects.push_back(ReadReady{token, asked_slot_});
    }
    reads_asked_.clear();
    if (!reads_waiting_.empty()) {
      reads_asked_.swap(reads_waiting_);
      heartbeat(step, acceptor);
      asked_round_ = round_;
      asked_slot_ = history.chosen();
    }
  }
}

void Leader::end(const Step& step, const Acceptor& acceptor) {
  for (auto& [peer, progress] : peers_) {
    progress.lesson.stop(step, peer);
  }
  for (const std::vector<std::uint64_t>* tokens : {&reads_asked_, &reads_waiting_}) {
    for (std::uint64_t token : *tokens) {
      step.effects.push_back(ReadFailed{token});
    }
  }
  if (leads()) {
    step.effects.push_back(ProposalsLost{acceptor.history().chosen()});
  }
  *this = Leader();
}

std::uint64_t Leader::digest() const {
  std::uint64_t h = hash_mix(static_cast<std::uint64_t>(phase_), ballot_.number);
  h = hash_mix(h, ballot_.node.value());
  for (const auto& [node, promise] : promises_) {
    h = hash_mix(h, hash_mix(node.value(), hash_of(Message(promise))));
  }
  for (const auto& [node, incarnation] : in_doubt_) {
    h = hash_mix(h, hash_mix(node.value(), incarnation.value()));
  }
  for (NodeId node : failed_donors_) {
    h = hash_mix(h, node.value() + 1000);
  }
  h = hash_mix(h, hash_mix(donor_.value(), fetched_.has_value() ? 1 : 0));
  for (const auto& [node, progress] : peers_) {
    h = hash_mix(h, hash_mix(node.value(), progress.incarnation.value()));
    h = hash_mix(h, hash_mix(progress.accepted.value(),
                             (progress.adopted ? 1U : 0U) + (progress.doubtful ? 2U : 0U)));
    h = hash_mix(h, hash_mix(progress.lesson.digest(), progress.round));
    h = hash_mix(h, progress.heard_round >= doubt_round_ ? 1 : 0);
  }
  h = hash_mix(h, hash_mix(history_end_.value(), (serving_ ? 1U : 0U) + unsealed_.value() * 2));
  return hash_mix(h, reads_asked_.size() * 1000 + reads_waiting_.size());
}

std::optional<std::string> Leader::check(const Acceptor& acceptor) const {
  if (phase_ != Phase::none && acceptor.promised() != ballot_) {
    return "I3: stands or leads without promising its own ballot";
  }
  if (leads() && acceptor.adopted() != ballot_) {
    return "I3: leads without having adopted its own ballot";
  }
  return std::nullopt;
}

}  // namespace synod::paxos
