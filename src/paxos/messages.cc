#include "paxos/messages.h"

#include "base/checksum.h"
#include "paxos/fields.h"

namespace synod::paxos {
namespace {

struct Hasher {
  std::uint64_t h = 0;

  void word(std::uint64_t w) { h = hash_mix(h, w); }

  template <typename Tag, typename Rep>
  void operator()(const StrongId<Tag, Rep>& id) {
    word(static_cast<std::uint64_t>(id.value()));
  }
  void operator()(std::uint64_t w) { word(w); }
  void operator()(std::uint32_t w) { word(w); }
  void operator()(bool b) { word(b ? 1 : 0); }
  void operator()(EntryKind kind) { word(static_cast<std::uint64_t>(kind)); }
  void operator()(const Value& value) { word(hash64(*value)); }
  template <typename T>
  void operator()(const std::vector<T>& items) {
    word(items.size());
    for (const T& item : items) {
      each_field(item, *this);
    }
  }
  template <typename T>
  requires std::is_aggregate_v<T>
  void operator()(const T& part) { each_field(part, *this); }
};

struct Printer {
  std::ostream& out;

  void operator()(const Who& m) const {
    out << "who cluster=" << m.cluster << " incarnation=" << m.incarnation;
  }
  void operator()(const PreVote& m) const { out << "pre-vote round=" << m.round; }
  void operator()(const PreVoteReply& m) const {
    out << "pre-vote-reply round=" << m.round << (m.lost ? " lost" : " not-lost");
  }
  void operator()(const Prepare& m) const { out << "prepare " << m.ballot; }
  void operator()(const Promise& m) const {
    out << "promise " << m.ballot << " log=" << m.position << " chosen=" << m.chosen
        << (m.doubtful ? " doubtful" : "");
  }
  void operator()(const Reject& m) const {
    out << "reject " << m.ballot << " promised=" << m.promised;
  }
  void operator()(const Fetch& m) const {
    out << "fetch " << m.ballot << " log=" << m.position << " chosen=" << m.chosen;
  }
  void operator()(const Stage& m) const {
    out << "stage " << m.ballot << " keep=" << m.keep;
    entries(m.first, m.entries);
  }
  void operator()(const Adopt& m) const {
    out << "adopt " << m.ballot << " keep=" << m.keep << " last=" << m.last;
  }
  void operator()(const Accept& m) const {
    out << "accept " << m.ballot;
    entries(m.first, m.entries);
    out << " chosen=" << m.chosen;
  }
  void operator()(const Accepted& m) const { out << "accepted " << m.ballot << '/' << m.last; }
  void operator()(const Rewind& m) const { out << "rewind " << m.ballot << " after=" << m.last; }
  void operator()(const Chosen& m) const { out << "chosen " << m.ballot << '/' << m.chosen; }
  void operator()(const Heartbeat& m) const {
    out << "heartbeat " << m.ballot << " chosen=" << m.chosen << " round=" << m.round;
    if (m.lease_ms != 0) {
      out << " lease=" << m.lease_ms;
    }
  }
  void operator()(const HeartbeatReply& m) const {
    out << "heartbeat-reply " << m.ballot << " round=" << m.round << " last=" << m.last
        << (m.adopted ? "" : " not-adopted");
  }
  void operator()(const StepDown& m) const {
    out << "step-down " << m.ballot;
    if (m.successor != NodeId()) {
      out << " successor=" << m.successor;
    }
  }
  void operator()(const LeaseGranted& m) const {
    out << "lease-granted " << m.ballot << " round=" << m.round << " lease=" << m.lease_ms;
  }
  void entries(Slot first, const std::vector<Entry>& list) const {
    for (const Entry& entry : list) {
      out << ' ' << first << '=' << entry;
      first = first.next();
    }
  }
};

}  // namespace

std::uint64_t hash_of(const Message& message) {
  Hasher hasher{message.index()};
  std::visit([&](const auto& m) { each_field(m, hasher); }, message);
  return hasher.h;
}

std::ostream& operator<<(std::ostream& out, const Message& message) {
  std::visit(Printer{out}, message);
  return out;
}

}  // namespace synod::paxos
