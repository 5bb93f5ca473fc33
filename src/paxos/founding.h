// Who is in this cluster: the first start of all, and the return of one with an empty disk.
//
// A node first makes an incarnation durable, then asks. If any peer knows a cluster, it joins that
// one as a learner (its incarnation is not the one that the log lets vote). If all voters of the
// configuration have answered and none knows a cluster, the one with the lowest id founds it: it
// draws the cluster id and writes down the incarnations of all. While some are silent it waits and
// says so.
//
// Invariants  F1 an incarnation is durable before it is told.
//             F2 a cluster id, once durable, never changes.
//             F3 one whose log's end is in doubt may have forgotten a promise or a slot: it takes a
//                new incarnation before it speaks, and votes again as a wiped one does, once the
//                log says Readmit; until then its word counts where all voters have given theirs
//                (Promise.doubtful).
#pragma once

#include <map>
#include <set>

#include "paxos/outbox.h"

namespace synod::paxos {

class Founding {
 public:
  Founding(const Options& options, const Recovered& recovered);

  bool founded() const { return identity_.cluster != ClusterId(); }
  const IdentityRecord& identity() const { return identity_; }

  void start(const Step& step);
  // True if this message founded or joined the cluster just now.
  bool on_who(const Step& step, NodeId from, const Who& m);
  // Tells who we are, once that is durable.
  void announce(const Step& step, NodeId to) const;
  void announce_all(const Step& step) const;
  bool try_found(const Step& step);

  std::uint64_t digest() const;

 private:
  Who who() const;
  void say_who_is_missing(const Step& step);
  void take_new_incarnation(const Step& step);

  NodeId self_;
  std::vector<Member> configured_;
  std::uint64_t configuration_ = 0;
  RulesVersion rules_;
  Incarnation fresh_incarnation_;
  ClusterId fresh_cluster_;
  IdentityRecord identity_;
  bool doubtful_ = false;  // and no new incarnation taken yet
  bool voted_ = false;     // as the incarnation that was recovered, or one in doubt before
  std::map<NodeId, Incarnation> empty_peers_;
  std::string said_;  // last, so that it is not said again
  std::set<NodeId> foreign_;
};

}  // namespace synod::paxos
