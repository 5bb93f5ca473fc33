// Exhaustive exploration: every order of deliveries, flushes, crashes and elections of three nodes
// within a budget, from the first ballot on. In every state the promises of README.md and each
// core's own invariants are checked.
//
// The first to stand is n1, and n2 stands before n3 does: the rest is the same with other names.
// Visited states are known by 64 bits of hash: with 10^8 of them, the chance that one was taken for
// another is about one in 4,000.
#include <gtest/gtest.h>

#include <cstdio>

#include "base/check.h"
#include "base/checksum.h"
#include "paxos/solo_test.h"

namespace synod::paxos::testing {
namespace {

struct Budget {
  int ballots = 3;
  int slots = 3;  // any leader may propose until its log is so long
  int crashes = 1;
};

// Hashes by open addressing: eight bytes a state, where a node-based set takes forty.
class HashSet {
 public:
  // False if it was there.
  bool insert(std::uint64_t hash) {
    if (size_ * 3 >= slots_.size() * 2) {
      grow();
    }
    const bool fresh = place(hash + (hash == 0 ? 1 : 0));
    size_ += fresh ? 1 : 0;
    return fresh;
  }
  std::size_t size() const { return size_; }

 private:
  bool place(std::uint64_t hash) {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = hash & mask;
    for (; slots_[at] != 0; at = (at + 1) & mask) {
      if (slots_[at] == hash) {
        return false;
      }
    }
    slots_[at] = hash;
    return true;
  }
  void grow() {
    std::vector<std::uint64_t> old(slots_.empty() ? 1024 : slots_.size() * 2, 0);
    old.swap(slots_);
    for (std::uint64_t hash : old) {
      if (hash != 0) {
        place(hash);
      }
    }
  }

  std::vector<std::uint64_t> slots_;
  std::size_t size_ = 0;
};

struct Link {
  std::uint8_t size = 0;
  std::array<std::uint32_t, 11> messages{};

  void push(std::uint32_t message) {
    SYNOD_CHECK(size < messages.size());
    messages[size++] = message;
  }
  std::uint32_t pop() {
    const std::uint32_t first = messages[0];
    std::copy(messages.begin() + 1, messages.begin() + size, messages.begin());
    --size;
    return first;
  }
};

constexpr std::size_t count = Nodes::count;

// All three, and what is under way between them.
struct Place {
  std::array<std::uint32_t, count> nodes{};
  std::array<std::array<Link, count>, count> links{};  // [from][to]
  std::uint8_t ballots = 0;
  std::uint8_t crashes = 0;

  std::uint64_t digest() const {
    std::uint64_t h = hash_mix(ballots, crashes);
    for (std::size_t a = 0; a < count; ++a) {
      h = hash_mix(h, nodes[a]);
      for (std::size_t b = 0; b < count; ++b) {
        const Link& link = links[a][b];
        h = a == b ? h : hash_mix(h, link.size);
        for (std::size_t i = 0; i < link.size; ++i) {
          h = hash_mix(h, link.messages[i]);
        }
      }
    }
    return h;
  }
};

struct Step {
  std::size_t node = 0;
  Act act;
};

struct Found {
  std::size_t states = 0;
  std::string verdict;  // of the first bad state
  std::string path;     // to it
};

class Explorer {
 public:
  Explorer(const Budget& budget, PlantedBug planted) : budget_(budget), nodes_(planted) {
    Place start;
    for (std::size_t node = 0; node < count; ++node) {
      start.nodes[node] = nodes_.first(node);
    }
    visit(start, Step{}, 0);
    while (!open_.empty() && found_.verdict.empty()) {
      const Open next = open_.back();
      open_.pop_back();
      trail_.resize(next.depth);
      trail_.push_back(next.step);
      expand(next.place);
    }
    found_.states = seen_.size();
  }

  const Found& found() const { return found_; }
  const Nodes& nodes() const { return nodes_; }

 private:
  struct Open {
    Place place;
    Step step;  // by which it was reached
    std::size_t depth = 0;
  };

  const Brief& brief(const Place& place, std::size_t node) const {
    return nodes_.brief(place.nodes[node]);
  }

  // A node that waits for its disk need not hear anything meanwhile: what it does does not depend
  // on the flush, and a crash before the flush loses the same as one before the message. Except for
  // a leader, whose Accepts are out before its own record is durable.
  bool may_hear(const Place& place, std::size_t node) const {
    return brief(place, node).unflushed == 0 || brief(place, node).role == Role::leader;
  }

