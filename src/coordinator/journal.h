// The disk's half of a coordinator: storage's log and snapshots on a Lane of their own.
//
// Takes commands from the Engine, in order, and reports to it. Records of all WriteRecords that
// gathered during one flush become durable with the next: no timer. Snapshots, their reading back,
// the removal of old segments and the filling of new ones are low-priority work, done in bounded
// steps between flushes.
//
//   Journal journal(lane, disk, options, ports::Sender<JournalReport>(engine_lane, ...));
//   ports::Sender<JournalCommand> to_journal = journal.commands();
//
// The first report is Opened, RepairNeeds or JournalFailed; it comes in a later turn than the
// construction.
//
// Invariants  I1  Flushed(lsn) is reported only when every record through lsn is durable.
//             I2  after JournalFailed nothing is written and nothing else is reported.
//             I3  what a snapshot from a peer covers takes effect only by the Adopt record that
//             names
//                 it; one without such a record is removed at the next start.
//             I4  a segment goes only when two snapshots that were read back cover it (or the only
//                 one there is), and the slots to keep lie behind it.
// Errors      A full disk is waited out: what waits is tried again every retry_full_delay, and
//             JournalFull says so. Damage, and a log whose beginning no sound snapshot covers, are
//             RepairNeeds until peers have helped. Anything else that stops the log is
//             JournalFailed: a failed flush, a directory that another process holds.
// Threads     Constructed, used and destroyed on its Lane; calls of the Disk block it.
// Memory      What waits to be flushed, low-priority commands not yet done (their senders keep few
//             under way), one chunk.
#pragma once

#include <memory>
#include <string>

#include "base/instant.h"
#include "base/planted.h"
#include "coordinator/messages.h"
#include "ports/disk.h"
#include "ports/lane.h"
#include "ports/sender.h"
#include "storage/log.h"
#include "storage/snapshot.h"

namespace synod::coordinator {

struct JournalOptions {
  std::string log_directory;       // below zoo.cfg's dataLogDir
  std::string snapshot_directory;  // below zoo.cfg's dataDir
  storage::LogOptions log;
  storage::SnapshotOptions snapshot;
  // How much of the log Opened carries.
  std::size_t opened_tail_size_bytes = 16 << 20;
  // A witness is written when nothing was for so long.
  Duration witness_delay = Duration::millis(50);
  // At most one step of filling the next segment each such interval. The log asks for no more than
  // keeps pace with what is written.
  Duration fill_interval = Duration::millis(5);
  Duration retry_full_delay = Duration::millis(100);
  // A file beside the log that is given up when the disk is full, so that what makes room (a new
  // leader's first entry, deletes) can still be written; made again when there is room. 0: none.
  std::uint64_t ballast_size_bytes = 0;
  // Scrubbing: about so much of the log, and one chunk of a snapshot, is read back past the page
  // cache each such interval.
  Duration scrub_interval = Duration::seconds(1);
  std::size_t scrub_size_bytes = 1 << 20;
  // Old snapshots and segments go when a new snapshot is there, but not more often than this.
  Duration purge_interval;
  // Simulator and tests only: answer_before_flush.
  PlantedBug planted = PlantedBug::none;
};

class Journal {
 public:
  Journal(ports::Lane& lane, ports::Disk& disk, JournalOptions options,
          ports::Sender<JournalReport> engine);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // The ways in: from any Lane, and from the journal's own. What comes before Opened is performed
  // after it.
  ports::Sender<JournalCommand> commands();
  void on(JournalCommand command);
  // Before an orderly end: what came is made durable, with the note that everything through
  // `chosen` is, and a witness behind it, so that the next start finds no doubtful end. Best
  // effort.
  void finish(Slot chosen);

 private:
  class Impl;  // journal.cc
  std::unique_ptr<Impl> impl_;
};

}  // namespace synod::coordinator
