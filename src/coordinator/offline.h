// What a coordinator left on its disk, replayed into a state without the coordinator, and data
// directories made anew from such a state: what `synod data recover`, `backup` and `restore` share.
//
//   Result<Replayed> found = replay(disk, {dir + "/log", dir + "/snapshots"}, limit);
//   begin_anew(found->state, wall);                  // every session ends, the zxid_epoch rises
//   write_founded(disk, place, *found, founding, nonce);
//
// Invariants  V1 replay never writes: it may look at the directory of a running server.
//             V2 write_founded writes into directories that hold nothing.
// Threads     Confined.
// Memory      The whole state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/instant.h"
#include "base/result.h"
#include "paxos/membership.h"
#include "ports/disk.h"
#include "znode/state.h"

namespace synod::coordinator {

struct DataPlace {
  std::string log;
  std::string snapshots;
};

// Whichever comes first; nothing: all that can be read.
struct ReplayLimit {
  std::optional<Slot> slot;
  std::optional<Zxid> zxid;      // the state right after it
  std::optional<WallTime> time;  // nothing that a leader proposed later than this
  std::optional<Zxid> reached;   // no slot behind the one that brings the state to it
};

struct Replayed {
  znode::State state;
  paxos::Membership membership;
  paxos::Chain chain;  // at `slot`
  ClusterId cluster;
  NodeId node;
  Slot slot;      // applied through here, perhaps not all of it
  Slot snapshot;  // where it began; 0: at the very beginning
  Slot chosen;    // what the log notes as chosen; more may be
  Slot last;      // of the log
  Slot missing;   // could not be read, so that the replay ended before it; 0: none
  WallTime time;  // of the last batch; 0: none was applied
};

// Begins with the newest sound snapshot that the limit allows.
// Errors: not_found if nothing there can be replayed; io.
Result<Replayed> replay(ports::Disk& disk, const DataPlace& place, const ReplayLimit& limit);

// The state is about to go on as another cluster's, perhaps without writes that clients know of:
// every session ends, so that each client is told, and the zxid_epoch rises beyond any that the old
// ensemble can have reached.
void begin_anew(znode::State& state, WallTime now);

// Who begins with it.
struct Refounding {
  ClusterId cluster;
  NodeId node;
  paxos::Membership membership;  // with an incarnation for each
  // Of this boot of the machine: a log that another one goes on with is in doubt until all voters
  // have answered.
  std::string boot_id;
};

// A snapshot of the state and a log that stands on it: what the coordinator opens at its start.
Status write_founded(ports::Disk& disk, const DataPlace& place, Replayed& from,
                     const Refounding& founding, std::uint64_t nonce);

}  // namespace synod::coordinator
