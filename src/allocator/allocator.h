// Who is offered what: hierarchical dominant resource fairness, incrementally.
//
// An agent with something to give stands in a queue; a turn takes agents from it, one after the
// other, and gives all that is free on each to the first framework in the order of fairness that
// may and would have it. Subscriptions and revivals put every such agent into the queue; they are
// merged into one round, and a round is cut into turns of bounded length.
//
// Source      Ghodsi et al. (NSDI 2011); Mesos 1.11's hierarchical allocator (mesos.md 10,
//             allocator-behaviours.md); docs/design.md, section 6.
// Invariants  A1 on each agent: total = free + held, unless more is held than there is: then free
//                is nothing and nobody is offered it.
//             A2 the amounts in the role tree are those held, summed over the agents.
//             A3 an agent is offerable if and only if it is active, not over-committed, and at
//                least one minimum offer is free.
//             A4 nobody is offered again within the allocation interval what it declined.
//             A5 with an empty queue and no round under way the only thing to wait for is the
//                earliest end of a filter: an idle allocator does nothing.
// Purity      Same options and events, same effects.
// Threads     Confined to the owning Lane.
// Memory      O(agents + frameworks x their roles + holdings + filters).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "allocator/amounts.h"
#include "allocator/events.h"
#include "allocator/explain.h"
#include "allocator/role_tree.h"
#include "base/lookup.h"

