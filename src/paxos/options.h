// How one core is set up. Constant for its life.
#pragma once

#include <vector>

#include "base/ids.h"
#include "base/instant.h"
#include "base/limits.h"
#include "base/planted.h"
#include "paxos/types.h"

namespace synod::paxos {

struct Options {
  NodeId self;
  // The voters and observers that the configuration file lists; incarnations are ignored. They
  // found the cluster; afterwards the log says who votes.
  std::vector<Member> configured;
  // Used if the disk is empty, if this node founds the cluster.
  Incarnation fresh_incarnation;
  ClusterId fresh_cluster;
  RulesVersion rules{1};
  // Members that announced older ones do not understand a change of members.
  RulesVersion rules_of_changes{1};

  Duration heartbeat_interval = Duration::millis(100);
  // A follower that hears nothing for so long has lost the leader; a leader that hears no quorum
  // for so long steps down.
  Duration election_timeout = Duration::millis(1000);
  // Standing is delayed by this times the node's rank among the voters, so that one goes first.
  Duration rank_delay = Duration::millis(4);
  // A candidate that got no quorum of answers asks again after this, doubling to election_timeout.
  Duration prevote_retry = Duration::millis(20);

  // Reads are answered without a round while a quorum has granted a lease of this length; 0: none
  // is asked for and none granted. At most election_timeout, and the same everywhere (lease.h).
  Duration lease;

  // Where logs are in doubt all voters are asked; one that was silent for so long is not waited for
  // any longer, although it alone may have what another one has lost (decision 0132).
  Duration doubt_patience = Duration::seconds(60);

  std::size_t slots_in_flight_max = limits::slots_in_flight_max;
  std::size_t stage_message_size_bytes_max = 1 << 20;
  // How many chain hashes of old slots are remembered: a laggard within them is sent exactly what
  // it lacks, an older one from its own watermark on.
  std::size_t chains_kept = 1 << 16;

  // A leader's first entry is EntryKind::open. Tests and exploration may do without.
  bool opening_entry = true;
  PlantedBug planted = PlantedBug::none;
};

}  // namespace synod::paxos
