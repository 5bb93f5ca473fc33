#include "coordinator/snapshot_walker.h"

#include <utility>

namespace synod::coordinator {

bool SnapshotWalker::due(Slot slot, Zxid zxid, std::uint64_t nodes) {
  const auto epoch = [](Zxid id) { return id.value() >> 32; };
  const auto counter = [](Zxid id) { return static_cast<std::uint64_t>(id.value() & 0xffffffff); };
  std::uint64_t writes = options_.every;
  while (writes < nodes / 8) {
    writes *= 2;
  }
  const bool follows = slot.value() == seen_slot_.value() + 1 && epoch(zxid) == epoch(seen_zxid_);
  const bool passed = follows && counter(zxid) / writes > counter(seen_zxid_) / writes;
  seen_slot_ = slot;
  seen_zxid_ = zxid;
  return !active() && slot.value() > 0 && (passed || slot.value() % options_.every == 0);
}

void SnapshotWalker::begin(znode::State& state, const storage::SnapshotId& id) {
  cancel();
  state_ = &state;
  state.begin_snapshot();
  under_way_ = 0;
  waiting_ = false;
  static_cast<void>(send(BeginSnapshot{id}));
}

// Keeps the command if the journal's queue is full: the next step tries again.
bool SnapshotWalker::send(JournalCommand command) {
  JournalCommand copy = command;
  if (!journal_.try_send(std::move(copy))) {
    unsent_ = std::move(command);
    return false;
  }
  return true;
}

bool SnapshotWalker::step() {
  bool did = false;
  if (unsent_.has_value()) {
    JournalCommand command = std::move(*unsent_);
    unsent_.reset();
    if (!send(std::move(command))) {
      return false;
    }
    did = true;
  }
  while (state_ != nullptr && under_way_ < options_.slices_under_way) {
    Bytes bytes = state_->next_slice(options_.slice_size_bytes);
    did = true;
    if (bytes.empty()) {
      state_ = nullptr;
      waiting_ = true;
      static_cast<void>(send(FinishSnapshot{}));
      break;
    }
    ++under_way_;
    if (!send(SnapshotSlice{std::move(bytes)})) {
      break;
    }
  }
  return did;
}

void SnapshotWalker::taken() {
  if (under_way_ > 0) {
    --under_way_;
  }
}

void SnapshotWalker::written() {
  cancel();
  waiting_ = false;
}

void SnapshotWalker::cancel() {
  if (state_ != nullptr) {
    state_->drop_snapshot();
    state_ = nullptr;
  }
  unsent_.reset();
}

}  // namespace synod::coordinator
