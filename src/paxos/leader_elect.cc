// The first half of a leader's life: from Prepare to the adoption of its own ballot.
#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "paxos/fields.h"
#include "paxos/leader.h"

namespace synod::paxos {
namespace {

bool newer(const Position& a, const Position& b) {
  return a.adopted != b.adopted ? a.adopted > b.adopted : a.last > b.last;
}

// What another one has lost may lie with it alone, but it is not waited for any longer.
bool gone(const Step& step, NodeId node) {
  return node != step.options.self &&
         step.contacts.silence(node, step.now) >= step.options.doubt_patience;
}

}  // namespace

void Leader::prepare(const Step& step, Acceptor& acceptor, const std::vector<NodeId>& peers) {
  SYNOD_CHECK(phase_ == Phase::none);
  phase_ = Phase::preparing;
  ballot_ = acceptor.promised();
  self_ = step.options.self;
  deadline_ = step.now + step.options.election_timeout;
  for (NodeId peer : peers) {
    peers_[peer].lesson = Lesson(ballot_);
    step.send_durable(peer, Prepare{ballot_});
  }
  peers_[self_];
  acceptor.on_prepare(step, self_, Prepare{ballot_});
}

void Leader::on_promise(const Step& step, Acceptor& acceptor, NodeId from, const Promise& m,
                        Slot log_first) {
  if (phase_ == Phase::none || m.ballot != ballot_ || peers_.count(from) == 0) {
    return;
  }
  ask_all_if_in_doubt(step, acceptor, from, m);
  if (leads()) {
    if (from != self_) {
      place(step, acceptor, from, m, log_first);
      count(step, acceptor, log_first);
    }
    return;
  }
  promises_[from] = m;
  if (phase_ == Phase::preparing) {
    try_elect(step, acceptor, log_first);
  } else if (fetched_.has_value()) {
    try_lead(step, acceptor, *fetched_, fetching_, log_first);
  }
}

// Promises of logs newer than `history` do not count: their promisers may hold chosen slots that
// this history lacks. A doubtful one counts only if all voters do so answer. `strictly`: only the
// incarnations that the membership names.
bool Leader::promised_by_quorum(const Step& step, const Membership& membership,
                                const Position& history, bool strictly) const {
  const auto promise_of = [&](const Member& member) {
    auto it = promises_.find(member.node);
    const bool there = it != promises_.end() && !newer(it->second.position, history);
    return there ? &it->second : nullptr;
  };
  const bool all_answered =
      all_vouch(step, membership) &&
      std::all_of(membership.members().begin(), membership.members().end(), [&](const Member& m) {
        return m.observer || promise_of(m) != nullptr || gone(step, m.node);
      });
  return membership.quorum([&](const Member& member) {
    const Promise* promise = promise_of(member);
    if (promise == nullptr) {
      return false;
    }
    return promise->doubtful ? all_answered
                             : !strictly || promise->incarnation == member.incarnation;
  });
}

void Leader::ask_all_if_in_doubt(const Step& step, const Acceptor& acceptor, NodeId from,
                                 const Promise& m) {
  if (m.doubtful && in_doubt_[from] != m.incarnation) {
    in_doubt_[from] = m.incarnation;
    heartbeat(step, acceptor);
    doubt_round_ = round_;
  }
}

bool Leader::all_vouch(const Step& step, const Membership& membership) const {
  return std::all_of(membership.members().begin(), membership.members().end(),
                     [&](const Member& member) {
                       auto it = peers_.find(member.node);
                       return member.observer || member.node == self_ || gone(step, member.node) ||
                              (it != peers_.end() && it->second.heard_round >= doubt_round_);
                     });
}

bool Leader::counts(const Step& step, const Membership& membership, const Member& member,
                    const Progress& progress) const {
  return progress.incarnation == member.incarnation ||
         (progress.doubtful && all_vouch(step, membership));
}

void Leader::say_who_was_not_asked(const Step& step, const Membership& membership) const {
  for (const Member& member : membership.members()) {
    if (!in_doubt_.empty() && !member.observer && gone(step, member.node)) {
      step.warn(fmt::format(
          "leads while logs are in doubt: node {}, silent for {} s, was not asked",
          member.node.value(), step.contacts.silence(member.node, step.now).millis() / 1000));
    }
  }
}

Slot Leader::known_chosen() const {
  Slot chosen;
  for (const auto& [node, promise] : promises_) {
    chosen = std::max(chosen, promise.chosen);
  }
  return chosen;
}

// Which memberships must have promised is written in the history itself, so a history of somebody
// else is fetched first, on the promises of a likely quorum, and judged afterwards.
void Leader::try_elect(const Step& step, Acceptor& acceptor, Slot log_first) {
  if (promises_.count(self_) == 0) {
    return;
  }
  const Position own = acceptor.position();
  Position best = own;
  NodeId best_node = self_;
  for (const auto& [node, promise] : promises_) {
    const bool mixed_up = step.options.planted == PlantedBug::mix_histories;
    const bool better =
        mixed_up ? promise.position.last > best.last : newer(promise.position, best);
    if (failed_donors_.count(node) == 0 && better) {
      best = promise.position;
      best_node = node;
    }
  }
  Position judged = best;
  if (step.options.planted == PlantedBug::mix_histories) {
    judged.adopted = ballot_;
  }
  // A likely quorum: if its members are others by now, some promise knows that.
  const History& history = acceptor.history();
  const Membership& likely = *history.configurations(known_chosen(), history.last()).front();
  if (!promised_by_quorum(step, likely, judged, false)) {
    return;
  }
  if (best_node == self_) {
    try_lead(step, acceptor, Adopt{ballot_, own.last, own.last, own.chain}, judged, log_first);
    return;
  }
  phase_ = Phase::fetching;
  donor_ = best_node;
  fetching_ = judged;
  fetched_.reset();
  deadline_ = step.now + step.options.election_timeout;
  acceptor.forget_staged();
  const bool mix = step.options.planted == PlantedBug::mix_histories;
  step.send(donor_, Fetch{ballot_, own, mix ? own.last : acceptor.history().chosen()});
}

void Leader::on_fetched(const Step& step) { deadline_ = step.now + step.options.election_timeout; }

void Leader::on_fetched_all(const Step& step, Acceptor& acceptor, const Adopt& m, Slot log_first) {
  if (phase_ != Phase::fetching || m.last != fetching_.last || !acceptor.can_adopt(m)) {
    return;
  }
  fetched_ = m;
  try_lead(step, acceptor, m, fetching_, log_first);
}

void Leader::drop_donor(const Step& step, Acceptor& acceptor, Slot log_first) {
  if (phase_ != Phase::fetching) {
    return;
  }
  failed_donors_.insert(donor_);
  promises_.erase(donor_);
  donor_ = NodeId();
  fetched_.reset();
  phase_ = Phase::preparing;
  try_elect(step, acceptor, log_first);
}

void Leader::try_lead(const Step& step, Acceptor& acceptor, const Adopt& adopt,
                      const Position& history, Slot log_first) {
  const bool strictly = step.options.planted != PlantedBug::wiped_voter_votes;
  std::vector<Membership> in_force = acceptor.staged_configurations(known_chosen(), adopt.keep);
  if (step.options.planted == PlantedBug::membership_one_quorum) {
    in_force.resize(1);
  }
  for (const Membership& membership : in_force) {
    if (!promised_by_quorum(step, membership, history, strictly)) {
      return;
    }
  }
  lead(step, acceptor, adopt, log_first);
}

void Leader::lead(const Step& step, Acceptor& acceptor, const Adopt& adopt, Slot log_first) {
  phase_ = Phase::leading;
  history_end_ = adopt.last;
  acceptor.adopt_own(step, adopt);
  for (const Change& change : acceptor.history().changes()) {
    unsealed_ = change.kind == EntryKind::membership ? change.slot : unsealed_;
  }
  acceptor.choose(step, known_chosen());
  Progress& own = peers_[self_];
  own.incarnation = promises_[self_].incarnation;
  own.doubtful = promises_[self_].doubtful;
  own.rules = step.options.rules;
  step.note(fmt::format("leads with ballot {}.{} after slot {}", ballot_.number,
                        ballot_.node.value(), history_end_.value()));
  if (step.options.planted == PlantedBug::count_leader_at_send) {
    on_accepted(step, acceptor, self_, acceptor.accepted(), log_first);
  }
  if (step.options.opening_entry) {
    propose(step, acceptor, make_entry(EntryKind::open, encode(ballot_)), log_first);
  }
  for (const auto& [peer, promise] : std::map<NodeId, Promise>(promises_)) {
    if (peer != self_) {
      Progress& progress = progress_of(peer);
      progress.heard_ever = true;
      progress.heard = step.now;
      place(step, acceptor, peer, promise, log_first);
    }
  }
  say_who_was_not_asked(step, acceptor.history().membership());
  promises_.clear();
  heartbeat(step, acceptor);
}

}  // namespace synod::paxos
