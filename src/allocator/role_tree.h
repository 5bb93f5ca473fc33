// The order in which roles, and the frameworks in them, are offered things: hierarchical dominant
// resource fairness.
//
// Source      Ghodsi et al., "Dominant Resource Fairness" (NSDI 2011), section 4; the hierarchy as
//             in Mesos' sorters (mesos.md 10.2): children of a node by weighted share, then by the
//             number of allocations ever made, then by name; a role with frameworks of its own
//             competes with its children as one more child, of weight 1.
// Invariants  T1 a node's amounts are the sums of its clients' and its children's.
//             T2 the order of a node holds exactly those children with an active client below them,
//                and itself if it has an active client of its own; keys are those of this moment's
//                amounts and totals once refresh() was called.
//             T3 a node exists while it has a client, a child or a weight.
// Purity      Shares are floor(allocated * 2^40 / total), computed in 128 bits, times 1000 over the
//             weight in thousandths. No floating point, no string work but to break a tie of roles.
// Memory      O(roles + clients). Nothing is kept for pairs of role and agent.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "allocator/amounts.h"
#include "allocator/events.h"

namespace synod::allocator {

struct Node;

// A framework's refusal, in one role, of what is free on one agent.
struct Filter {
  Instant end;
  // Shared by all that refused the same, since a pool of many frameworks refuses alike.
  std::shared_ptr<const Resources> refused;
  // While the agent's growth is this, what is free on it is contained in `refused`.
  std::uint64_t covers_growth = 0;
};

// A framework in a role. Its address stays the same as long as it exists.
struct Client {
  std::uint64_t id = 0;  // never reused
  FrameworkKey framework;
  Node* node = nullptr;  // its role; outlives it
  Amounts amounts;
  std::uint64_t allocations = 0;   // ever made
  std::uint64_t placed_share = 0;  // the keys under which it stands in the order
  std::uint64_t placed_allocations = 0;
  bool active = false;
  bool placed = false;  // stands in the order

  // The allocator's; the tree only keeps them.
  const AddFramework* info = nullptr;
  bool subscribed = false;  // false: it only holds something still
  bool suppressed = false;
  std::size_t holdings = 0;                         // on how many agents
  std::map<AgentKey, std::vector<Filter>> filters;  // never an empty vector
};

// One role: top-level ones are children of the root, whose path is "".
struct Node {
  // A child in the order, or the node itself as a child of its own ("a/.").
  struct Entry {
    std::uint64_t share = 0;
    std::uint64_t allocations = 0;
    Node* node = nullptr;
    bool self = false;

    friend bool operator<(const Entry& a, const Entry& b) {
      if (a.share != b.share) {
        return a.share < b.share;
      }
      if (a.allocations != b.allocations) {
        return a.allocations < b.allocations;
      }
      // As texts: "a/." before "a/b".
      return a.self != b.self ? a.self : a.node->path < b.node->path;
    }
  };
  struct ClientEntry {
    std::uint64_t share = 0;
    std::uint64_t allocations = 0;
    FrameworkKey framework;
    Client* client = nullptr;

    friend bool operator<(const ClientEntry& a, const ClientEntry& b) {
      if (a.share != b.share) {
        return a.share < b.share;
      }
      return a.allocations != b.allocations ? a.allocations < b.allocations
                                            : a.framework < b.framework;
    }
  };

  std::string path;
  Node* parent = nullptr;  // nullptr: the root
  Milli weight = 1000;
  Amounts amounts;  // of the whole subtree
  Amounts own;      // of its clients
  std::uint64_t allocations = 0;
  std::uint64_t own_allocations = 0;
  std::size_t active_clients = 0;                                      // its own
  std::size_t active_clients_below = 0;                                // with its own
  std::map<std::string, std::unique_ptr<Node>, std::less<>> children;  // by last component
  std::map<FrameworkKey, std::unique_ptr<Client>> clients;
  std::set<Entry> order;
  std::set<ClientEntry> client_order;
  // The keys under which it stands in its parent's order, and in its own.
  Entry placed;
  Entry placed_self;
};

class RoleTree {
 public:
  // `excluded` kinds do not count in any share.
  explicit RoleTree(std::set<Kind> excluded);

  // The client of the role, made if absent (inactive).
  Client& client(std::string_view role, FrameworkKey framework);
  // nullptr if absent.
  Client* find(std::string_view role, FrameworkKey framework);
  const Client* find(std::string_view role, FrameworkKey framework) const;
  // Precondition: it is inactive and holds nothing.
  void remove(Client& client);

  void set_active(Client& client, bool active);
  void set_weight(std::string_view role, Milli weight);
  // Keys are not brought up to date before refresh().
  void add_total(const Amounts& amounts);
  void subtract_total(const Amounts& amounts);
  const Amounts& total() const { return total_; }

  // One allocation made; counts.
  void allocated(Client& client, const Amounts& amounts);
  // Held without an offer: does not count as an allocation.
  void found(Client& client, const Amounts& amounts);
  void released(Client& client, const Amounts& amounts);

  // Brings every key up to date after a change of totals; O(active clients), at once if nothing
  // changed.
  void refresh();

  // Calls visit(client) for each active client in order until it answers false.
  // The tree must not be changed meanwhile.
  template <typename Visit>
  void walk(Visit visit) const {
    struct Level {
      const Node* node;
      std::set<Node::Entry>::const_iterator next;
    };
    std::vector<Level> levels{{&root_, root_.order.begin()}};
    while (!levels.empty()) {
      Level& level = levels.back();
      if (level.next == level.node->order.end()) {
        levels.pop_back();
        continue;
      }
      const Node::Entry& entry = *level.next++;
      // A role without children of its own needs no level to list itself.
      if (!entry.self && entry.node->active_clients != entry.node->active_clients_below) {
        levels.push_back({entry.node, entry.node->order.begin()});
        continue;
      }
      for (const Node::ClientEntry& client : entry.node->client_order) {
        if (!visit(*client.client)) {
          return;
        }
      }
    }
  }

  // The weighted share of a role's subtree, 2^40 is all of one resource. 0 if unknown.
  std::uint64_t share_of(std::string_view role) const;
  // Roles in existence, for checks and metrics.
  std::size_t size() const { return nodes_; }
  const Node& root() const { return root_; }
  std::string check() const;

 private:
  Node& node(std::string_view role);
  Node* find_node(std::string_view role) const;
  void drop_if_unused(Node* node);
  std::uint64_t share(const Amounts& amounts, Milli weight) const;
  template <typename Entry>
  static void move_entry(std::set<Entry>& order, const Entry& from, const Entry& to);
  static void replace_entry(std::set<Node::Entry>& order, Node::Entry& placed,
                            const Node::Entry& now);
  void place(Client& client);
  void place(Node& node);
  void place_self(Node& node);
  void refresh(Node& node);
  enum class Change { allocated, found, released };
  void change(Client& client, const Amounts& amounts, Change how);

  std::set<Kind> excluded_;
  Amounts total_;
  bool stale_ = false;
  Node root_;
  std::size_t nodes_ = 0;
  std::uint64_t clients_made_ = 0;
};

}  // namespace synod::allocator
