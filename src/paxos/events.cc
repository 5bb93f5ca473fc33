#include "paxos/events.h"

namespace synod::paxos {
namespace {

struct Printer {
  std::ostream& out;

  // Records.
  void operator()(const IdentityRecord& r) const {
    out << "identity cluster=" << r.cluster << " incarnation=" << r.incarnation
        << (r.in_doubt ? " in doubt" : "");
  }
  void operator()(const PromiseRecord& r) const { out << "promise " << r.ballot; }
  void operator()(const AppendRecord& r) const {
    out << "append " << r.ballot << ' ' << r.slot << '=' << r.entry;
  }
  void operator()(const StageRecord& r) const {
    out << "stage " << r.ballot << " keep=" << r.keep << ' ' << r.slot << '=' << r.entry;
  }
  void operator()(const AdoptRecord& r) const {
    out << "adopt " << r.ballot << " keep=" << r.keep << " last=" << r.last
        << (r.snapshot ? " snapshot" : "");
  }
  void operator()(const LeaseRecord& r) const { out << "lease " << r.length.millis() << "ms"; }

  // Events.
  void operator()(const Started&) const { out << "started"; }
  void operator()(const Tick& e) const { out << "tick " << e.now; }
  void operator()(const Received& e) const { out << "from " << e.from << ": " << e.message; }
  void operator()(const Durable& e) const { out << "durable " << e.lsn; }
  void operator()(const LinkUp& e) const { out << "link up " << e.peer; }
  void operator()(const LinkDown& e) const {
    out << "link down " << e.peer << (e.refused ? " refused" : "");
  }
  void operator()(const Propose& e) const { out << "propose " << e.entry; }
  void operator()(const Read& e) const { out << "read " << e.token; }
  void operator()(const TurnEnded&) const { out << "turn ended"; }
  void operator()(const Sent& e) const {
    out << "sent to " << e.to << ' ' << e.ballot << " through " << e.through
        << (e.snapshot ? " snapshot" : "") << (e.complete ? "" : " incomplete");
  }
  void operator()(const SnapshotStaged& e) const {
    out << "snapshot staged " << e.ballot << '/' << e.slot;
  }
  void operator()(const LogTrimmed& e) const { out << "log trimmed first=" << e.first; }
  void operator()(const ProposeChange& e) const { out << "propose members " << e.members; }
  void operator()(const Stand&) const { out << "stand"; }
  void operator()(const HandOver&) const { out << "hand over"; }

  // Effects.
  void operator()(const Persist& e) const { out << "persist #" << e.lsn << ' ' << e.record; }
  void operator()(const Send& e) const { out << "send " << e.to << ": " << e.message; }
  void operator()(const Deliver& e) const { out << "deliver " << e.slot << '=' << e.entry; }
  void operator()(const DeliverFromLog& e) const {
    out << "deliver from log " << e.first << ".." << e.last;
  }
  void operator()(const InstallSnapshot& e) const { out << "install snapshot " << e.slot; }
  void operator()(const SendLog& e) const {
    out << "send log to " << e.to << ' ' << (e.stage ? "stage " : "accept ") << e.ballot << ' '
        << e.first << ".." << e.last;
  }
  void operator()(const SendSnapshot& e) const {
    out << "send snapshot to " << e.to << ' ' << e.ballot;
  }
  void operator()(const StopSending& e) const { out << "stop sending to " << e.to; }
  void operator()(const RoleChanged& e) const {
    out << e.role << ' ' << e.ballot << " leader=" << e.leader << (e.serving ? " serving" : "");
  }
  void operator()(const ReadReady& e) const { out << "read " << e.token << " ready at " << e.slot; }
  void operator()(const ReadFailed& e) const { out << "read " << e.token << " failed"; }
  void operator()(const ProposalsLost& e) const { out << "proposals lost above " << e.above; }
  void operator()(const ChangeRefused& e) const { out << "change refused: " << e.verdict; }
  void operator()(const PeersChanged& e) const { out << "peers " << Membership(e.members); }
  void operator()(const WakeAt& e) const { out << "wake " << e.at; }
  void operator()(const Note& e) const { out << (e.warning ? "warning: " : "note: ") << e.text; }
};

}  // namespace

std::ostream& operator<<(std::ostream& out, const Record& record) {
  std::visit(Printer{out}, record);
  return out;
}

std::ostream& operator<<(std::ostream& out, const Event& event) {
  std::visit(Printer{out}, event);
  return out;
}

std::ostream& operator<<(std::ostream& out, const Effect& effect) {
  std::visit(Printer{out}, effect);
  return out;
}

std::ostream& operator<<(std::ostream& out, ChangeVerdict verdict) {
  switch (verdict) {
    case ChangeVerdict::ok: return out << "ok";
    case ChangeVerdict::not_leading: return out << "not leading";
    case ChangeVerdict::in_progress: return out << "another change is in progress";
    case ChangeVerdict::not_synced: return out << "no quorum of the new members is synced";
    case ChangeVerdict::older_rules: return out << "a member knows older rules only";
  }
  return out;
}

std::ostream& operator<<(std::ostream& out, Role role) {
  switch (role) {
    case Role::unfounded: return out << "unfounded";
    case Role::learner: return out << "learner";
    case Role::follower: return out << "follower";
    case Role::candidate: return out << "candidate";
    case Role::leader: return out << "leader";
  }
  return out;
}

}  // namespace synod::paxos
