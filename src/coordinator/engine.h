// The one Lane that decides and applies: the leader's queue, paxos::Core, the state.
//
// A turn of the Engine: events come in (edges, journal, peers, time), the core is stepped, its
// effects are performed; what was gathered is proposed or forwarded at the end of the turn; chosen
// slots are applied, in order, under the gate.
//
//   repairing    the log is damaged: peers are asked for what is missing (engine_repair.cc)
//   recovering   the journal opens, the snapshot and the log are applied
//   running      the core lives
//   failed       the journal failed: nothing more is promised, proposed or answered
//
// Group commit  without timers: a command waits while `batches_unflushed_max` batches of ours wait
//               for their flush, and then leaves with everything that gathered.
// Exactly once  Edges hold what is unanswered and send it again (messages.h). A result goes to the
//               edge that submitted the command here last.
// Threads       Constructed, called and destroyed on its Lane.
// Fairness      Sessions take turns in the leader's queue once more waits than one batch takes.
// Memory        The leader's queue is bounded (queue_bytes_max); beyond it commands are dropped and
//               their edges told to send them again later. What is under way behind it is bounded
//               by unapplied_bytes_max.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "coordinator/applier.h"
#include "coordinator/courier.h"
#include "coordinator/digests.h"
#include "coordinator/disk_watch.h"
#include "coordinator/fair_queue.h"
#include "coordinator/messages.h"
#include "coordinator/pace.h"
#include "coordinator/peer/links.h"
#include "coordinator/recent.h"
#include "coordinator/release.h"
#include "coordinator/session_clock.h"
#include "coordinator/shared.h"
#include "coordinator/snapshot_walker.h"
#include "paxos/core.h"
#include "ports/lane.h"
#include "ports/network.h"
#include "ports/scope.h"
#include "ports/sender.h"

