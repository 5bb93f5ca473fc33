#include "coordinator/release.h"

#include <fmt/format.h>

namespace synod::coordinator {

RulesVersion rules_of(const paxos::Entry& entry) {
  ByteView batch;
  paxos::Membership members;
  if (entry.kind == paxos::EntryKind::batch) {
    batch = *entry.value;
  } else if (entry.kind != paxos::EntryKind::membership ||
             !paxos::decode_change(*entry.value, members, batch)) {
    return RulesVersion();
  }
  const Result<znode::BatchReader> reader = znode::BatchReader::begin(batch);
  return reader.ok() ? reader->header().rules : RulesVersion();
}

RulesVersion rules_of(const paxos::Membership& members) {
  return members.names_addresses() ? znode::rules_version_of_changes : RulesVersion(1);
}

Status check_rules(Slot slot, RulesVersion rules, RulesVersion known) {
  if (rules <= known) {
    return {};
  }
  return Error{ErrorCode::unsupported,
               fmt::format("slot {} was written by rules {}, and this release knows them through "
                           "{}: start the release that wrote it, or a later one",
                           slot.value(), rules.value(), known.value())};
}

}  // namespace synod::coordinator
