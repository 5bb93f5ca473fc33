#include "paxos/founding.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checksum.h"

namespace synod::paxos {
namespace {

// Equal lists of voters, equal hashes; who observes may differ while observers are added.
std::uint64_t configuration_hash(std::vector<Member> members) {
  std::sort(members.begin(), members.end(),
            [](const Member& a, const Member& b) { return a.node < b.node; });
  std::uint64_t h = 0;
  for (const Member& member : members) {
    if (!member.observer) {
      h = hash_mix(h, hash_mix(member.node.value(), member.weight));
      h = hash_mix(h, member.group);
    }
  }
  return h;
}

// As the incarnation that was recovered, or as one in doubt. One that is no voter by its own log
// may have been made one since, by a change that reached only the others, and have said yes to more
// than its disk kept. (A wiped voter is one, and its vote was not this incarnation's; one with the
// incarnation 0 never came.)
bool may_have_voted(NodeId self, const Recovered& recovered) {
  Membership membership =
      recovered.membership.empty() ? Membership(recovered.identity.founders) : recovered.membership;
  const auto elects = [self](const Membership& members) {
    const Member* member = members.find(self);
    return member != nullptr && !member->observer && member->incarnation != Incarnation();
  };
  bool voted =
      recovered.identity.in_doubt || membership.votes(self, recovered.identity.incarnation);
  bool voter = elects(membership) || membership.empty();
  for (const RecoveredEntry& entry : recovered.tail) {
    membership = membership.after(entry.entry);
    voted = voted || membership.votes(self, recovered.identity.incarnation);
    voter = voter || elects(membership);
  }
  return voted || !voter;
}

}  // namespace

Founding::Founding(const Options& options, const Recovered& recovered)
    : self_(options.self),
      configured_(options.configured),
      configuration_(configuration_hash(options.configured)),
      rules_(options.rules),
      fresh_incarnation_(options.fresh_incarnation),
      fresh_cluster_(options.fresh_cluster),
      identity_(recovered.identity),
      doubtful_(recovered.doubtful),
      voted_(may_have_voted(options.self, recovered)) {}

void Founding::start(const Step& step) {
  if (identity_.incarnation == Incarnation()) {
    identity_.incarnation = fresh_incarnation_;
    step.persist(Ballot{}, identity_);
    step.note("starts on an empty disk");
  } else if (doubtful_) {
    take_new_incarnation(step);
  }
  try_found(step);
}

void Founding::take_new_incarnation(const Step& step) {
  identity_.incarnation = fresh_incarnation_;
  identity_.in_doubt = voted_;
  step.persist(Ballot{}, identity_);
  step.warn(
      fmt::format("the end of the log is in doubt: what was promised there may be forgotten. "
                  "Goes on as incarnation {:016x}, which counts when all voters answer, or "
                  "when it is readmitted",
                  identity_.incarnation.value()));
}

Who Founding::who() const {
  Who who;
  who.cluster = identity_.cluster;
  who.incarnation = identity_.incarnation;
  who.rules = rules_;
  who.founders = identity_.founders;
  who.configuration = configuration_;
  return who;
}

void Founding::announce(const Step& step, NodeId to) const { step.send_durable(to, who()); }

void Founding::announce_all(const Step& step) const {
  for (const Member& member : configured_) {
    if (member.node != self_) {
      announce(step, member.node);
    }
  }
}

bool Founding::on_who(const Step& step, NodeId from, const Who& m) {
  if (m.cluster != ClusterId() && founded() && m.cluster != identity_.cluster) {
    if (foreign_.insert(from).second) {
      step.warn(fmt::format("node {} belongs to another ensemble (cluster {:016x}, ours {:016x})",
                            from.value(), m.cluster.value(), identity_.cluster.value()));
    }
    return false;
  }
  if (founded()) {
    if (m.cluster == ClusterId()) {
      announce(step, from);
    }
    return false;
  }
  if (m.cluster != ClusterId()) {
    identity_.cluster = m.cluster;
    identity_.founders = m.founders;
    step.persist(Ballot{}, identity_);
    step.note(
        fmt::format("joins cluster {:016x} that node {} knows", m.cluster.value(), from.value()));
    announce_all(step);
    return true;
  }
  if (m.configuration != configuration_) {
    if (foreign_.insert(from).second) {
      step.warn(fmt::format("node {} lists other voters in its configuration", from.value()));
    }
    return false;
  }
  empty_peers_[from] = m.incarnation;
  return try_found(step);
}

// Everybody answers with an empty disk: the lowest founds. A later answer that knows a cluster
// cannot exist: whoever had told it would have been told to us by the same voters.
bool Founding::try_found(const Step& step) {
  if (founded()) {
    return false;
  }
  std::vector<Member> founders;
  for (Member member : configured_) {
    auto it = empty_peers_.find(member.node);
    if (member.node == self_) {
      member.incarnation = identity_.incarnation;
    } else if (it != empty_peers_.end()) {
      member.incarnation = it->second;
    } else if (!member.observer) {
      say_who_is_missing(step);
      return false;
    }
    founders.push_back(member);
  }
  const auto lowest = std::find_if(founders.begin(), founders.end(),
                                   [](const Member& member) { return !member.observer; });
  if (lowest == founders.end() || lowest->node != self_) {
    return false;
  }
  identity_.cluster = fresh_cluster_;
  identity_.founders = founders;
  step.persist(Ballot{}, identity_);
  step.note(fmt::format("founds cluster {:016x}", fresh_cluster_.value()));
  announce_all(step);
  return true;
}

void Founding::say_who_is_missing(const Step& step) {
  std::string missing;
  for (const Member& member : configured_) {
    if (!member.observer && member.node != self_ && empty_peers_.count(member.node) == 0) {
      missing += fmt::format(" {}", member.node.value());
    }
  }
  const std::string text = "waits to found the cluster: not heard from nodes" + missing;
  if (text != said_) {
    said_ = text;
    step.note(text);
  }
}

std::uint64_t Founding::digest() const {
  std::uint64_t h = hash_mix(identity_.cluster.value(), identity_.incarnation.value());
  for (const auto& [node, incarnation] : empty_peers_) {
    h = hash_mix(h, hash_mix(node.value(), incarnation.value()));
  }
  return h;
}

}  // namespace synod::paxos
