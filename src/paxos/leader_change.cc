// Changes of members, as a leader makes them.
#include <fmt/format.h>

#include <algorithm>

#include "paxos/leader.h"

namespace synod::paxos {

// Joiners learn before they count: enough of the new set has what is chosen, or nearly.
ChangeVerdict Leader::may_change(const Options& options, Instant now, const Acceptor& acceptor,
                                 const Membership& members) const {
  const History& history = acceptor.history();
  if (!serving_) {
    return ChangeVerdict::not_leading;
  }
  const RulesVersion needed =
      options.planted == PlantedBug::rules_not_agreed ? RulesVersion(1) : options.rules_of_changes;
  if (options.rules < needed) {
    return ChangeVerdict::older_rules;
  }
  if (!history.changes().empty() || unsealed_ != Slot(0) || !can_propose(options, acceptor)) {
    return ChangeVerdict::in_progress;
  }
  for (const auto& [peer, progress] : peers_) {
    const bool concerned =
        peer != self_ && (members.find(peer) != nullptr || history.membership().find(peer));
    if (concerned && progress.heard_ever && progress.rules < needed) {
      return ChangeVerdict::older_rules;
    }
  }
  const bool synced = members.quorum([&](const Member& member) {
    auto it = peers_.find(member.node);
    if (it == peers_.end() || !it->second.adopted) {
      return false;
    }
    const Progress& progress = it->second;
    const Member* known = history.membership().find(member.node);
    const bool counted =
        known == nullptr || known->observer || progress.incarnation == known->incarnation;
    const bool heard = member.node == self_ || progress.heard_within(options.election_timeout, now);
    const std::uint64_t reach = progress.accepted.value() + options.slots_in_flight_max;
    return counted && heard && reach >= history.chosen().value();
  });
  return synced ? ChangeVerdict::ok : ChangeVerdict::not_synced;
}

// Who votes already goes on under the incarnation that the log knows. A joiner votes under the one
// that it has announced; one that was not heard of gets none, and is readmitted when it comes.
void Leader::propose_change(const Step& step, Acceptor& acceptor, const ProposeChange& change,
                            Slot log_first) {
  std::vector<Member> members = change.members.members();
  for (Member& member : members) {
    const Member* now = acceptor.history().membership().find(member.node);
    auto it = peers_.find(member.node);
    const bool votes = now != nullptr && !now->observer;
    const Incarnation announced = it == peers_.end() ? Incarnation() : it->second.incarnation;
    member.incarnation = votes ? now->incarnation : announced;
  }
  Bytes bytes = encode_change(Membership(std::move(members)), change.owners);
  unsealed_ = acceptor.history().last().next();
  step.note(fmt::format("changes the members with slot {}", unsealed_.value()));
  propose(step, acceptor, make_entry(EntryKind::membership, std::move(bytes)), log_first);
}

bool Leader::must_leave(const Acceptor& acceptor) const {
  const History& history = acceptor.history();
  const Member* self = history.membership().find(self_);
  return serving_ && history.changes().empty() && unsealed_ == Slot(0) &&
         (self == nullptr || self->observer);
}

}  // namespace synod::paxos
