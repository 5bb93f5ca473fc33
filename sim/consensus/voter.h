// A coordinator reduced to its consensus: the real core over the real journal, messages carried as
// they are, and a list of what was chosen in place of a tree.
//
// Smaller and many times faster than whole servers, so that more storms fit into a test.
//
// Memory  The Bus outlives the voters; the World outlives both.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/planted.h"
#include "coordinator/journal.h"
#include "paxos/core.h"
#include "ports/scope.h"
#include "sim/machine.h"

namespace synod::sim::consensus {

class Voter;

// Carries messages between voters: in order, late, some lost, none over cut links.
class Bus {
 public:
  explicit Bus(World& world) : world_(world) {}

  void join(Voter& voter);
  void leave(Voter& voter, bool peers_hear);
  void send(Voter& from, NodeId to, paxos::Message message);
  Voter* find(NodeId node) const;

  std::uint64_t lost_once_in = 0;

 private:
  World& world_;
  std::map<NodeId, Voter*> voters_;
  std::map<std::pair<NodeId, NodeId>, Instant> last_;  // arrival of the latest on a link
};

// What was acknowledged, and when, over the whole run.
struct Ledger {
  struct Proposal {
    std::size_t proposed = 0;  // places in the order of real time
    std::optional<std::size_t> acknowledged;
  };
  std::map<std::string, Proposal> proposals;
  std::size_t clock = 0;
};

class Voter {
 public:
  Voter(SimProcess& process, Bus& bus, Ledger& ledger, NodeId self, std::uint32_t voters,
        PlantedBug planted);
  ~Voter();
  Voter(const Voter&) = delete;
  Voter& operator=(const Voter&) = delete;

  NodeId self() const { return self_; }
  SimProcess& process() const { return process_; }
  bool serving() const { return core_ && core_->serving(); }
  // False if this voter does not lead.
  bool propose(const std::string& value);
  void hear(NodeId from, const paxos::Message& message);
  void link(NodeId peer, bool up, bool refused);
  // Chosen values in order, opening entries as "".
  const std::vector<std::string>& chosen() const { return chosen_; }
  std::string describe() const;

 private:
  struct Range {
    Slot next;
    Slot last;
  };
  using Delivery = std::variant<paxos::Deliver, Range>;
  struct Reading {
    std::optional<paxos::SendLog> send;  // nullopt: for delivery
    Slot next;
  };

  Instant now() const { return process_.main_lane().now(); }
  void on_report(coordinator::JournalReport report);
  void on_opened(const coordinator::Opened& opened);
  void on_read(const coordinator::LogRead& read);
  void step(const paxos::Event& event);
  void perform(paxos::Effect& effect);
  void command(coordinator::JournalCommand command);
  void deliver_next();
  void apply(const paxos::Entry& entry);
  void read(Reading reading, Slot last);
  void wake();

  SimProcess& process_;
  SimLane& journal_lane_;
  Bus& bus_;
  Ledger& ledger_;
  NodeId self_;
  paxos::Options options_;
  coordinator::JournalOptions journal_options_;
  std::unique_ptr<paxos::Core> core_;
  std::vector<std::string> chosen_;
  std::set<std::string> mine_;  // proposed here, in this life
  std::deque<Delivery> deliveries_;
  bool reading_delivery_ = false;
  std::map<std::uint64_t, Reading> readings_;
  std::uint64_t ticket_next_ = 1;
  bool turn_end_posted_ = false;
  std::deque<paxos::Event> early_;  // came before the log was open
  ports::TimerId alarm_;
  ports::Sender<coordinator::JournalCommand> journal_commands_;
  std::unique_ptr<coordinator::Journal> journal_;
  ports::Scope scope_;
};

}  // namespace synod::sim::consensus
