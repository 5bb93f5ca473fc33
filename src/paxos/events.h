// What the core hears and what it asks for. Time comes with every event that needs it.
#pragma once

#include <ostream>
#include <string>
#include <variant>
#include <vector>

#include "base/instant.h"
#include "paxos/messages.h"

namespace synod::paxos {

// ---- records: what the journal keeps of the core's decisions, in the order of their Lsn. The
// journal shows one log at any time: after a crash, the log as of the last durable record.

struct IdentityRecord {
  ClusterId cluster;  // 0 until founded or joined
  Incarnation incarnation;
  std::vector<Member> founders;
  // The incarnation was taken because the end of the log was in doubt (Founding). Over once the log
  // says Readmit for it.
  bool in_doubt = false;
};
struct PromiseRecord {
  Ballot ballot;
};
// Visible at once.
struct AppendRecord {
  Ballot ballot;
  Slot slot;
  Chain before;  // at slot - 1
  Chain chain;   // at slot
  Slot chosen;   // known then; what recovery may take for chosen
  Entry entry;
};
// Invisible until an AdoptRecord of the same ballot. The first one of another (ballot, keep), or of
// a slot staged already, drops what was staged from there on.
struct StageRecord {
  Ballot ballot;
  Slot keep;
  Slot slot;
  Chain before;
  Chain chain;
  Entry entry;
};
// One atomic step: own slots above `keep` go, staged slots keep+1 .. last are shown. With
// `snapshot`, the staged snapshot at `keep` replaces all of the own log.
struct AdoptRecord {
  Ballot ballot;
  Slot keep;
  Slot last;
  Chain chain;
  bool snapshot = false;
  Chain keep_chain;  // at keep, with snapshot
};
// How long a lease that this node grants is at most.
struct LeaseRecord {
  Duration length;
};
using Record = std::variant<IdentityRecord, PromiseRecord, AppendRecord, StageRecord, AdoptRecord,
                            LeaseRecord>;

// ---- what recovery found on the disk

struct RecoveredEntry {
  Slot slot;
  Chain chain;
  Entry entry;
};
struct Recovered {
  IdentityRecord identity;  // incarnation 0: empty disk
  Ballot promised;
  Ballot adopted;
  Slot chosen;            // state is applied through here (snapshot, or noted in the log)
  Chain chosen_chain;     // at `chosen`
  Membership membership;  // as of `chosen`; empty: that of the founders
  std::vector<RecoveredEntry> tail;  // slots above `chosen`, in order, without gaps
  Slot log_first;                    // the oldest slot that the journal can still read
  // The log may end before what this voter has acknowledged: its last group was bad without a
  // witness, or the machine was restarted since (a disk may have said yes and forgotten, or have
  // been put back). No new incarnation was taken since.
  bool doubtful = false;
  Duration lease;  // LeaseRecord's
};

// ---- events

struct Started {
  Instant now;
};
struct Tick {
  Instant now;
};
struct Received {
  Instant now;
  NodeId from;
  Message message;
};
// Every record through `lsn` is on the disk. `ballot` is that of the Persist of this lsn.
struct Durable {
  Instant now;
  Ballot ballot;
  Lsn lsn;
};
// Our connection to the peer stands.
struct LinkUp {
  Instant now;
  NodeId peer;
};
// It ended, or a new one could not be had.
struct LinkDown {
  Instant now;
  NodeId peer;
  bool refused = false;  // closed and then refused at once: the process is gone
};
// Leader only; ask can_propose() first.
struct Propose {
  Instant now;
  Entry entry;
};
// Leader only: from here on these are the members; for the incarnations the core cares. `owners`
// travels with the entry. Refused unless Core::may_change() says ok.
struct ProposeChange {
  Instant now;
  Membership members;
  Bytes owners;
};
// Leader only, else ReadFailed. Answered at once under a lease, else after one quorum round, shared
// by all that wait. `now` was asked for after whoever reads had asked.
struct Read {
  Instant now;
  std::uint64_t token = 0;
};
// The engine has handed everything of this turn to the core: watermarks that found no Accept to
// ride on leave now.
struct TurnEnded {
  Instant now;
};
// A SendLog or SendSnapshot is over: all was handed to the link, or not. For a snapshot `through`
// and `chain` say what it covers.
struct Sent {
  Instant now;
  NodeId to;
  Ballot ballot;
  bool complete = false;
  bool snapshot = false;
  Slot through;
  Chain chain;
};
// A snapshot for `ballot` arrived whole and is durable beside the log.
struct SnapshotStaged {
  Instant now;
  Ballot ballot;
  Slot slot;
  Chain chain;
  Membership membership;  // as of slot
};
// The journal can read no slot before `first` any more.
struct LogTrimmed {
  Slot first;
};
// Stand for election now, whatever the others think (tests, exploration, hand-over).
struct Stand {
  Instant now;
};
// Leader: give up the ballot, preferably to the most advanced follower (slow disk, shutdown).
struct HandOver {
  Instant now;
};

using Event =
    std::variant<Started, Tick, Received, Durable, LinkUp, LinkDown, Propose, ProposeChange, Read,
                 TurnEnded, Sent, SnapshotStaged, LogTrimmed, Stand, HandOver>;

// ---- effects, to be performed in order

struct Persist {
  Lsn lsn;
  Ballot ballot;
  Record record;
};
struct Send {
  NodeId to;
  Message message;
};
// The next chosen slot, in order, each once: apply it.
struct Deliver {
  Slot slot;
  Entry entry;
  Chain chain;  // through the slot
};
// The same for slots whose bytes only the journal has: read and apply them before what follows.
struct DeliverFromLog {
  Slot first;
  Slot last;
};
// Replace the state by the staged snapshot; the next slot delivered is slot + 1.
struct InstallSnapshot {
  Slot slot;
  Chain chain;
  Membership membership;  // as of slot
};
// Stream log slots from the journal to a peer as Stage or Accept messages of this ballot, then
// report Sent. One at a time for each peer; a later one, or StopSending, replaces it.
struct SendLog {
  NodeId to;
  Ballot ballot;
  bool stage = false;  // Stage messages with `keep`; else Accept messages
  Slot keep;
  Slot first;
  Slot last;
  Slot chosen;
};
// Stream the newest snapshot, then report Sent.
struct SendSnapshot {
  NodeId to;
  Ballot ballot;
};
struct StopSending {
  NodeId to;
};
enum class Role { unfounded, learner, follower, candidate, leader };
// After any change. `serving`: this node leads and its first entry is chosen.
struct RoleChanged {
  Role role = Role::unfounded;
  Ballot ballot;  // promised
  NodeId leader;  // 0: none known
  bool serving = false;
};
// Everything through `slot` was chosen when the token was given, and this node still led.
struct ReadReady {
  std::uint64_t token = 0;
  Slot slot;
};
struct ReadFailed {
  std::uint64_t token = 0;
};
// Proposals of this node above the last one delivered will not be delivered by it: those it
// proposed and has not delivered may or may not be chosen later.
struct ProposalsLost {
  Slot above;
};
// Whether the members may be changed to a set, and why not.
enum class ChangeVerdict {
  ok,
  not_leading,  // or not serving yet
  in_progress,  // another change is not chosen, or not sealed; or no room
  not_synced,   // no quorum of the new set is connected and caught up
  older_rules,  // one that is to read it does not know changes
};
struct ChangeRefused {
  ChangeVerdict verdict = ChangeVerdict::ok;
};
// Those that this node must be connected to, itself among them: members, and who would be one by a
// change in the log or in a history that is staged. First of all, and whenever they may differ.
struct PeersChanged {
  std::vector<Member> members;
};
// Step with Tick at this time; replaces the former.
struct WakeAt {
  Instant at;
};
// For the log and for people.
struct Note {
  bool warning = false;
  std::string text;
};

using Effect = std::variant<Persist, Send, Deliver, DeliverFromLog, InstallSnapshot, SendLog,
                            SendSnapshot, StopSending, RoleChanged, ReadReady, ReadFailed,
                            ProposalsLost, ChangeRefused, PeersChanged, WakeAt, Note>;
using Effects = std::vector<Effect>;

std::ostream& operator<<(std::ostream& out, const Record& record);
std::ostream& operator<<(std::ostream& out, const Event& event);
std::ostream& operator<<(std::ostream& out, const Effect& effect);
std::ostream& operator<<(std::ostream& out, Role role);
std::ostream& operator<<(std::ostream& out, ChangeVerdict verdict);

}  // namespace synod::paxos
