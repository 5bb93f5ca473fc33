// What a release of this program knows, and what the others may therefore be told.
//
// Servers of different releases run side by side while they are replaced one by one, forwards or
// back. Each says in its hello which peer format and which rules it knows; what the other does not
// know is not sent to it (peer/links.h), and rules that a member does not know are not used
// (decision 0142). What was written by rules unknown here is refused, never guessed at.
#pragma once

#include <cstdint>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "coordinator/peer/messages.h"
#include "paxos/membership.h"
#include "znode/command.h"

namespace synod::coordinator {

// Lowered by tests and the simulator only: a server as if of an older release.
struct Release {
  RulesVersion rules = znode::rules_version_max;
  std::uint16_t peer_format = peer::format_newest;

  bool knows_changes() const {
    return rules >= znode::rules_version_of_changes && peer_format >= peer::format_of_changes;
  }
};

// By which rules the entry was proposed; 0 where it says none.
RulesVersion rules_of(const paxos::Entry& entry);
// The oldest that can have brought it about.
RulesVersion rules_of(const paxos::Membership& members);
// An error that tells an operator what to do, if `rules` are newer than `known`.
Status check_rules(Slot slot, RulesVersion rules, RulesVersion known);

}  // namespace synod::coordinator
