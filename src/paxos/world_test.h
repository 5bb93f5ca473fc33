// A small world for the tests of the core: nodes with disks that lose what was not flushed, links
// that lose and delay, a clock; and a judge that looks at disks and deliveries only.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "paxos/core.h"

namespace synod::paxos::testing {

// The journal of one node, as records say: what is durable, and what waits for a flush.
class Journal {
 public:
  struct Shown {
    Chain chain;
    Entry entry;
  };
  // The visible log and the acceptor's words, after some records.
  struct State {
    IdentityRecord identity;
    Ballot promised;
    Ballot adopted;
    Slot base;  // a snapshot stands for the slots through here
    Chain base_chain;
    Membership base_membership;
    std::deque<Shown> log;  // from base + 1
    Slot noted_chosen;
    Duration lease;
    Ballot staged_ballot;
    Slot staged_keep;
    std::deque<Shown> staged;  // from staged_keep + 1
    bool doubtful = false;     // its end may be lost: no word of its incarnation counts any more

    Slot last() const { return Slot(base.value() + log.size()); }
    Chain chain_at(Slot slot) const;  // base <= slot <= last
    void apply(const Record& record);
  };
  struct Snapshot {
    Slot slot;
    Chain chain;
    Membership membership;
  };

  void append(const Persist& persist);
  // True if there was something to flush; `count` records, all by default.
  bool flush(std::size_t count = SIZE_MAX);
  void lose_unflushed();
  // From now on the states before the last flushes are kept, for what follows.
  void remember() { remembers_ = true; }
  // The last group that was flushed goes bad, or only what a torn flush left behind; nothing
  // vouches for it.
  void lose_last_flush(bool torn);
  // The machine was restarted: what the disk said is not believed any more, unless `believed`; and
  // the last flushes are gone, at most those that are remembered.
  void reboot(std::size_t lost, bool believed);
  std::size_t unflushed() const { return pending_.size(); }
  const State& durable() const { return durable_; }
  const State& visible() const { return visible_; }
  Lsn durable_lsn() const { return durable_lsn_; }
  Ballot durable_ballot() const { return durable_ballot_; }
  void restart_lsn() { durable_lsn_ = Lsn(); }
  void trim(Slot through, const Membership& membership);
  void stage_snapshot(const Snapshot& snapshot) { staged_snapshot_ = snapshot; }
  Recovered recover() const;
  std::uint64_t digest() const;

 private:
  void apply(State& state, const Record& record) const;

  State durable_;
  State visible_;
  std::deque<Persist> pending_;
  Lsn durable_lsn_;
  Ballot durable_ballot_;
  std::optional<Snapshot> staged_snapshot_;
  bool remembers_ = false;
  std::deque<State> past_;  // before the last flushes, oldest first
};

// What a node that is asked to stream a part of its log says.
Message log_message(const Journal::State& log, const SendLog& e);

// What went over a link: a message, or a whole snapshot.
struct Packet {
  std::variant<Message, Journal::Snapshot> content;
  Ballot ballot;  // of a snapshot
};

// Judges from outside: durable records and deliveries, nothing else.
class Judge {
 public:
  Judge() = default;
  explicit Judge(const Membership& membership) : memberships_{membership} {}

  // A node's disk changed.
  void on_durable(NodeId node, const Journal::State& state);
  void on_delivered(NodeId node, Slot slot, Chain chain);
  void on_proposed(const Entry& entry, Chain before);
  // The first promise that was broken, if any.
  const std::string& verdict() const { return verdict_; }
  // What was chosen must be in the newest log of every quorum.
  using Disks = std::map<NodeId, const Journal::State*>;
  std::string check_quorums(const Disks& disks) const;
  void blame(const std::string& what);
  Slot chosen() const { return Slot(chosen_.size()); }
  // A read sees whatever anybody had delivered when it was asked for.
  void on_read(NodeId node, std::uint64_t token);
  void on_read_ready(NodeId node, std::uint64_t token, Slot slot);
  std::size_t reads_answered() const { return reads_answered_; }
  // After the last chosen slot.
  const Membership& membership() const { return memberships_.back(); }

 private:
  using Vote = std::pair<NodeId, Incarnation>;
  struct Key {
    Ballot ballot;
    Slot slot;
    Chain chain;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  void judge();
  void vouch();
  std::vector<Membership> needed(const Key& key) const;
  bool is_chosen(const Key& key) const;

