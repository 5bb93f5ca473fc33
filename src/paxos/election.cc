#include "paxos/election.h"

#include <algorithm>

#include "base/checksum.h"

namespace synod::paxos {
namespace {

// Standing later the higher the rank, so that usually one stands alone.
Duration rank_wait(const Step& step, std::uint64_t rank) {
  return step.options.rank_delay * static_cast<std::int64_t>(rank);
}

}  // namespace

bool Election::lost(Instant now, const Options& options) const {
  return followed_ == NodeId() || gone_ || now - contact_ >= options.election_timeout;
}

void Election::follow(const Step& step, NodeId leader) {
  followed_ = leader;
  gone_ = false;
  contact_ = step.now;
  asking_ = false;
  lost_too_.clear();
}

void Election::lose(const Step& step, std::uint64_t rank) {
  gone_ = true;
  asking_ = true;
  ask_at_ = step.now + rank_wait(step, rank);
  retry_ = step.options.prevote_retry;
  lost_too_.clear();
}

void Election::on_link_down(const Step& step, NodeId peer, std::uint64_t rank) {
  if (peer != NodeId() && peer == followed_ && !gone_) {
    lose(step, rank);
  }
}

void Election::postpone(const Step& step, std::uint64_t rank) {
  followed_ = NodeId();
  lose(step, rank);
  ask_at_ = ask_at_ + step.options.prevote_retry;
}

bool Election::agreed(const Membership& membership, NodeId self) const {
  return membership.quorum([&](const Member& member) {
    return member.node == self || lost_too_.count(member.node) != 0;
  });
}

bool Election::tick(const Step& step, const Membership& membership,
                    const std::vector<NodeId>& peers, std::uint64_t rank) {
  if (!lost(step.now, step.options)) {
    return false;
  }
  if (!asking_) {
    lose(step, rank);
  }
  if (step.now < ask_at_) {
    return false;
  }
  ++round_;
  lost_too_.clear();
  ask_at_ = step.now + retry_ + rank_wait(step, rank);
  retry_ = std::min(retry_ * 2, step.options.election_timeout);
  if (agreed(membership, step.options.self)) {
    return true;
  }
  for (NodeId peer : peers) {
    step.send(peer, PreVote{round_});
  }
  return false;
}

void Election::on_pre_vote(const Step& step, NodeId from, const PreVote& m, Ballot promised,
                           Incarnation incarnation, bool leads, std::uint64_t rank) {
  if (from == followed_ && !gone_) {
    lose(step, rank);  // who asks does not lead
  }
  step.send(from,
            PreVoteReply{m.round, !leads && lost(step.now, step.options), promised, incarnation});
}

bool Election::on_reply(const Step& step, NodeId from, const PreVoteReply& m,
                        const Membership& membership) {
  note_number(m.promised.number);
  if (m.round != round_ || !asking_ || !m.lost || !lost(step.now, step.options)) {
    return false;
  }
  lost_too_.insert(from);
  return agreed(membership, step.options.self);
}

Instant Election::next(Instant now, const Options& options) const {
  if (asking_) {
    return ask_at_;
  }
  return lost(now, options) ? now : contact_ + options.election_timeout;
}

std::uint64_t Election::digest() const {
  std::uint64_t h = hash_mix(followed_.value(), (gone_ ? 1U : 0U) + (asking_ ? 2U : 0U));
  for (NodeId node : lost_too_) {
    h = hash_mix(h, node.value());
  }
  return hash_mix(h, hash_mix(round_, number_));
}

}  // namespace synod::paxos
