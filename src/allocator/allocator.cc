// Events: what changes when something is added, removed, given back, suppressed.
#include "allocator/allocator.h"

#include <algorithm>

#include "base/check.h"
#include "base/checksum.h"

namespace synod::allocator {
namespace {

std::set<Kind> acquire_all(resources::NameTable& kinds, const std::set<std::string>& names) {
  std::set<Kind> ids;
  for (const std::string& name : names) {
    ids.insert(kinds.acquire(name));
  }
  return ids;
}

bool is_plain(const Resources& resources) {
  return std::none_of(resources.begin(), resources.end(), [](const resources::Resource& r) {
    return r.is_reserved() || r.revocable || r.shared;
  });
}

}  // namespace

Allocator::Allocator(Options options)
    : options_(std::move(options)), tree_(acquire_all(kinds_, options_.fair_sharing_excluded)) {
  SYNOD_CHECK(options_.agents_per_turn > 0);
  SYNOD_CHECK(options_.allocation_interval > Duration());
  for (const resources::Quantities& minimum : options_.min_allocatable) {
    Amounts amounts;
    for (const resources::Quantity& item : minimum.items()) {
      amounts.add(kinds_.acquire(item.name), item.amount);
    }
    min_allocatable_.push_back(std::move(amounts));
  }
}

void Allocator::step(const Event& event, Effects& effects) {
  now_ = event.now;
  effects_ = &effects;
  if (options_.mode == Mode::interval && next_interval_ == Instant::max()) {
    next_interval_ = now_ + options_.allocation_interval;
  }
  std::visit([this](const auto& body) { on(body); }, event.body);
  finish_step();
  effects_ = nullptr;
}

Allocator::Framework& Allocator::framework(FrameworkKey key) {
  const auto it = frameworks_.find(key);
  SYNOD_CHECK(it != frameworks_.end());
  return it->second;
}

Allocator::Agent& Allocator::agent(AgentKey key) {
  const auto it = agents_.find(key);
  SYNOD_CHECK(it != agents_.end());
  return it->second;
}

// The framework's client in the role, made (not subscribed) if absent.
Client& Allocator::client(Framework& framework, const std::string& role) {
  Client*& slot = framework.roles[role];
  if (slot == nullptr) {
    slot = &tree_.client(role, framework.info.framework);
    slot->info = &framework.info;
  }
  return *slot;
}

std::vector<Client*> Allocator::clients(Framework& framework,
                                        const std::vector<std::string>& roles) {
  std::vector<Client*> found;
  for (const auto& [role, client] : framework.roles) {
    if (roles.empty() || std::find(roles.begin(), roles.end(), role) != roles.end()) {
      found.push_back(client);
    }
  }
  return found;
}

void Allocator::update_activity(const Framework& framework, Client& client) {
  tree_.set_active(client, framework.info.active && client.subscribed && !client.suppressed);
}

// True if the client is gone.
bool Allocator::drop_if_unused(Client& client) {
  if (client.subscribed || client.holdings > 0) {
    return false;
  }
  drop_filters(client);
  Framework& owner = framework(client.framework);
  owner.roles.erase(client.node->path);
  tree_.remove(client);
  return true;
}

void Allocator::on(const AddFramework& event) {
  const auto [it, added] = frameworks_.try_emplace(event.framework);
  SYNOD_CHECK(added);
  Framework& made = it->second;
  made.info = event;
  for (const std::string& role : event.roles) {
    Client& member = client(made, role);
    member.subscribed = true;
    member.suppressed = event.suppressed.contains(role);
    update_activity(made, member);
  }
  queue_round();
}

void Allocator::on(const UpdateFramework& event) {
  Framework& known = framework(event.framework.framework);
  known.info = event.framework;
  for (const std::string& role : event.framework.roles) {
    client(known, role);
  }
  for (Client* member : clients(known, {})) {
    const auto& roles = event.framework.roles;
    const bool subscribed =
        std::find(roles.begin(), roles.end(), member->node->path) != roles.end();
    const bool suppressed = event.framework.suppressed.contains(member->node->path);
    if (!subscribed || (member->suppressed && !suppressed) || !known.info.active) {
      drop_filters(*member);
    }
    member->subscribed = subscribed;
    member->suppressed = suppressed;
    update_activity(known, *member);
    drop_if_unused(*member);
  }
  if (options_.mode == Mode::incremental) {
    queue_round();
  }
}

void Allocator::on(const RemoveFramework& event) {
  Framework& leaving = framework(event.framework);
  for (Client* member : clients(leaving, {})) {
    SYNOD_CHECK(member->holdings == 0);
    member->subscribed = false;
    update_activity(leaving, *member);
    drop_if_unused(*member);
  }
  frameworks_.erase(event.framework);
}

void Allocator::on(const SetFrameworkActive& event) {
  Framework& known = framework(event.framework);
  if (known.info.active == event.active) {
    return;
  }
  known.info.active = event.active;
  for (Client* member : clients(known, {})) {
    drop_filters(*member);
    update_activity(known, *member);
  }
  if (event.active) {
    queue_round();
  }
}

// The scalars of `amount`; names that are new to the agent are held in the name table for it.
Amounts Allocator::amounts_of(Agent& agent, const Resources& amount) {
  Amounts amounts;
  for (const resources::Resource& item : amount) {
    if (!item.is_scalar()) {
      continue;
    }
    auto it = std::find_if(agent.kinds.begin(), agent.kinds.end(),
                           [&](const auto& known) { return known.first == item.name; });
    if (it == agent.kinds.end()) {
      it = agent.kinds.insert(it, {item.name, kinds_.acquire(item.name)});
    }
    amounts.add(it->second, item.scalar());
  }
  return amounts;
}

Amounts Allocator::amounts_known(const Agent& agent, const Resources& amount) const {
  Amounts amounts;
  for (const resources::Resource& item : amount) {
    for (const auto& [name, kind] : agent.kinds) {
      if (item.is_scalar() && name == item.name) {
        amounts.add(kind, item.scalar());
      }
    }
  }
  return amounts;
}

void Allocator::drop_kinds(Agent& agent) {
  for (const auto& [name, kind] : agent.kinds) {
    kinds_.release(kind);
  }
  agent.kinds.clear();
}

// Books what a framework holds there beside what was given to it by allocate().
void Allocator::hold(Agent& agent, const Held& held) {
  if (held.amount.empty()) {
    return;
  }
  Client& holder = client(framework(held.framework), held.role);
  const auto [it, added] = agent.holdings.try_emplace(holder.id);
  it->second.client = &holder;
  holder.holdings += added ? 1 : 0;
  it->second.amount.add(held.amount);
  agent.held.add(held.amount);
  tree_.found(holder, amounts_of(agent, held.amount));
}

// Names that neither the total nor what is held has any more are let go last, so that no kind
// changes its number in between.
void Allocator::set_total(Agent& agent, const Resources& total) {
  tree_.subtract_total(amounts_of(agent, agent.total));
  agent.total = total;
  tree_.add_total(amounts_of(agent, agent.total));
  std::erase_if(agent.kinds, [&](const auto& known) {
    const bool used = agent.total.scalar(known.first) > 0 || agent.held.scalar(known.first) > 0;
    if (!used) {
      kinds_.release(known.second);
    }
    return !used;
  });
  agent.plain = is_plain(total);
  agent.has_gpus = total.scalar("gpus") > 0;
}

// Computes anew what is free, from total and held.
void Allocator::recompute_free(AgentKey key, Agent& agent) {
  agent.over_committed = !agent.total.contains(agent.held);
  agent.free = agent.over_committed ? Resources() : agent.total - agent.held;
  agent.free_amounts = amounts_of(agent, agent.free);
  ++agent.growth;
  free_changed(key, agent);
}

// What follows from a change of `free`.
void Allocator::free_changed(AgentKey key, Agent& agent) {
  if (agent.active && !agent.over_committed && !agent.free.empty() &&
      is_allocatable(agent.free_amounts)) {
    offerable_.insert(key);
  } else {
    offerable_.erase(key);
    queue_.erase(key);
    gathering_.erase(key);
  }
}

void Allocator::on(const AddAgent& event) {
  const auto [it, added] = agents_.try_emplace(event.agent);
  SYNOD_CHECK(added);
  Agent& made = it->second;
  made.name = event.name;
  made.active = event.active;
  set_total(made, event.total);
  for (const Held& held : event.held) {
    hold(made, held);
  }
  recompute_free(event.agent, made);
  queue(event.agent);
}

void Allocator::on(const UpdateAgent& event) {
  Agent& known = agent(event.agent);
  if (event.attributes_changed) {
    drop_filters_on(event.agent, known);
  }
  set_total(known, event.total);
  recompute_free(event.agent, known);
  queue(event.agent);
}

void Allocator::on(const RemoveAgent& event) {
  Agent& leaving = agent(event.agent);
  drop_filters_on(event.agent, leaving);
  for (auto& [id, holding] : leaving.holdings) {
    tree_.released(*holding.client, amounts_of(leaving, holding.amount));
    --holding.client->holdings;
    drop_if_unused(*holding.client);
  }
  tree_.subtract_total(amounts_of(leaving, leaving.total));
  drop_kinds(leaving);
  offerable_.erase(event.agent);
  queue_.erase(event.agent);
  gathering_.erase(event.agent);
  agents_.erase(event.agent);
}

void Allocator::on(const SetAgentActive& event) {
  Agent& known = agent(event.agent);
  known.active = event.active;
  free_changed(event.agent, known);
  if (options_.mode == Mode::incremental) {
    queue(event.agent);
  }
}

void Allocator::on(const Found& event) {
  Agent& known = agent(event.agent);
  hold(known, event.held);
  recompute_free(event.agent, known);
}

void Allocator::on(const Recover& event) {
  if (event.amount.empty()) {
    return;
  }
  Agent& known = agent(event.agent);
  Client& holder = client(framework(event.framework), event.role);
  const auto it = known.holdings.find(holder.id);
  SYNOD_CHECK(it != known.holdings.end());
  const bool all = it->second.amount == event.amount;
  if (!all) {
    SYNOD_CHECK(it->second.amount.contains(event.amount));
    it->second.amount.subtract(event.amount);
  }
  if (all || it->second.amount.empty()) {
    known.holdings.erase(it);
    --holder.holdings;
  }
  known.held.subtract(event.amount);
  const Amounts amounts = amounts_of(known, event.amount);
  tree_.released(holder, amounts);
  if (known.over_committed) {
    recompute_free(event.agent, known);
  } else {
    known.free.add(event.amount);
    known.free_amounts.add(amounts);
    ++known.growth;
    free_changed(event.agent, known);
  }
  if (event.refuse && holder.subscribed) {
    add_filter(holder, event.agent, known, event.amount, *event.refuse);
  }
  drop_if_unused(holder);
  if (options_.mode == Mode::incremental && offerable_.contains(event.agent)) {
    if (gathering_.empty()) {
      gather_end_ = now_ + options_.gather;
    }
    gathering_.insert(event.agent);
  }
}

void Allocator::on(const Suppress& event) {
  Framework& known = framework(event.framework);
  for (Client* member : clients(known, event.roles)) {
    member->suppressed = member->subscribed;
    update_activity(known, *member);
  }
}

void Allocator::on(const Revive& event) {
  Framework& known = framework(event.framework);
  for (Client* member : clients(known, event.roles)) {
    member->suppressed = false;
    drop_filters(*member);
    update_activity(known, *member);
  }
  queue_round();
}

void Allocator::on(const SetWeight& event) { tree_.set_weight(event.role, event.weight); }

const Resources* Allocator::free(AgentKey key) const {
  const auto it = agents_.find(key);
  return it == agents_.end() ? nullptr : &it->second.free;
}

std::uint64_t Allocator::digest() const {
  std::uint64_t sum = hash_mix(frameworks_.size(), agents_.size());
  for (const auto& [key, agent] : agents_) {
    sum = hash_mix(sum, key.value());
    sum = hash_mix(sum, resources::digest(agent.total));
    for (const auto& [id, holding] : agent.holdings) {
      sum = hash_mix(hash_mix(sum, id), resources::digest(holding.amount));
    }
  }
  for (const auto& [key, framework] : frameworks_) {
    for (const auto& [role, client] : framework.roles) {
      sum = hash_mix(sum, hash64(role, key.value()));
      sum = hash_mix(
          sum, client->allocations * 4 + (client->active ? 2 : 0) + (client->suppressed ? 1 : 0));
    }
  }
  for (const FilterEnd& filter : filter_ends_) {
    sum = hash_mix(sum, static_cast<std::uint64_t>(filter.end.nanos()));
  }
  return sum;
}

std::string Allocator::check() const {
  std::map<std::uint64_t, Amounts> held_by;
  std::size_t filters = 0;
  for (const auto& [key, agent] : agents_) {
    Resources held;
    for (const auto& [id, holding] : agent.holdings) {
      held.add(holding.amount);
      held_by[id].add(amounts_known(agent, holding.amount));
    }
    if (!(held == agent.held)) {
      return "A1: what is held on " + agent.name + " is " + to_string(agent.held) +
             ", its holdings sum up to " + to_string(held);
    }
    const bool fits = agent.total.contains(held);
    if (fits ? !(agent.total == agent.free + held) : !agent.free.empty()) {
      return "A1: free and held do not make up the total of " + agent.name;
    }
    const bool offerable = agent.active && fits && !agent.free.empty() &&
                           is_allocatable(amounts_known(agent, agent.free));
    if (offerable != offerable_.contains(key)) {
      return "A3: " + agent.name + " stands wrongly among the offerable agents";
    }
    filters += agent.filtered_by.size();
  }
  std::size_t filtered = 0;
  for (const auto& [key, framework] : frameworks_) {
    for (const auto& [role, client] : framework.roles) {
      if (!(client->amounts == held_by[client->id])) {
        return "A2: the share of a framework in role '" + role + "' is not what it holds";
      }
      filtered += client->filters.size();
    }
  }
  if (filters != filtered) {
    return "A4: agents and frameworks disagree on the filters between them";
  }
  return tree_.check();
}

}  // namespace synod::allocator
