// What each message does. Here stand the rules that come before any part's own: refuse lower
// ballots, end an own leadership for a higher one, and let only its owner speak for a ballot.
#include <fmt/format.h>

#include <algorithm>

#include "paxos/machine.h"

namespace synod::paxos {

void Machine::hear(Step& step, NodeId from, const Message& message) {
  const bool founding = std::holds_alternative<Who>(message);
  if (!founding && !founding_.founded()) {
    return;
  }
  std::visit([&](const auto& m) { hear(step, from, m); }, message);
}

bool Machine::put_off(Step& step, NodeId from, Ballot ballot, const Message& message) {
  const bool waits = ballot > acceptor_.promised() && grants_.run(step.now);
  if (waits && from == ballot.node) {
    election_.note_number(ballot.number);
    grants_.put_off(from, ballot, message);
  }
  return waits;
}

void Machine::hear_put_off(Step& step) {
  if (grants_.rest() || grants_.run(step.now)) {
    return;
  }
  grants_.settle(step);
  for (const auto& [from, message] : grants_.take_put_off()) {
    hear(step, from, message);
  }
}

// True if the ballot is too low, and says so; or if it is too early for it. Else a higher one is
// promised from here on.
bool Machine::refuse(Step& step, NodeId from, Ballot ballot) {
  if (ballot < acceptor_.promised()) {
    step.send(from, Reject{ballot, acceptor_.promised()});
    return true;
  }
  if (ballot > acceptor_.promised() && grants_.run(step.now)) {
    return true;
  }
  if (ballot > acceptor_.promised()) {
    election_.note_number(ballot.number);
    if (leading_.phase() != Leader::Phase::none) {
      step.note(fmt::format("gives way to ballot {}.{}", ballot.number, ballot.node.value()));
      leading_.end(step, acceptor_);
    }
    stop_teaching(step);
    acceptor_.raise(step, ballot);
  }
  return false;
}

// True if `from` may teach this ballot: it leads with it, or this node does and is fetching.
bool Machine::from_leader(Step& step, NodeId from, Ballot ballot) {
  if (from == options_.self || refuse(step, from, ballot)) {
    return false;
  }
  if (from == ballot.node) {
    election_.follow(step, from);
    return true;
  }
  return false;
}

void Machine::hear(Step& step, NodeId from, const Who& m) {
  if (founding_.on_who(step, from, m)) {
    on_founded(step);
  }
}

void Machine::hear(Step& step, NodeId from, const PreVote& m) {
  election_.on_pre_vote(step, from, m, acceptor_.promised(), founding_.identity().incarnation,
                        leading_.leads() || grants_.run(step.now), rank());
}

void Machine::hear(Step& step, NodeId from, const PreVoteReply& m) {
  const bool may = may_stand() && leading_.phase() == Leader::Phase::none && !grants_.run(step.now);
  if (election_.on_reply(step, from, m, acceptor_.history().membership()) && may) {
    stand(step);
  }
}

void Machine::hear(Step& step, NodeId from, const Prepare& m) {
  if (!put_off(step, from, m.ballot, m) && from_leader(step, from, m.ballot)) {
    acceptor_.on_prepare(step, from, m);
  }
}

void Machine::hear(Step& step, NodeId from, const Promise& m) {
  leading_.hear(step, from);
  leading_.on_promise(step, acceptor_, from, m, log_first_);
}

void Machine::hear(Step& step, NodeId, const Reject& m) {
  election_.note_number(m.promised.number);
  if (leading_.phase() != Leader::Phase::none && m.ballot == leading_.ballot() &&
      m.promised > m.ballot) {
    give_up(step, "a higher ballot is promised elsewhere", NodeId());
  }
}

void Machine::hear(Step& step, NodeId from, const Fetch& m) {
  if (!from_leader(step, from, m.ballot) || acceptor_.adopted() == m.ballot) {
    return;
  }
  stop_teaching(step);
  pupil_ = from;
  pupil_lesson_ = Lesson(m.ballot);
  pupil_lesson_.stage(step, from, Standing{m.position, m.chosen}, acceptor_.history(),
                      acceptor_.history().last());
  pupil_lesson_.pump(step, from, acceptor_.history(), log_first_, acceptor_.history().last());
}

void Machine::hear(Step& step, NodeId from, const Stage& m) {
  const bool fetched = m.ballot == leading_.ballot() && from == leading_.donor() &&
                       leading_.phase() == Leader::Phase::fetching;
  if (fetched) {
    acceptor_.on_stage(step, from, m);
    leading_.on_fetched(step);
  } else if (from_leader(step, from, m.ballot)) {
    acceptor_.on_stage(step, from, m);
  }
}

void Machine::hear(Step& step, NodeId from, const Adopt& m) {
  const bool fetched = m.ballot == leading_.ballot() && from == leading_.donor() &&
                       leading_.phase() == Leader::Phase::fetching;
  if (fetched) {
    leading_.on_fetched_all(step, acceptor_, m, log_first_);
  } else if (from_leader(step, from, m.ballot)) {
    stop_teaching(step);
    acceptor_.on_adopt(step, from, m);
  }
}

void Machine::hear(Step& step, NodeId from, const Accept& m) {
  if (from_leader(step, from, m.ballot)) {
    acceptor_.on_accept(step, from, m);
  }
}

void Machine::hear(Step& step, NodeId from, const Accepted& m) {
  if (m.ballot == leading_.ballot()) {
    leading_.hear(step, from);
    leading_.on_accepted(step, acceptor_, from, m, log_first_);
  }
}

void Machine::hear(Step& step, NodeId from, const Rewind& m) {
  if (m.ballot == leading_.ballot()) {
    leading_.hear(step, from);
    leading_.on_rewind(step, acceptor_, from, m, log_first_);
  }
}

void Machine::hear(Step& step, NodeId from, const Chosen& m) {
  if (from_leader(step, from, m.ballot) && acceptor_.adopted() == m.ballot) {
    acceptor_.choose(step, m.chosen);
  }
}

void Machine::hear(Step& step, NodeId from, const Heartbeat& m) {
  if (put_off(step, from, m.ballot, m) || !from_leader(step, from, m.ballot)) {
    return;
  }
  const bool adopted = acceptor_.adopted() == m.ballot;
  if (adopted) {
    acceptor_.choose(step, m.chosen);
  }
  if (adopted && acceptor_.history().last() > m.chosen) {
    // What was said of these slots may be lost, and no other one may come to say more: the leader
    // may propose nothing before they are chosen.
    step.send_durable(from, acceptor_.accepted());
  }
  step.send(from, HeartbeatReply{m.ballot, m.round, adopted, acceptor_.history().last(),
                                 founding_.identity().incarnation});
  grants_.grant(step, from, m, founding_.identity().incarnation);
}

void Machine::hear(Step& step, NodeId from, const LeaseGranted& m) {
  if (m.ballot == leading_.ballot()) {
    leading_.hear(step, from);
    leading_.on_lease_granted(step, from, m);
  }
}

void Machine::hear(Step& step, NodeId from, const HeartbeatReply& m) {
  if (m.ballot == leading_.ballot()) {
    leading_.hear(step, from);
    leading_.on_heartbeat_reply(step, acceptor_, from, m, log_first_);
  }
}

void Machine::hear(Step& step, NodeId from, const StepDown& m) {
  if (from == m.ballot.node) {
    grants_.forget(m.ballot);
  }
  if (m.ballot != acceptor_.promised() || from != m.ballot.node || from == options_.self) {
    return;
  }
  grants_.release(m.ballot);
  if (m.successor != options_.self && is_peer(m.successor)) {
    // It is waited for as if it led: who stands beside it costs both of them a round.
    election_.follow(step, m.successor);
    return;
  }
  const bool chosen_heir = m.successor == options_.self && may_stand() && !grants_.run(step.now);
  election_.lose(step, rank());
  if (chosen_heir && leading_.phase() == Leader::Phase::none) {
    stand(step);
  }
}

}  // namespace synod::paxos