  void visit(const Place& place, const Step& step, std::size_t depth) {
    if (!found_.verdict.empty()) {
      return;
    }
    bool waits = false;
    for (std::size_t node = 0; node < count; ++node) {
      waits = waits || !may_hear(place, node);
    }
    if (!waits) {
      if (!seen_.insert(place.digest())) {
        return;
      }
      if (seen_.size() % 10'000'000 == 0) {
        std::printf("%zu million states, %zu open\n", seen_.size() / 1'000'000, open_.size());
        std::fflush(stdout);
      }
      check(place);
    }
    if (!nodes_.verdict().empty()) {
      found_.verdict = nodes_.verdict();
    }
    open_.push_back(Open{place, step, depth});
    if (!found_.verdict.empty()) {
      tell(step);
    }
  }

  void tell(const Step& last) {
    trail_.resize(std::max<std::size_t>(trail_.size(), 1));
    trail_.push_back(last);
    for (std::size_t i = 1; i < trail_.size(); ++i) {
      found_.path +=
          "  n" + std::to_string(trail_[i].node + 1) + " " + nodes_.describe(trail_[i].act) + "\n";
    }
  }

  void expand(const Place& place) {
    for (std::size_t node = 0; node < count; ++node) {
      if (!may_hear(place, node)) {
        go(place, node, Act{Act::Kind::flush, 0, 0});
        crash(place, node, 1);
        return;
      }
    }
    for (std::size_t node = 0; node < count; ++node) {
      const Brief& at = brief(place, node);
      if (place.ballots < budget_.ballots && may_stand(place, node)) {
        go(place, node, Act{Act::Kind::stand, 0, 0});
      }
      if (at.can_propose && at.last.value() < static_cast<std::uint64_t>(budget_.slots)) {
        go(place, node, Act{Act::Kind::propose, 0, 0});
      }
      if (at.unflushed > 0) {
        go(place, node, Act{Act::Kind::flush, 0, 0});
      }
      crash(place, node, 0);
      for (std::size_t from = 0; from < count; ++from) {
        const Link& link = place.links[from][node];
        if (link.size > 0) {
          go(place, node,
             Act{Act::Kind::deliver, static_cast<std::uint8_t>(from), link.messages[0]});
        }
      }
    }
  }

  bool may_stand(const Place& place, std::size_t node) const {
    const Role role = brief(place, node).role;
    return role != Role::leader && role != Role::candidate && node <= place.ballots;
  }

  // With some of the waiting records on the disk already, though nobody heard of it. With all of
  // them it would be a flush and then a crash; with none, where it waits for its disk before it
  // hears anything, a crash before what it wrote about.
  void crash(const Place& place, std::size_t node, std::size_t kept) {
    const std::size_t unflushed = brief(place, node).unflushed;
    for (; place.crashes < budget_.crashes && (kept == 0 || kept < unflushed); ++kept) {
      go(place, node, Act{Act::Kind::restart, static_cast<std::uint8_t>(kept), 0});
    }
  }

  void go(const Place& from, std::size_t node, const Act& act) {
    Place to = from;
    if (act.kind == Act::Kind::deliver) {
      to.links[act.node][node].pop();
    }
    if (act.kind == Act::Kind::stand) {
      ++to.ballots;
    }
    play(to, node, act);
    if (act.kind == Act::Kind::restart) {
      ++to.crashes;
      reconnect(to, node);
    }
    drop_stale(to);
    visit(to, Step{node, act}, trail_.size());
  }

  void play(Place& place, std::size_t node, const Act& act) {
    const Outcome& outcome = nodes_.act(place.nodes[node], act);
    place.nodes[node] = outcome.state;
    for (const Said& said : outcome.said) {
      place.links[node][said.to].push(said.message);
    }
  }

  void reconnect(Place& place, std::size_t node) {
    for (std::size_t other = 0; other < count; ++other) {
      place.links[node][other].size = place.links[other][node].size = 0;
      if (other != node) {
        play(place, node, Act{Act::Kind::link_up, static_cast<std::uint8_t>(other), 0});
        play(place, other, Act{Act::Kind::link_up, static_cast<std::uint8_t>(node), 0});
      }
    }
  }

  // Messages that can change nothing any more do not tell states apart.
  void drop_stale(Place& place) {
    for (std::size_t from = 0; from < count; ++from) {
      for (std::size_t to = 0; to < count; ++to) {
        Link& link = place.links[from][to];
        while (link.size > 0 && nodes_.stale(link.messages[0], place.nodes[to])) {
          link.pop();
        }
      }
    }
  }

  // ---- the promises, which are about what the three disks hold and have held

  void check(const Place& place) {
    std::uint64_t h = 0;
    for (std::uint32_t state : place.nodes) {
      h = hash_mix(h, state);
    }
    if (checked_.insert(h)) {
      const std::vector<Chain> chosen = chosen_of(place);
      check_proposals(chosen);
      check_delivered(place, chosen);
      check_quorums(place, chosen);
    }
  }

  void blame(const std::string& what) {
    if (found_.verdict.empty()) {
      found_.verdict = what;
    }
  }

