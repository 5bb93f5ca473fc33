// Carries what only the journal has to other coordinators: stretches of the log and snapshots; and
// takes snapshots from them. The core decides what goes where (SendLog, SendSnapshot), the courier
// reads, sends no faster than the link takes it and the pace beside writes allows, and reports.
//
// A snapshot that broke off goes on where it was, also with another sender: the files of one slot
// are the same on all. What was received is forgotten when the process ends.
//
// Threads  Confined to the engine's Lane.
// Memory   One read a peer under way, at most unsent_bytes_high in a link. Who is taught anew while
//          one is under way waits for it: reads that nobody waits for any more would stand before
//          the writes in the journal's queue.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "coordinator/messages.h"
#include "coordinator/peer/links.h"
#include "paxos/events.h"
#include "ports/lane.h"
#include "ports/scope.h"

namespace synod::coordinator {

struct CourierOwner {
  std::function<void(JournalCommand)> journal;
  std::function<bool(NodeId, const peer::PeerMessage&)> send;
  std::function<std::size_t(NodeId)> buffered;
  // Sent and SnapshotStaged.
  std::function<void(paxos::Event)> core;
  // Slots that a peer needs went bad in the own log.
  std::function<void()> unreadable;
  // The time that a piece of so many bytes has: what is sent to all waits for it (pace.h).
  std::function<Duration(std::size_t)> time_of;
};

class Courier {
 public:
  Courier(ports::Lane& lane, CourierOwner owner) : lane_(lane), owner_(std::move(owner)) {}

  // ---- what the core asks
  void send(const paxos::SendLog& e);
  void send(const paxos::SendSnapshot& e);
  void stop(NodeId to);

  // ---- what the journal answers; false if the ticket is none of ours
  bool on(const LogRead& report);
  bool on(const SnapshotFileRead& report);
  void on(const PartTaken& report);
  void on(const SnapshotReceived& report);
  // A snapshot is on its way in, and was heard of lately.
  bool receiving() const;

  // ---- what a peer sends. `promised`: a snapshot of a lower ballot is not taken.
  void on(NodeId from, const peer::SnapshotBegin& m, paxos::Ballot promised);
  void on(NodeId from, const peer::SnapshotPart& m);
  void on(NodeId from, const peer::SnapshotEnd& m);
  void on(NodeId from, const peer::SnapshotTaken& m);
  void on(NodeId from, const peer::SnapshotFrom& m);
  // Our connection to it stands again. What was said on the one before may be lost, of which only
  // we know: it would wait for the answer to its snapshot for ever.
  void on_link_up(NodeId to);

 private:
  struct Job {
    std::uint64_t ticket = 0;  // of the read under way
    paxos::Ballot ballot;
    bool snapshot = false;
    paxos::SendLog log;  // `first` moves on
    storage::SnapshotRef ref;
    std::uint64_t offset = 0;
  };
  struct Receipt {
    NodeId from;
    paxos::Ballot ballot;
    storage::SnapshotId id;
    std::uint64_t size_bytes = 0;
    std::uint64_t ticket = 0;
    std::uint64_t offset = 0;
    Instant heard;  // the last part
    bool ended = false;
  };

  bool goes_on(NodeId from, const peer::SnapshotBegin& m);
  bool stage(const Receipt& receipt, const SnapshotReceived& report);
  void begin(NodeId to, Job job);
  void read_on(NodeId to);
  void sent_piece(std::size_t size_bytes);
  bool answered(std::uint64_t ticket);
  void finish(NodeId to, bool complete);
  Job* find(std::uint64_t ticket, NodeId& to);

  ports::Lane& lane_;
  CourierOwner owner_;
  std::map<NodeId, Job> jobs_;
  std::map<NodeId, std::uint64_t> reading_;  // tickets that the journal has not answered yet
  std::optional<Receipt> receipt_;
  std::optional<std::pair<NodeId, peer::SnapshotTaken>> answered_;  // the last snapshot, to whom
  std::uint64_t last_ticket_ = 0;
  Instant next_piece_;  // not before
  ports::Scope scope_;
};

}  // namespace synod::coordinator