namespace synod::allocator {

enum class Mode {
  incremental,  // at once, with freed resources gathered for a moment
  interval,     // as Mesos: a round every interval, and on subscriptions, revivals, new agents
};

struct Options {
  Mode mode = Mode::incremental;
  Duration allocation_interval = Duration::seconds(1);
  // How long freed resources wait for more of them; incremental mode only.
  Duration gather = Duration::millis(10);
  // An offer has at least one of these; empty: anything will do.
  std::vector<resources::Quantities> min_allocatable = {{{"cpus", 10}}, {{"mem", 32'000}}};
  // Names that count in no share (--fair_sharing_excluded_resource_names).
  std::set<std::string> fair_sharing_excluded;
  // GPU agents are hidden from frameworks without GPU_RESOURCES.
  bool filter_gpu_resources = true;
  // A turn ends after so many agents, or after the agent with which it has asked so many
  // frameworks.
  std::size_t agents_per_turn = 64;
  std::size_t visits_per_turn = 4096;
};

class Allocator {
 public:
  explicit Allocator(Options options);

  void step(const Event& event, Effects& effects);

  // Pure question: would this shape find a place for the framework in the role, and if not, why?
  // What is on offer, to whomever, counts as free. O(agents).
  Explanation explain(FrameworkKey framework, const std::string& role, const Shape& shape,
                      const OnOffer& on_offer) const;

  // What is free there; nullptr if the agent is unknown.
  const Resources* free(AgentKey agent) const;
  // Weighted dominant share of a role, 2^40 is all. 0 if unknown.
  std::uint64_t share_of(const std::string& role) const { return tree_.share_of(role); }
  // Filters alive, over all roles.
  std::size_t filters() const { return filter_ends_.size(); }
  std::size_t roles() const { return tree_.size(); }

  struct Stats {
    std::uint64_t turns = 0;
    std::uint64_t rounds = 0;
    std::uint64_t agents_visited = 0;
    std::uint64_t frameworks_visited = 0;
    std::uint64_t allocations = 0;
  };
  const Stats& stats() const { return stats_; }

  std::uint64_t digest() const;
  // Empty if A1 to A3 hold, else the first broken one in words.
  std::string check() const;

 private:
  struct FilterEnd {
    Instant end;
    std::uint64_t client_id = 0;
    AgentKey agent;
    Client* client = nullptr;  // outlives the filter

    friend bool operator<(const FilterEnd& a, const FilterEnd& b) {
      return std::tie(a.end, a.client_id, a.agent) < std::tie(b.end, b.client_id, b.agent);
    }
  };
  struct Framework {
    AddFramework info;
    std::map<std::string, Client*> roles;
  };
  struct Holding {
    Client* client = nullptr;  // outlives it
    Resources amount;
  };
  struct Agent {
    std::string name;
    Resources total;
    Resources held;
    Resources free;
    Amounts free_amounts;
    // The scalar names of its total and of what is held on it, each held once in the name table.
    std::vector<std::pair<std::string, Kind>> kinds;
    std::map<std::uint64_t, Holding> holdings;     // by client id
    std::map<std::uint64_t, Client*> filtered_by;  // by client id
    std::shared_ptr<const Resources> last_refused;
    std::uint64_t growth = 1;  // how often something became free
    bool active = true;
    bool over_committed = false;
    // Everything free may go to anybody: nothing reserved, revocable or shared.
    bool plain = true;
    bool has_gpus = false;
  };

  // allocator.cc: events
  void on(const AddFramework& event);
  void on(const UpdateFramework& event);
  void on(const RemoveFramework& event);
  void on(const SetFrameworkActive& event);
  void on(const AddAgent& event);
  void on(const UpdateAgent& event);
  void on(const RemoveAgent& event);
  void on(const SetAgentActive& event);
  void on(const Found& event);
  void on(const Recover& event);
  void on(const Suppress& event);
  void on(const Revive& event);
  void on(const SetWeight& event);
  void on(const Wake& event);
  void on(const Turn& event);
  Framework& framework(FrameworkKey key);
  Agent& agent(AgentKey key);
  Client& client(Framework& framework, const std::string& role);
  std::vector<Client*> clients(Framework& framework, const std::vector<std::string>& roles);
  void update_activity(const Framework& framework, Client& client);
  bool drop_if_unused(Client& client);
  Amounts amounts_of(Agent& agent, const Resources& amount);
  void drop_kinds(Agent& agent);
  void hold(Agent& agent, const Held& held);
  void set_total(Agent& agent, const Resources& total);
  void recompute_free(AgentKey key, Agent& agent);
  void free_changed(AgentKey key, Agent& agent);

  // rounds.cc: the queue, rounds and turns
  void queue(AgentKey key);
  void queue_round();
  void finish_step();
  bool due() const;
  std::optional<AgentKey> next_agent();
  std::size_t allocate(AgentKey key);
  bool may_take_all(const Agent& agent, const Client& client) const;
  Resources part_for(const Agent& agent, const Client& client, const Resources& free) const;
  // `whole`: it was all that is free.
  void give(AgentKey key, Agent& agent, Client& client, Resources amount, bool whole);
  bool is_allocatable(const Amounts& amounts) const;
  Amounts amounts_known(const Agent& agent, const Resources& amount) const;
  void expire_filters();

  // filters.cc
  void add_filter(Client& client, AgentKey key, Agent& agent, const Resources& refused,
                  Duration refuse);
  void drop_filters(Client& client, AgentKey key);
  void drop_filters(Client& client);
  void drop_filters_on(AgentKey key, Agent& agent);
  bool is_filtered(const Client& client, AgentKey key, const Agent& agent,
                   const Resources& candidate) const;

  Options options_;
  resources::NameTable kinds_;
  std::vector<Amounts> min_allocatable_;
  RoleTree tree_;
  std::map<FrameworkKey, Framework> frameworks_;
  std::map<AgentKey, Agent> agents_;

  std::set<AgentKey> offerable_;
  // Agents to look at: at once, or when the gathering ends.
  std::set<AgentKey> queue_;
  std::set<AgentKey> gathering_;
  Instant gather_end_ = Instant::max();
  // A round goes over offerable_ from its cursor, around, to where it was asked for.
  bool round_ = false;
  bool round_wrapped_ = false;
  AgentKey round_cursor_;
  AgentKey round_stop_;
  Instant round_start_;
  Instant next_interval_ = Instant::max();  // interval mode
  std::set<FilterEnd> filter_ends_;

  bool continue_asked_ = false;
  Instant wake_asked_ = Instant::max();
  Stats stats_;

  Instant now_;
  Effects* effects_ = nullptr;
};

}  // namespace synod::allocator
