// Bugs planted on purpose, so that the simulator can prove that it would find them.
//
// A planted bug is a runtime value in a part's options, set by the simulator and by tests only: no
// flag and no file reaches it, and there is no second build (reference: traps). Every value names
// the promise of docs/design.md, section 1, that it breaks.
#pragma once

namespace synod {

enum class PlantedBug {
  none,
  answer_before_flush,      // P1: a record counts as durable when it is handed to the journal
  count_leader_at_send,     // P1: the leader counts itself at its send, not at its flush
  mix_histories,            // P1: a new leader merges the slots of several logs
  repeat_forwarded_write,   // P2: apply does not skip a repeated (session, generation, sequence)
  skip_master_epoch_check,  // P4: agents and registry writes do not compare the master_epoch
  // P4: a new master reads the registry, then raises the epoch. Registry writes do not check their
  // master's candidate node either: it is gone before the next master reads, and would hide it.
  read_registry_before_epoch,
};

}  // namespace synod