  // By slot, from 1: what two of three have voted for in one ballot.
  std::vector<Chain> chosen_of(const Place& place) {
    std::map<Vote, int> votes;
    for (std::uint32_t state : place.nodes) {
      for (const Vote& vote : nodes_.votes(state)) {
        ++votes[vote];
      }
    }
    std::map<Slot, Chain> by_slot;
    for (const auto& [vote, times] : votes) {
      if (times > 1 && by_slot.emplace(vote.slot, vote.chain).first->second != vote.chain) {
        blame("two values are chosen for slot " + std::to_string(vote.slot.value()));
      }
    }
    std::vector<Chain> chosen;
    for (const auto& [slot, chain] : by_slot) {
      if (slot.value() != chosen.size() + 1 || nodes_.before(chain) != last_of(chosen)) {
        blame("slot " + std::to_string(slot.value()) + " follows another history");
      }
      chosen.push_back(chain);
    }
    return chosen;
  }

  static Chain last_of(const std::vector<Chain>& chosen) {
    return chosen.empty() ? Chain(0) : chosen.back();
  }

  void check_proposals(const std::vector<Chain>& chosen) {
    for (Chain chain : chosen) {
      if (!nodes_.as_proposed(chain)) {
        blame("a value is chosen after another log than it was proposed for");
      }
    }
  }

  void check_delivered(const Place& place, const std::vector<Chain>& chosen) {
    for (std::size_t node = 0; node < count; ++node) {
      const Brief& at = brief(place, node);
      const std::size_t through = at.chosen.value();
      if (through > chosen.size()) {
        blame("n" + std::to_string(node + 1) + " delivers what is not chosen");
      } else if (through > 0 && at.chosen_chain != chosen[through - 1]) {
        blame("n" + std::to_string(node + 1) + " delivers another value than was chosen");
      }
    }
  }

  // The newest log of any two must have all that is chosen.
  void check_quorums(const Place& place, const std::vector<Chain>& chosen) {
    for (std::size_t a = 0; a < count && !chosen.empty(); ++a) {
      const Disk& one = nodes_.disk(place.nodes[a]);
      const Disk& two = nodes_.disk(place.nodes[(a + 1) % count]);
      const bool newer =
          std::pair(one.adopted, one.log.size()) > std::pair(two.adopted, two.log.size());
      const std::vector<Chain>& newest = newer ? one.log : two.log;
      const Slot last(chosen.size());
      if (newest.size() < chosen.size() || newest[chosen.size() - 1] != chosen.back()) {
        blame("slot " + std::to_string(last.value()) +
              " was chosen and the newest log of a quorum does not have it");
      }
    }
  }

  Budget budget_;
  Nodes nodes_;
  std::vector<Open> open_;
  std::vector<Step> trail_;
  HashSet seen_;
  HashSet checked_;
  Found found_;
};

Found explore(const Budget& budget, PlantedBug planted) {
  const Explorer explorer(budget, planted);
  const Found& found = explorer.found();
  std::printf("explored 3 nodes, %d ballots, %d slots, %d crashes: %zu states (%zu of a node)%s\n",
              budget.ballots, budget.slots, budget.crashes, found.states, explorer.nodes().states(),
              found.verdict.empty() ? ", all there are" : "");
  if (!found.verdict.empty()) {
    std::printf("  found: %s\n  by:\n%s", found.verdict.c_str(), found.path.c_str());
  }
  std::fflush(stdout);
  return found;
}

#ifdef __OPTIMIZE__
constexpr bool thorough = true;
#else
constexpr bool thorough = false;
#endif

TEST(PaxosExplore, every_order_keeps_the_promises) {
  std::vector<Budget> budgets{{1, 3, 1}, {2, 1, 1}, {3, 0, 1}};
  if (thorough) {
    budgets.insert(budgets.end(), {{1, 3, 2}, {2, 3, 1}, {3, 1, 1}});
  }
  for (const Budget& budget : budgets) {
    const Found found = explore(budget, PlantedBug::none);
    EXPECT_EQ(found.verdict, "") << found.path;
  }
}

// All of it takes minutes and gigabytes: ./dev sim --explore
TEST(PaxosExplore, DISABLED_three_ballots_three_slots_with_a_crash) {
  const Found found = explore({3, 3, 1}, PlantedBug::none);
  EXPECT_EQ(found.verdict, "") << found.path;
}

TEST(PaxosExplore, planted_bugs_are_found) {
  for (PlantedBug bug : {PlantedBug::answer_before_flush, PlantedBug::count_leader_at_send}) {
    EXPECT_NE(explore({1, 1, 1}, bug).verdict, "");
  }
  EXPECT_NE(explore({3, 3, 1}, PlantedBug::mix_histories).verdict, "");
}

}  // namespace
}  // namespace synod::paxos::testing
