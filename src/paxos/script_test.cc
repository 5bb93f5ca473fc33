// The text scripts of testdata/: one claim each.
//
//   cluster [nodes=3] [open=1] [empty=1] [planted=mix_histories] [chains=N] [window=N]
//           [spares=2] [groups=1,1,2,2,3] [observers=4,5] [patience=60000]
//           [lease=300] (milliseconds)
//   stand n1 | propose n1 value=a,b | read n1 token=7 | hand-over n1
//   change n1 to=1,4,5 [observers=4] (the members)
//   flush n1 [count=1] | deliver n1 n2 [count=1] | drop n1 n2
//   remember n1 | doubt n1 [torn=1] (its last flush is lost, and nothing vouches for it; or torn)
//   reboot n1 [lost=2] (of a crashed node's machine, which forgets that many flushes)
//   crash n1 | restart n1 | wipe n1 | refused n1 | cut n1 n2 | heal n1 n2 | reconnect n1 n2
//   lease n1 ms=300 (from its next start on)
//   trim n1 through=3 | settle | advance ms=1000 | show | applied | disk n1
// Every command answers with what the nodes did; settle, advance and the like with deliveries,
// roles and notes only, unless verbose=1.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "paxos/world_test.h"
#include "test/script/script.h"

namespace synod::paxos::testing {
namespace {

using script::Command;

NodeId node_of(const std::string& word) {
  return NodeId(static_cast<std::uint32_t>(std::stoul(word.substr(1))));
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> items;
  std::istringstream in(list);
  for (std::string item; std::getline(in, item, ',');) {
    items.push_back(item);
  }
  return items;
}

std::string only_results(const std::string& trace) {
  std::istringstream in(trace);
  std::string kept;
  for (std::string line; std::getline(in, line);) {
    const std::size_t at = line.find(": ");
    const std::string what = line.substr(at + 2);
    const bool noise = what.starts_with("send ") || what.starts_with("persist ");
    kept += noise ? "" : line + "\n";
  }
  return kept;
}

PlantedBug planted_of(const std::string& name) {
  if (name == "mix_histories") {
    return PlantedBug::mix_histories;
  }
  if (name == "answer_before_flush") {
    return PlantedBug::answer_before_flush;
  }
  if (name == "rolled_back_voter_votes") {
    return PlantedBug::rolled_back_voter_votes;
  }
  if (name == "membership_one_quorum") {
    return PlantedBug::membership_one_quorum;
  }
  if (name == "lease_forgotten_at_restart") {
    return PlantedBug::lease_forgotten_at_restart;
  }
  return name == "count_leader_at_send" ? PlantedBug::count_leader_at_send : PlantedBug::none;
}

class Handler : public script::Handler {
 public:
  std::string run(const Command& command) override {
    if (command.verb() == "cluster") {
      begin(command);
      return "";
    }
    if (!world_.has_value()) {
      return "first of all: cluster\n";
    }
    std::string out = act(command);
    const bool quietly = command.verb() == "settle" || command.verb() == "advance" ||
                         command.verb() == "heal" || command.verb() == "reconnect" ||
                         command.verb() == "restart" || command.verb() == "refused";
    const std::string trace = world_->take_trace();
    out = (quietly && !command.has("verbose") ? only_results(trace) : trace) + out;
    world_->check();
    if (!world_->judge().verdict().empty()) {
      out += "JUDGE: " + world_->judge().verdict() + "\n";
    }
    return out;
  }

 private:
  void begin(const Command& command) {
    World::Settings settings;
    settings.nodes = static_cast<std::uint32_t>(command.number("nodes", 3));
    settings.opening_entry = command.has("open");
    settings.founded = !command.has("empty");
    settings.planted = planted_of(command.text("planted"));
    settings.chains_kept = static_cast<std::size_t>(command.number("chains", 1 << 16));
    settings.doubt_patience = Duration::millis(command.number("patience", 3'600'000));
    settings.lease = Duration::millis(command.number("lease", 0));
    settings.in_flight_max = static_cast<std::size_t>(command.number("window", 256));
    settings.spares = static_cast<std::uint32_t>(command.number("spares", 0));
    std::uint32_t node = 0;
    for (const std::string& group : split(command.text("groups"))) {
      Member member;
      member.node = NodeId(++node);
      member.group = static_cast<std::uint32_t>(std::stoul(group));
      settings.members.push_back(member);
    }
    settings.nodes = node == 0 ? settings.nodes : node;
    const std::vector<std::string> observers = split(command.text("observers"));
    for (std::uint32_t id = node + 1; !observers.empty() && id <= settings.nodes; ++id) {
      settings.members.push_back(Member{.node = NodeId(id), .incarnation = {}});
    }
    for (const std::string& observer : observers) {
      settings.members.at(std::stoul(observer) - 1).observer = true;
    }
    world_.emplace(settings);
    (void)world_->take_trace();
  }

