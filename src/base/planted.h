// Bugs planted on purpose, so that the simulator can prove that it would find them.
//
// A planted bug is a runtime value in a part's options, set by the simulator and by tests only: no
// flag and no file reaches it, and there is no second build (reference: traps). Every value names
// the promise of docs/design.md, section 1, that it breaks.
#pragma once

namespace synod {

enum class PlantedBug {
  none,
  answer_before_flush,     // P1: a record counts as durable when it is handed to the journal
  count_leader_at_send,    // P1: the leader counts itself at its send, not at its flush
  mix_histories,           // P1: a new leader merges the slots of several logs
  repeat_forwarded_write,  // P2: apply does not skip a repeated (session, generation, sequence)
  // Storage.
  skip_flush,              // P1: the log is written and not flushed
  skip_directory_flush,    // P1: a new segment's name is not made durable
  ignore_failed_flush,     // P1: a flush that failed is taken for one that succeeded
  torn_taken_for_whole,    // P1: recovery takes a group whose payload fails its checksum
  corrupt_taken_for_torn,  // P1: recovery drops a bad group although a witness stands behind it
  snapshot_not_atomic,     // P1: a snapshot gets its name before its bytes are durable, unchecked
  purge_too_early,         // P1: the log is shortened beyond what a snapshot covers
  // Consensus.
  forget_promise,           // P1: a promise is given and not written down
  count_other_ballot,       // P1: the leader counts slots that a follower has from another ballot
  count_minority,           // P1: one durable copy is taken for a quorum
  wiped_voter_votes,        // P1: a voter that lost its disk counts at once
  rolled_back_voter_votes,  // P1: a voter that may have lost its last groups counts at once
  membership_one_quorum,    // P1: a change of members asks only one of the two sets
  rules_not_agreed,         // P3: new rules are used unasked, and passed over by who has older ones
  apply_before_chosen,      // P2: a follower applies what it accepted
  lease_without_quorum,     // P2: a leader counts on a lease that nobody has granted
  lease_from_receipt,       // P2: a leader counts its lease from when the grant arrives
  lease_forgotten_at_restart,  // P2: one that restarts promises at once, whatever it granted
  sync_without_quorum,  // P2: a leader answers a barrier without asking whether it still leads
  // The coordination server.
  sync_not_awaited,         // P2: a barrier is answered before its slot is applied
  reorder_forwarded,        // P2: forwarded writes change places, and apply takes them as they come
  generation_ignored,       // P2: a write of an old connection takes effect after a re-attachment
  read_before_own_write,    // P2: a read is evaluated before the writes that stand before it
  expire_by_wall_clock,     // P2: silence is measured by the calendar clock
  expire_early,             // P2: a session ends after half of its timeout
  touches_lost,             // P2: the leader does not hear who pings at a follower
  watch_after_reply,        // P2: events leave behind the replies of their turn
  watch_lost_on_reconnect,  // P2: a watch set again does not hear what it missed
  watch_fires_twice,        // P2: an event is delivered twice
  watch_one_edge_only,      // P2: only the first edge hears of changes
  // The state.
  other_rules,                // P3: one replica evaluates under rules that no header named
  fuzzy_snapshot,             // P3: changes during its walk leak into a snapshot
  counters_reset_on_restore,  // P3: a restored node begins its count of children anew
  restore_forgets_sequence,   // P3: a restored session begins its sequence anew
  ephemerals_kept,            // P2: a session ends and its ephemerals stay
  multi_not_atomic,           // P2: the parts before the one that failed stay
  version_ignored,            // P2: setData does not compare versions
  // The resource manager.
  skip_master_epoch_check,  // P4: agents and registry writes do not compare the master_epoch
  // P4: a new master reads the registry, then raises the epoch. Registry writes do not check their
  // master's candidate node either: it is gone before the next master reads, and would hide it.
  read_registry_before_epoch,
};

}  // namespace synod
