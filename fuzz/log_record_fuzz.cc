// The records of the log, the headers of its groups, and what the coordinator keeps inside them.
#include <sstream>

#include "coordinator/journal_records.h"
#include "fuzz/fuzz.h"
#include "paxos/membership.h"
#include "storage/group.h"
#include "storage/log_state.h"
#include "storage/record.h"

namespace synod::fuzz {
namespace {

using namespace storage;

void inside(const Record& record) {
  if (const auto* value = std::get_if<Value>(&record)) {
    if (const auto entry = coordinator::decode_entry(value->bytes); entry.ok()) {
      SYNOD_CHECK(coordinator::encode_entry(*entry) == value->bytes);
      static_cast<void>(paxos::Membership().after(*entry));
    }
  }
}

void one(ByteView input) {
  static_cast<void>(decode_group_header(input));
  ByteReader in(input);
  LogState state;
  while (!in.at_end()) {
    const std::size_t before = in.remaining();
    const auto record = decode_record(in);
    if (!record.ok()) {
      return;
    }
    ByteWriter again;
    encode_record(*record, again);
    SYNOD_CHECK(again.bytes() == input.substr(input.size() - before, before - in.remaining()));
    SYNOD_CHECK(again.size() <= encoded_size(*record));
    std::ostringstream line;
    line << *record;
    inside(*record);
    if (const auto* checkpoint = std::get_if<Checkpoint>(&*record)) {
      SYNOD_CHECK(LogState::from_checkpoint(*checkpoint).checkpoint() == *checkpoint ||
                  !checkpoint->has_identity);
    } else if (!state.objection(*record).has_value()) {
      state.apply(*record);
      SYNOD_CHECK(state.adopted <= state.promised);
      SYNOD_CHECK(state.chosen <= state.last && state.base <= state.last);
      static_cast<void>(coordinator::to_paxos(state));
    }
  }
}

std::vector<Bytes> seeds() {
  const Ballot ballot{2, NodeId(1)};
  const paxos::Membership members({{NodeId(1), Incarnation(4), 1, 0, false}});
  Adopt install{{3, NodeId(2)}, Slot(9), Slot(9), 4};
  install.snapshot = true;
  install.keep_chain = 4;
  const std::vector<std::vector<Record>> logs{
      {Identity{ClusterId(1), NodeId(1), Incarnation(4), paxos::encode(members)}, Promise{ballot},
       Adopt{ballot, Slot(0), Slot(0), 0}, Value{ballot, Slot(1), 5, Bytes(1, '\0') + "batch"},
       Chosen{Slot(1)}, Note{2, "heard"}},
      {Stage{ballot, Slot(1), 5, "one"}, Stage{ballot, Slot(2), 6, "two"},
       Adopt{ballot, Slot(0), Slot(2), 6}, install},
      {LogState{}.checkpoint()}};
  std::vector<Bytes> all{encode_group_header(GroupHeader{})};
  for (const auto& log : logs) {
    ByteWriter out;
    for (const Record& record : log) {
      encode_record(record, out);
    }
    all.push_back(out.take());
  }
  return all;
}

SYNOD_FUZZ_TARGET(log_record, one, seeds);

}  // namespace
}  // namespace synod::fuzz