  std::string act(const Command& c) {
    World& w = *world_;
    const std::string& verb = c.verb();
    if (verb == "settle") {
      w.settle();
    } else if (verb == "advance") {
      w.advance(Duration::millis(c.number("ms", 1000)));
    } else if (verb == "show") {
      return show();
    } else if (verb == "applied") {
      return applied();
    } else {
      const NodeId node = node_of(c.word(0));
      return c.words.size() > 2 ? between(c, node, node_of(c.word(1))) : at(c, node);
    }
    return "";
  }

  std::string at(const Command& c, NodeId node) {
    World& w = *world_;
    const std::string& verb = c.verb();
    if (verb == "stand") {
      w.stand(node);
    } else if (verb == "propose") {
      for (const std::string& value : split(c.text("value"))) {
        if (!w.propose(node, value)) {
          return "refused\n";
        }
      }
    } else if (verb == "change") {
      change(c, node);
    } else if (verb == "read") {
      w.read(node, static_cast<std::uint64_t>(c.number("token", 1)));
    } else if (verb == "hand-over") {
      w.hand_over(node);
    } else if (verb == "flush") {
      return w.flush(node, static_cast<std::size_t>(c.number("count", 1000))) ? "" : "nothing\n";
    } else if (verb == "crash") {
      w.crash(node);
    } else if (verb == "restart") {
      w.restart(node);
    } else if (verb == "wipe") {
      w.wipe(node);
    } else if (verb == "remember") {
      w.remember(node);
    } else if (verb == "doubt") {
      w.doubt(node, c.has("torn"));
    } else if (verb == "reboot") {
      w.reboot(node, static_cast<std::size_t>(c.number("lost", 0)));
    } else if (verb == "refused") {
      w.refuse(node);
    } else if (verb == "lease") {
      w.set_lease(node, Duration::millis(c.number("ms", 0)));
    } else if (verb == "trim") {
      w.trim(node, Slot(static_cast<std::uint64_t>(c.number("through", 0))));
    } else if (verb == "disk") {
      return disk(node);
    } else {
      return "what is '" + verb + "'?\n";
    }
    return "";
  }

  void change(const Command& c, NodeId node) {
    std::vector<Member> members;
    for (const std::string& id : split(c.text("to"))) {
      const std::vector<std::string> observers = split(c.text("observers"));
      Member member;
      member.node = NodeId(static_cast<std::uint32_t>(std::stoul(id)));
      member.observer = std::count(observers.begin(), observers.end(), id) != 0;
      members.push_back(member);
    }
    world_->change(node, std::move(members));
  }

  std::string between(const Command& c, NodeId a, NodeId b) {
    World& w = *world_;
    if (c.verb() == "deliver") {
      for (std::int64_t i = 0; i < c.number("count", 1); ++i) {
        if (!w.deliver(a, b)) {
          return "nothing\n";
        }
      }
    } else if (c.verb() == "drop") {
      w.drop(a, b);
    } else if (c.verb() == "cut") {
      w.cut(a, b);
    } else if (c.verb() == "heal") {
      w.heal(a, b);
    } else if (c.verb() == "reconnect") {
      w.reconnect(a, b);
    } else {
      return "what is '" + c.verb() + "'?\n";
    }
    return "";
  }

  std::string show() const {
    std::ostringstream out;
    for (NodeId node : world_->nodes()) {
      out << 'n' << node << ": ";
      world_->running(node) ? out << world_->core(node) : out << "down";
      out << '\n';
    }
    return out.str();
  }

  std::string applied() const {
    std::ostringstream out;
    for (NodeId node : world_->nodes()) {
      out << 'n' << node << ':';
      for (const std::string& value : world_->applied(node)) {
        out << ' ' << (value.empty() ? "." : value);
      }
      out << '\n';
    }
    return out.str();
  }

  std::string disk(NodeId node) const {
    const Journal::State& state = world_->journal(node).durable();
    std::ostringstream out;
    out << "promised=" << state.promised << " adopted=" << state.adopted << " log:";
    Slot slot = state.base;
    if (slot != Slot(0)) {
      out << " snapshot-through=" << slot;
    }
    for (const Journal::Shown& shown : state.log) {
      slot = slot.next();
      out << ' ' << slot << '=' << shown.entry;
    }
    if (!state.staged.empty()) {
      out << " staged " << state.staged_ballot << ": " << state.staged.size() << " after "
          << state.staged_keep;
    }
    if (state.lease > Duration()) {
      out << " lease=" << state.lease.millis();
    }
    out << '\n';
    return out.str();
  }

  std::optional<World> world_;
};

TEST(PaxosScripts, all) {
  script::run_scripts(std::string(SYNOD_SOURCE_DIR) + "/testdata",
                      [] { return std::make_unique<Handler>(); });
}

}  // namespace
}  // namespace synod::paxos::testing
