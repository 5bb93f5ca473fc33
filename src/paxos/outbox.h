// The door of the core: numbers the records, and holds back what depends on them.
//
// Invariants  I4 a message handed to send_durable leaves in the step that hears of the durability
//                of every record persisted before it, and in no other.
// Memory      Messages that wait for a flush.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>

#include "paxos/events.h"
#include "paxos/options.h"

namespace synod::paxos {

class Outbox {
 public:
  Outbox(NodeId self, PlantedBug planted) : self_(self), planted_(planted) {}

  void persist(Ballot ballot, Record record, Effects& effects);
  // At once. To self: into local().
  void send(NodeId to, Message message, Effects& effects);
  void send_durable(NodeId to, Message message, Effects& effects);
  void durable(Lsn lsn, Effects& effects);

  // Messages to self, to be handled before the step ends.
  std::deque<Message>& local() { return local_; }
  bool all_durable() const { return durable_ >= issued_; }

  std::uint64_t digest() const;
  std::optional<std::string> check() const;

 private:
  struct Withheld {
    Lsn after;
    NodeId to;
    Message message;
  };

  bool superseded(std::size_t index, Lsn durable) const;

  NodeId self_;
  PlantedBug planted_;
  Lsn issued_;
  Lsn durable_;
  std::deque<Withheld> withheld_;
  std::deque<Message> local_;
};

// When each node was last heard from; of the others, since this node started.
class Contacts {
 public:
  void start(Instant now) { started_ = now; }
  void hear(NodeId node, Instant now) { heard_[node] = now; }
  Duration silence(NodeId node, Instant now) const {
    const auto it = heard_.find(node);
    return now - (it == heard_.end() ? started_ : it->second);
  }

 private:
  Instant started_;
  std::map<NodeId, Instant> heard_;
};

// What a part of the core is given with every call.
struct Step {
  const Options& options;
  Instant now;
  Outbox& outbox;
  Effects& effects;
  const Contacts& contacts;

  void persist(Ballot ballot, Record record) const {
    outbox.persist(ballot, std::move(record), effects);
  }
  void send(NodeId to, Message message) const { outbox.send(to, std::move(message), effects); }
  void send_durable(NodeId to, Message message) const {
    outbox.send_durable(to, std::move(message), effects);
  }
  void note(std::string text) const { effects.push_back(Note{false, std::move(text)}); }
  void warn(std::string text) const { effects.push_back(Note{true, std::move(text)}); }
};

}  // namespace synod::paxos