  std::map<Key, std::set<Vote>> votes_;
  std::map<NodeId, Ballot> promised_;
  std::map<NodeId, Incarnation> in_doubt_;
  std::set<std::pair<Vote, Ballot>> vouched_;
  std::map<Chain, Entry> entries_;
  std::map<Chain, Chain> before_;
  std::vector<Chain> chosen_;              // of slots 1, 2, ...
  std::vector<Membership> memberships_;    // for slots 1, 2, ...
  std::map<std::string, Chain> proposed_;  // a batch's value -> the log it was proposed after
  Slot delivered_;                         // by anybody
  std::map<std::pair<NodeId, std::uint64_t>, Slot> reads_;  // and what was delivered then
  std::size_t reads_answered_ = 0;
  std::string verdict_;
};

class World {
 public:
  struct Settings {
    std::uint32_t nodes = 3;
    bool opening_entry = false;
    bool founded = true;  // else every disk is empty
    PlantedBug planted = PlantedBug::none;
    std::vector<Member> members;  // instead of `nodes`
    std::uint32_t spares = 0;     // more nodes, which are no members: they learn
    std::size_t chains_kept = 1 << 16;
    std::size_t in_flight_max = 256;
    Duration doubt_patience = Duration::seconds(3600);
    Duration lease;
  };

  explicit World(const Settings& settings);

  const std::vector<NodeId>& nodes() const { return nodes_; }
  bool running(NodeId node) const { return at(node).core.has_value(); }
  const Core& core(NodeId node) const { return *at(node).core; }
  const Journal& journal(NodeId node) const { return at(node).journal; }
  const std::vector<std::string>& applied(NodeId node) const { return at(node).applied; }
  const Judge& judge() const { return judge_; }
  Instant now() const { return now_; }
  std::string take_trace();
  void trace(bool on) { tracing_ = on; }

  void stand(NodeId node);
  bool propose(NodeId node, const std::string& value);
  // A change of members; incarnations are the core's matter.
  void change(NodeId node, std::vector<Member> members);
  void read(NodeId node, std::uint64_t token);
  void hand_over(NodeId node);
  bool flush(NodeId node, std::size_t count = SIZE_MAX);
  std::size_t in_flight(NodeId from, NodeId to) const;
  const Packet* peek(NodeId from, NodeId to, std::size_t index = 0) const;
  bool deliver(NodeId from, NodeId to, std::size_t index = 0);
  void duplicate(NodeId from, NodeId to, std::size_t index);
  void drop(NodeId from, NodeId to);
  void drop_one(NodeId from, NodeId to, std::size_t index);
  // The process dies: unflushed records and everything on its links are gone.
  // `kept` of the records had reached the disk all the same.
  void crash(NodeId node, std::size_t kept = 0);
  void restart(NodeId node);
  void set_lease(NodeId node, Duration lease) { at(node).options.lease = lease; }
  void wipe(NodeId node);  // a crashed node's disk
  void remember(NodeId node) { at(node).journal.remember(); }
  void doubt(NodeId node, bool torn);  // a crashed node's last flush is lost, or was torn
  // A crashed node's machine starts again, and its disk has lost the last flushes.
  void reboot(NodeId node, std::size_t lost = 0);
  // The others hear that its connection is refused.
  void refuse(NodeId node);
  void cut(NodeId a, NodeId b);  // silence both ways
  void heal(NodeId a, NodeId b);
  void reconnect(NodeId a, NodeId b);  // what was under way is lost, both hear of it
  void trim(NodeId node, Slot through);
  // Delivers and flushes until nothing moves.
  void settle();
  void advance(Duration time);
  // Time goes on and alarms ring; nothing is delivered or flushed.
  void pass(Duration time);
  // All nodes: core invariants, and the judge's quorum check.
  void check();

 private:
  struct Node {
    std::optional<Core> core;
    Options options;
    Journal journal;
    std::vector<std::string> applied;  // by slot, from 1; "" for what a snapshot replaced
    Chain applied_chain;
    Membership applied_membership;
    Instant alarm = Instant::max();
    std::uint64_t lives = 1;
  };

  using Queue = std::vector<Packet>;

  Node& at(NodeId node) { return world_[node]; }
  const Node& at(NodeId node) const { return world_.at(node); }
  Queue& link(NodeId from, NodeId to) { return links_[{from, to}]; }
  void step(NodeId node, const Event& event);
  void perform(NodeId node, const Effect& effect);
  void apply(NodeId node, Slot slot, const Entry& entry);
  void stream(NodeId node, const SendLog& e);
  void send(NodeId from, NodeId to, Packet packet);
  void say(NodeId node, const Effect& effect);
  void connect(NodeId a, NodeId b);

  Settings settings_;
  std::vector<NodeId> nodes_;
  std::map<NodeId, Node> world_;
  std::map<std::pair<NodeId, NodeId>, Queue> links_;
  std::set<std::pair<NodeId, NodeId>> cut_;
  Judge judge_;
  Instant now_ = Instant::from_millis(1000);
  bool tracing_ = true;
  std::string trace_;
};

}  // namespace synod::paxos::testing
