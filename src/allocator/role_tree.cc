#include "allocator/role_tree.h"

#include <algorithm>

#include "base/check.h"

namespace synod::allocator {
namespace {

// The next component of a path; the rest stays in `path`.
std::string_view next_component(std::string_view& path) {
  const std::size_t slash = path.find('/');
  const std::string_view head = path.substr(0, slash);
  path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  return head;
}

}  // namespace

RoleTree::RoleTree(std::set<Kind> excluded) : excluded_(std::move(excluded)) {}

Node& RoleTree::node(std::string_view role) {
  Node* at = &root_;
  for (std::string_view rest = role; !rest.empty();) {
    const std::string_view component = next_component(rest);
    auto it = at->children.find(component);
    if (it == at->children.end()) {
      auto made = std::make_unique<Node>();
      made->path = at == &root_ ? std::string(component) : at->path + "/" + std::string(component);
      made->parent = at;
      it = at->children.emplace(std::string(component), std::move(made)).first;
      ++nodes_;
    }
    at = it->second.get();
  }
  return *at;
}

Node* RoleTree::find_node(std::string_view role) const {
  const Node* at = &root_;
  for (std::string_view rest = role; !rest.empty();) {
    const auto it = at->children.find(next_component(rest));
    if (it == at->children.end()) {
      return nullptr;
    }
    at = it->second.get();
  }
  return const_cast<Node*>(at);
}

Client& RoleTree::client(std::string_view role, FrameworkKey framework) {
  Node& home = node(role);
  std::unique_ptr<Client>& slot = home.clients[framework];
  if (!slot) {
    slot = std::make_unique<Client>();
    slot->id = ++clients_made_;
    slot->framework = framework;
    slot->node = &home;
  }
  return *slot;
}

const Client* RoleTree::find(std::string_view role, FrameworkKey framework) const {
  const Node* home = find_node(role);
  if (home == nullptr) {
    return nullptr;
  }
  const auto it = home->clients.find(framework);
  return it == home->clients.end() ? nullptr : it->second.get();
}

Client* RoleTree::find(std::string_view role, FrameworkKey framework) {
  return const_cast<Client*>(std::as_const(*this).find(role, framework));
}

void RoleTree::remove(Client& client) {
  SYNOD_CHECK(!client.active);
  SYNOD_CHECK(client.amounts.empty());
  Node* home = client.node;
  home->clients.erase(client.framework);
  drop_if_unused(home);
}

void RoleTree::drop_if_unused(Node* node) {
  while (node->parent != nullptr && node->clients.empty() && node->children.empty() &&
         node->weight == 1000) {
    SYNOD_CHECK(node->active_clients_below == 0);
    Node* parent = node->parent;
    const std::size_t slash = node->path.rfind('/');
    parent->children.erase(slash == std::string::npos ? node->path : node->path.substr(slash + 1));
    --nodes_;
    node = parent;
  }
}

std::uint64_t RoleTree::share(const Amounts& amounts, Milli weight) const {
  __extension__ using Wide = unsigned __int128;
  Wide dominant = 0;
  for (const Amounts::Item& item : amounts.items()) {
    const Milli total = total_.of(item.kind);
    if (total > 0 && !excluded_.contains(item.kind)) {
      const Wide part = (static_cast<Wide>(item.amount) << 40) / static_cast<Wide>(total);
      dominant = std::max(dominant, part);
    }
  }
  const Wide weighted = dominant * 1000 / static_cast<Wide>(weight);
  return weighted > UINT64_MAX ? UINT64_MAX : static_cast<std::uint64_t>(weighted);
}

// Moves an entry to where it belongs now; its place in memory stays, and so does all when its keys
// are the old ones.
template <typename Entry>
void RoleTree::move_entry(std::set<Entry>& order, const Entry& from, const Entry& to) {
  if (from.share == to.share && from.allocations == to.allocations) {
    return;
  }
  auto entry = order.extract(from);
  entry.value() = to;
  order.insert(std::move(entry));
}

void RoleTree::place(Client& client) {
  Node& home = *client.node;
  const Node::ClientEntry before{client.placed_share, client.placed_allocations, client.framework,
                                 &client};
  if (!client.active) {
    home.client_order.erase(before);
    client.placed = false;
    return;
  }
  client.placed_share = share(client.amounts, 1000);
  client.placed_allocations = client.allocations;
  const Node::ClientEntry now{client.placed_share, client.placed_allocations, client.framework,
                              &client};
  if (client.placed) {
    move_entry(home.client_order, before, now);
  } else {
    home.client_order.insert(now);
    client.placed = true;
  }
}

// Entries without a node stand nowhere.
void RoleTree::replace_entry(std::set<Node::Entry>& order, Node::Entry& placed,
                             const Node::Entry& now) {
  if (placed.node != nullptr && now.node != nullptr) {
    move_entry(order, placed, now);
  } else if (placed.node != nullptr) {
    order.erase(placed);
  } else if (now.node != nullptr) {
    order.insert(now);
  }
  placed = now;
}

void RoleTree::place_self(Node& node) {
  Node::Entry now;
  if (node.active_clients > 0) {
    now = {share(node.own, 1000), node.own_allocations, &node, true};
  }
  replace_entry(node.order, node.placed_self, now);
}

void RoleTree::place(Node& node) {
  if (node.parent == nullptr) {
    return;
  }
  Node::Entry now;
  if (node.active_clients_below > 0) {
    now = {share(node.amounts, node.weight), node.allocations, &node, false};
  }
  replace_entry(node.parent->order, node.placed, now);
}

void RoleTree::set_active(Client& client, bool active) {
  if (client.active == active) {
    return;
  }
  client.active = active;
  place(client);
  client.node->active_clients += active ? 1 : std::size_t(-1);
  place_self(*client.node);
  for (Node* node = client.node; node != nullptr; node = node->parent) {
    node->active_clients_below += active ? 1 : std::size_t(-1);
    place(*node);
  }
}

void RoleTree::set_weight(std::string_view role, Milli weight) {
  SYNOD_CHECK(weight >= 1);
  Node& changed = node(role);
  changed.weight = weight;
  place(changed);
  drop_if_unused(&changed);
}

void RoleTree::add_total(const Amounts& amounts) {
  total_.add(amounts);
  stale_ = true;
}

void RoleTree::subtract_total(const Amounts& amounts) {
  total_.subtract(amounts);
  stale_ = true;
}

void RoleTree::change(Client& client, const Amounts& amounts, Change how) {
  const auto apply = [&](Amounts& to, std::uint64_t& allocations) {
    if (how == Change::released) {
      to.subtract(amounts);
    } else {
      to.add(amounts);
    }
    allocations += how == Change::allocated ? 1 : 0;
  };
  apply(client.amounts, client.allocations);
  place(client);
  apply(client.node->own, client.node->own_allocations);
  place_self(*client.node);
  for (Node* node = client.node; node != nullptr; node = node->parent) {
    apply(node->amounts, node->allocations);
    place(*node);
  }
}

void RoleTree::allocated(Client& client, const Amounts& amounts) {
  change(client, amounts, Change::allocated);
}

void RoleTree::found(Client& client, const Amounts& amounts) {
  change(client, amounts, Change::found);
}

void RoleTree::released(Client& client, const Amounts& amounts) {
  change(client, amounts, Change::released);
}

void RoleTree::refresh() {
  if (stale_) {
    stale_ = false;
    refresh(root_);
  }
}

// Depth is bounded by resources::role_depth_max. Subtrees without active clients keep old keys:
// they stand in no order, and are given new ones when they come back.
void RoleTree::refresh(Node& node) {
  std::vector<Client*> clients;
  for (const Node::ClientEntry& entry : node.client_order) {
    clients.push_back(entry.client);
  }
  for (Client* client : clients) {
    place(*client);
  }
  std::vector<Node*> children;
  for (const Node::Entry& entry : node.order) {
    if (!entry.self) {
      children.push_back(entry.node);
    }
  }
  for (Node* child : children) {
    refresh(*child);
    place(*child);
  }
  place_self(node);
}

std::uint64_t RoleTree::share_of(std::string_view role) const {
  const Node* found = find_node(role);
  return found == nullptr ? 0 : share(found->amounts, found->weight);
}

std::string RoleTree::check() const {
  std::vector<const Node*> todo{&root_};
  std::size_t seen = 0;
  while (!todo.empty()) {
    const Node* node = todo.back();
    todo.pop_back();
    seen += node == &root_ ? 0 : 1;
    Amounts own;
    std::size_t active = 0;
    for (const auto& [key, client] : node->clients) {
      own.add(client->amounts);
      active += client->active ? 1 : 0;
    }
    Amounts all = own;
    std::size_t below = active;
    std::size_t ordered = active > 0 ? 1 : 0;
    for (const auto& [name, child] : node->children) {
      all.add(child->amounts);
      below += child->active_clients_below;
      ordered += child->active_clients_below > 0 ? 1 : 0;
      todo.push_back(child.get());
    }
    if (!(own == node->own) || !(all == node->amounts)) {
      return "T1: amounts of role '" + node->path + "' are not the sum of its parts";
    }
    if (active != node->active_clients || below != node->active_clients_below ||
        node->client_order.size() != active || node->order.size() != ordered) {
      return "T2: the order of role '" + node->path + "' lacks or invents a member";
    }
    if (node != &root_ && node->clients.empty() && node->children.empty() && node->weight == 1000) {
      return "T3: role '" + node->path + "' has no reason to exist";
    }
  }
  return seen == nodes_ ? "" : "T3: the roles are miscounted";
}

}  // namespace synod::allocator
