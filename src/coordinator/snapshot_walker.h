// Takes snapshots of the state while writes go on: bounded slices on the Engine's Lane, bytes to
// the Journal.
//
//   if (walker.due(slot, zxid, nodes)) walker.begin(id_of(slot));  // right after slot was applied
//   walker.step();                                       // once a turn; cheap when nothing is due
//   walker.taken();                                      // on SliceTaken
//   if (walker.written(report)) ...                      // on SnapshotWritten
//
// A snapshot is of the state at begin(): the state keeps pre-images of what changes before the walk
// has passed it. Slots of snapshots follow from the log alone, so that every replica takes the same
// ones: every `every` slots; and after a slot in which the zxid's counter passes a multiple of
// `every`, doubled until it is an eighth of the znodes. A slot may hold hundreds of writes, and it
// is writes that a restart has to replay; but not so often that a large state is written all the
// time.
//
// Threads  Confined to the Engine's Lane. step() reads the state as its only writer does: outside a
//          WriteHold.
// Memory   Pre-images of what changed since begin(), in the state; at most slices_under_way slices.
#pragma once

#include <cstdint>
#include <optional>

#include "coordinator/messages.h"
#include "ports/sender.h"
#include "znode/state.h"

namespace synod::coordinator {

struct SnapshotWalkerOptions {
  std::uint64_t every = 50'000;
  std::size_t slice_size_bytes = 64 << 10;
  std::size_t slices_under_way = 4;
};

class SnapshotWalker {
 public:
  SnapshotWalker(ports::Sender<JournalCommand> journal, SnapshotWalkerOptions options)
      : journal_(std::move(journal)), options_(options) {}

  // True if a snapshot is to be taken after this slot and none is under way. Called after every
  // slot, with the state's last zxid and number of znodes.
  bool due(Slot slot, Zxid zxid, std::uint64_t nodes);
  bool active() const { return state_ != nullptr || waiting_; }

  // The state, as it is now, is that after id.slot. Drops what is under way. `state` stays where it
  // is until written(), cancel() or destruction.
  void begin(znode::State& state, const storage::SnapshotId& id);
  // Sends slices while few are under way. True if it did something.
  bool step();
  void taken();
  // The journal has finished or given up: no snapshot is under way any more.
  void written();
  // The state is about to be replaced.
  void cancel();

 private:
  bool send(JournalCommand command);

  ports::Sender<JournalCommand> journal_;
  SnapshotWalkerOptions options_;
  znode::State* state_ = nullptr;  // the engine's, while its walk is open
  bool waiting_ = false;           // everything was sent, SnapshotWritten is to come
  std::optional<JournalCommand> unsent_;
  std::size_t under_way_ = 0;
  Slot seen_slot_;  // by due()
  Zxid seen_zxid_;
};

}  // namespace synod::coordinator
