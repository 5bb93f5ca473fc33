// A damaged log made whole again with what peers hold.
//
// The log is walked from the newest sound snapshot on; a slot whose bytes cannot be read, or do not
// follow by their chain hash, is asked of peers. When every slot is at hand the log is rebuilt.
//
//   chosen slots  are taken as they are: every history has them. Own slots that disagree were
//                 dropped by an adoption that is lost in a gap: they are forgotten, never what lies
//                 behind the gap.
//   other slots   are taken only if the own log, behind them, follows from them.
//
// Invariants  E1 nothing is written before every slot through the end is at hand and in order.
//             E2 what is not known for certain of the acceptor (promised, adopted) becomes a doubt
//                of the rebuilt log, never a guess.
// Threads     Confined to the journal's Lane; calls block on the disk.
// Memory      The fetched slots.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "coordinator/messages.h"
#include "ports/disk.h"
#include "storage/log_salvage.h"
#include "storage/snapshot.h"

namespace synod::coordinator {

class LogRepair {
 public:
  static Result<std::unique_ptr<LogRepair>> begin(ports::Disk& disk, std::string directory,
                                                  storage::SnapshotStore& snapshots);

  // What is missing; nothing if all is at hand.
  std::optional<RepairNeeds> needs() const;
  // What a peer gave. True if it helped.
  Result<bool> take(const RepairSlots& slots);
  // A snapshot from a peer is durable now.
  Status take_snapshot(const storage::SnapshotRef& ref);
  // Precondition: nothing is missing.
  Status finish(std::uint64_t nonce);

  // What a peer in need may have of it: slots that are in order. As Log::read.
  Result<std::vector<storage::SlotValue>> read(Slot from, Slot through, std::size_t size_bytes_max,
                                               std::uint64_t& before_chain);
  Slot last() const { return state_.last; }
  Slot first() const { return start_.next(); }

 private:
  LogRepair(ports::Disk& disk, std::string directory, storage::LogSalvage salvage)
      : disk_(disk),
        directory_(std::move(directory)),
        salvage_(std::move(salvage)),
        state_(salvage_.state()) {}

  Status choose_snapshot(storage::SnapshotStore& snapshots);
  void start_from(Slot slot, std::uint64_t chain);
  Status walk();
  Result<std::optional<storage::SlotValue>> value(Slot slot);
  void drop_tentative();
  void forget_own();

  ports::Disk& disk_;
  std::string directory_;
  storage::LogSalvage salvage_;
  storage::LogState state_;
  Slot start_;  // a sound snapshot covers the slots through here
  std::uint64_t start_chain_ = 0;
  Slot verified_;
  std::uint64_t verified_chain_ = 0;
  std::map<Slot, storage::SlotValue> fetched_;
  // The first slot that was fetched without being known as chosen, since the last own one.
  std::optional<Slot> tentative_;
  std::uint64_t tentative_before_ = 0;  // chain before it
  bool wants_snapshot_ = false;
};

}  // namespace synod::coordinator