namespace synod::coordinator {

struct EngineOptions {
  NodeId self{1};
  std::vector<paxos::Member> members;  // as configured
  ports::HostPort peer_listen;         // unused when alone
  std::map<NodeId, ports::HostPort> peers;
  Duration tick = Duration::millis(2000);  // zoo.cfg's tickTime
  Duration heartbeat_interval = Duration::millis(100);
  Duration election_timeout = Duration::millis(1000);
  Duration lease;                       // of paxos::Options
  std::uint64_t state_limit_bytes = 0;  // edges keep it, the engine tells of it; 0: none
  std::string config_text;  // of /zookeeper/config, set by whoever leads, until a change of members
  bool reconfig_enabled = false;  // servers that the members do not name may come and learn
  bool standalone_enabled = true;
  std::map<NodeId, Bytes> addresses;  // of the members as configured, in paxos::Member's words
  SnapshotWalkerOptions snapshots;
  std::uint64_t log_slots_kept = 20'000;  // behind the snapshot, for laggards
  std::size_t batch_size_bytes = 1 << 20;
  std::size_t batch_commands_max = 4096;
  std::size_t batches_unflushed_max = 2;
  std::size_t queue_bytes_max = 64U << 20;
  // Proposed here and not applied yet: above it commands wait where their order can still be
  // chosen (fair_queue.h). One batch may pass it.
  std::size_t unapplied_bytes_max = 4U << 20;
  Release release;
  PlantedBug planted = PlantedBug::none;
};

struct EnginePorts {
  ports::Lane& lane;
  ports::Network& network;
  Shared& shared;
  ports::Sender<JournalCommand> journal;
  std::vector<ports::Sender<Wake>> edges;
  // The journal failed, or the peer port cannot be had. Told once.
  std::function<void(const Error&)> on_failed;
  // The state is not that of a quorum; the snapshots are set aside: start again. Empty: on_failed.
  std::function<void(const Error&)> on_quarantined;
};

class Engine {
 public:
  Engine(EnginePorts ports, EngineOptions options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  void on(EdgeMessage message);
  void on(JournalReport report);
  // This process is told to stop: if it leads, the follower that has most of the log shall. Calls
  // back once another leader is followed here, or none could be had in time; at once if this one
  // does not lead. It goes on to serve until then, and after it.
  void leave(std::function<void()> left);

  // For tests and checkers: nullptr until recovered.
  const paxos::Core* core() const { return core_.has_value() ? &*core_ : nullptr; }
  // Also those of changes that are not known as chosen.
  const std::vector<paxos::Member>& members() const { return members_; }
  Slot applied() const { return applier_.applied(); }

 private:
  // --- from the edges (engine_serve.cc)
  void take(Submit&& m);
  void take(SyncRequest&& m);
  void take(Touch&& m);
  // --- from the journal (engine_recover.cc, engine.cc)
  void take(Opened&& r);
  void take(RepairNeeds&& r);
  void take(Flushed&& r);
  void take(LogRead&& r);
  void take(SliceTaken&& r);
  void take(SnapshotWritten&& r);
  void take(SnapshotFileRead&& r);
  void take(PartTaken&& r);
  void take(SnapshotReceived&& r);
  void take(SnapshotContent&& r);
  void take(LogShortened&& r);
  void take(JournalFull&& r);
  void take(RotFound&& r);
  void take(JournalFailed&& r);
  void take(SnapshotsSetAside&& r);
  // --- from peers (engine_serve.cc)
  void hear(NodeId from, peer::PeerMessage message);
  void hear_own(NodeId from, peer::Forward&& m);
  void hear_own(NodeId from, peer::ForwardDropped&& m);
  void hear_own(NodeId from, peer::SyncAsk&& m);
  void hear_own(NodeId from, peer::SyncAnswer&& m);
  void hear_own(NodeId from, peer::Touched&& m);
  void hear_own(NodeId from, const peer::RepairAsk& m);
  void hear_own(NodeId from, peer::RepairGive&& m);
  void hear_own(NodeId from, const peer::DigestsSaid& m);
  void hear_own(NodeId from, peer::Introduction&& m);
  void hear_own(NodeId from, peer::ChangeAsk&& m);

  // --- recovery (engine_recover.cc)
  void recovered_snapshot();
  void replay(std::vector<storage::SlotValue> slots);
  void replay_on();
  void start_core();

  // --- repair, of one's own log and of others' (engine_repair.cc)
  void open_links();
  std::string objection(const peer::Hello& hello) const;
  void ask_for_repair(bool same);
  void ask_for_repair_later();
  bool give_repair(const LogRead& r);

  // --- the state compared with the others' (engine_digests.cc)
  void note_digest(Slot slot);
  void compare_digests();
  void quarantine(const std::string& why);
  // --- members, and who is connected (engine_members.cc)
  znode::BatchHeader batch_header(RulesVersion rules) const;
  bool judge_reconfig();
  void fail_reconfig(zkwire::Code code, const std::string& why);
  paxos::Membership addressed(const paxos::Membership& members) const;
  std::map<NodeId, ports::HostPort> wanted_peers() const;
  void connect_peers_soon();

  // --- the core and its effects (engine.cc)
  void step(const paxos::Event& event);
  void perform(paxos::Effect& effect);
  void perform(paxos::Persist&& e);
  void perform(paxos::Send&& e);
  void perform(paxos::Deliver&& e);
  void perform(paxos::DeliverFromLog&& e);
  void perform(paxos::InstallSnapshot&& e);
  void perform(paxos::SendLog&& e);
  void perform(paxos::SendSnapshot&& e);
  void perform(paxos::StopSending&& e);
  void perform(paxos::RoleChanged&& e);
  void perform(paxos::ReadReady&& e);
  void perform(paxos::ReadFailed&& e);
  void perform(paxos::ProposalsLost&& e);
  void perform(paxos::ChangeRefused&& e);
  void perform(paxos::PeersChanged&& e);
  void perform(paxos::WakeAt&& e);
  void perform(paxos::Note&& e);
  void journal(JournalCommand command);
  void send_to_journal();
  void end_turn_soon();
  void end_turn();
  void apply_some();
  void slot_applied(Slot slot);
  void snapshot_if_due(Slot slot);
  void begin_snapshot(Slot slot);
  void teach_by_snapshot();
  void take_no_part(const Error& error);
  void fail(const Error& error);
  void hand_over(const char* why);
  void end_leave();
  void update_view();
  void watch_state_limit();
  // --- engine_why.cc
  std::string why_not_serving() const;
  void say_why(const ClusterView& view);

  // --- the leader's service (engine_serve.cc)
  void enqueue(Bytes command);
  bool gathered() const;
  std::vector<Bytes> take_gathered(std::size_t commands_max, std::size_t bytes_max);
  void propose_gathered();
  void forward_gathered();
  void propose_own(znode::Command command);
  void renew_path();
  void renew_path_later();
  bool settle_applied();
  void settle_syncs();
  void begin_syncs();
  void fail_syncs();
  void answer_sync(EdgeIndex edge, std::uint64_t ticket, bool ok);
  void tick();
  Instant session_now() const;
  void lead_on();

  ports::Lane& lane_;
  ports::Network& network_;
  Shared& shared_;
  ports::Sender<JournalCommand> journal_;
  std::function<void(const Error&)> on_failed_;
  std::function<void(const Error&)> on_quarantined_;
  const EngineOptions options_;

  enum class Phase { recovering, repairing, running, failed };
  Phase phase_ = Phase::recovering;
  std::optional<Opened> opened_;
  paxos::Recovered recovered_;
  std::uint64_t replay_ticket_ = 0;

  std::optional<RepairNeeds> needs_;  // while repairing
  NodeId repair_asked_;
  std::size_t repair_rounds_ = 0;  // through all peers, without help
  bool repair_armed_ = false;
  std::map<std::uint64_t, NodeId> repair_reads_;  // for others, by ticket
  std::uint64_t last_repair_ticket_ = 0;

  std::optional<paxos::Core> core_;
  std::unique_ptr<peer::Links> links_;
  std::map<NodeId, ports::HostPort> peers_;  // that are dialled
  std::vector<paxos::Member> members_;       // that the log wants to be connected
  std::map<NodeId, Bytes> guests_;           // who introduced themselves and speak to us
  bool connecting_ = false;
  Slot change_;  // of members, proposed here last
  Applier applier_;
  Pace pace_;
  Courier courier_;
  SnapshotWalker walker_;
  Digests digests_;
  std::string digests_said_;               // into the log
  std::optional<Error> quarantined_;       // until the snapshots are set aside
  std::deque<JournalCommand> to_journal_;  // its queue was full
  bool journal_retry_ = false;
  ports::TimerId alarm_;
  bool turn_end_posted_ = false;
  bool applying_posted_ = false;

  // Role.
  paxos::RoleChanged role_;
  std::uint64_t path_ = 0;  // number of the last PathRenewed
  bool renewal_due_ = false;
  std::uint64_t elections_ = 0;
  std::uint64_t proposals_ = 0;
  Recent flushes_;
  DiskWatch disk_watch_;
  bool disk_full_ = false;
  bool state_full_ = false;
  bool log_unreadable_ = false;  // until the next snapshot is durable
  std::string rot_;              // found last by scrubbing
  std::function<void()> left_;   // told to stop: who waits for another leader

  // What gathered for the leader, here or there.
  FairQueue queue_;
  std::deque<Bytes> taken_;  // of queue_, and not proposed: its first is a reconfig, or it is empty
  bool queue_waits_ = false;                       // for everything before it to be applied
  Instant queued_at_;                              // the first of queue_
  std::deque<std::pair<Slot, Instant>> proposed_;  // by us, not known as chosen
  StageLatencies stages_;
  std::deque<paxos::Lsn> unflushed_;                    // last records of our own batches
  std::deque<std::pair<Slot, std::size_t>> unapplied_;  // our own batches and their bytes
  std::size_t unapplied_bytes_ = 0;
  paxos::Lsn persisted_;
  paxos::Lsn flushed_;

  // Linearizable barriers: an edge's own, or a peer's.
  struct SyncWaiter {
    EdgeIndex edge = 0;
    NodeId peer;  // 0: the edge's
    std::uint64_t ticket = 0;
  };
  struct SyncReady {
    Slot slot;
    std::vector<SyncWaiter> waiters;
  };
  std::vector<SyncWaiter> sync_gathered_;
  std::map<std::uint64_t, std::vector<SyncWaiter>> sync_asked_;  // by token or ticket
  std::deque<SyncReady> sync_ready_;
  std::uint64_t last_token_ = 0;

  SessionClock sessions_;
  Instant view_updated_;
  std::string why_said_;  // into the log, since a leader was known
  Instant served_at_;
  ports::Scope scope_;
};

}  // namespace synod::coordinator
