// Pieces of the view, and the invariants.
#include "base/check.h"
#include "master/core/core.h"

namespace synod::master::core {

TaskView Core::view_of(const Task& task) const { return task.view; }

std::shared_ptr<const AgentView> Core::make_piece(const Agent& agent) const {
  auto piece = std::make_shared<AgentView>();
  piece->id = agent.id;
  piece->info = agent.info;
  piece->state = agent.state == AgentState::connected   ? AgentView::State::connected
                 : agent.state == AgentState::admitting ? AgentView::State::admitting
                                                        : AgentView::State::disconnected;
  piece->registered_at = agent.registered_at;
  piece->reregistered_at = agent.reregistered_at;
  piece->accepts_tasks = agent.accepts_tasks;
  piece->why_not = agent.why_not;
  if (const Account* account = ledger_.find(agent.key)) {
    piece->over_committed = account->over_committed();
    piece->total = account->total;
    piece->offered = account->offered;
    piece->allocated = account->allocated;
  }
  for (const auto& [key, task] : agent.tasks) {
    piece->tasks.push_back(view_of(task));
  }
  for (const auto& [key, executor] : agent.executors) {
    piece->executors.push_back({executor.spec.id, executor.spec.framework, agent.id,
                                executor.spec.resources, executor.spec.bytes});
  }
  for (const OfferKey key : agent.offers) {
    const OutstandingOffer& offer = offers_.at(key);
    piece->offers.push_back({offer.id, frameworks_.at(offer.framework).id, agent.id, offer.role,
                             *ledger_.holding(agent.key, Holder::of_offer(offer.framework, key)),
                             offer.since});
  }
  return piece;
}

namespace {

Resources scalars(const resources::Quantities& quantities) {
  Resources resources;
  for (const resources::Quantity& item : quantities.items()) {
    resources.add(resources::scalar_resource(item.name, item.amount));
  }
  return resources;
}

}  // namespace

std::shared_ptr<const FrameworkView> Core::make_piece(const Framework& framework) const {
  auto piece = std::make_shared<FrameworkView>();
  piece->id = framework.id;
  piece->state = framework.state;
  piece->info = framework.info;
  piece->suppressed_roles.assign(framework.suppressed.begin(), framework.suppressed.end());
  piece->registered_at = framework.registered_at;
  piece->reregistered_at = framework.reregistered_at;
  piece->offered = scalars(framework.offered);
  piece->allocated = scalars(framework.allocated);
  for (const Task& task : framework.completed) {
    piece->completed_tasks.push_back(view_of(task));
  }
  for (const auto& [id, task] : framework.unreachable) {
    piece->unreachable_tasks.push_back(task);
  }
  return piece;
}

std::shared_ptr<const View> Core::view() {
  auto view = std::make_shared<View>();
  for (auto& [key, agent] : agents_) {
    if (agent.piece == nullptr) {
      agent.piece = make_piece(agent);
    }
    view->agents.push_back(agent.piece);
  }
  for (const auto& [id, recovered] : recovered_agents_) {
    auto piece = std::make_shared<AgentView>();
    piece->id = id;
    piece->state = AgentView::State::recovered;
    AgentInfo info;
    info.hostname = recovered.record.hostname;
    info.ip = recovered.record.ip;
    info.port = recovered.record.port;
    info.bytes = recovered.record.bytes;
    piece->info = std::make_shared<const AgentInfo>(std::move(info));
    view->agents.push_back(std::move(piece));
  }
  for (auto& [key, framework] : frameworks_) {
    if (framework.piece == nullptr) {
      framework.piece = make_piece(framework);
    }
    view->frameworks.push_back(framework.piece);
  }
  view->completed.assign(completed_.begin(), completed_.end());
  for (const auto& [id, lost] : lost_agents_) {
    (lost.gone ? view->gone : view->unreachable).push_back({id, lost.since});
  }
  for (const auto& [role, weight] : weights_) {
    view->weights.push_back({role, weight});
  }
  view->counters = counters_;
  return view;
}

std::string Core::check_agent(const Agent& agent) const {
  const std::string name = "agent " + agent.id.value;
  const Account* account = ledger_.find(agent.key);
  if ((account == nullptr) != (agent.state == AgentState::admitting)) {
    return "M3: " + name + " is booked before the registry admitted it, or not after";
  }
  if (account == nullptr) {
    return agent.tasks.empty() && agent.offers.empty() ? "" : "M3: " + name + " is used too early";
  }
  std::size_t holders = agent.executors.size() + agent.offers.size();
  for (const auto& [key, task] : agent.tasks) {
    holders += task.holds ? 1 : 0;
    if (task.holds == is_terminal(task.view.state) ||
        task.holds !=
            (ledger_.holding(agent.key, Holder::of_task(key.first, key.second)) != nullptr)) {
      return "M4: task " + key.second.value + " holds what it should not, or does not";
    }
    const auto framework = frameworks_.find(key.first);
    if (framework == frameworks_.end() || !framework->second.tasks.contains(key.second)) {
      return "M4: task " + key.second.value + " is not known to its framework";
    }
  }
  if (holders != account->holdings.size()) {
    return "M4: " + name + " has holdings without a holder";
  }
  const Resources* free = allocator_.free(agent.key);
  if (free == nullptr || !(*free == account->free())) {
    return "M6: of " + name + " the ledger has free " + to_string(account->free()) +
           ", the allocator " + (free == nullptr ? "nothing" : to_string(*free));
  }
  for (const OfferKey key : agent.offers) {
    const auto offer = offers_.find(key);
    if (offer == offers_.end() || agent.state != AgentState::connected) {
      return "M2: an offer of " + name + ", which is not connected";
    }
  }
  return "";
}

std::string Core::check_framework(const Framework& framework) const {
  if (framework.state != FrameworkView::State::connected && !framework.offers.empty()) {
    return "M2: an offer to framework " + framework.id.value + ", which is not connected";
  }
  for (const auto& [task, agent] : framework.tasks) {
    const auto it = agents_.find(agent);
    if (it == agents_.end() || !it->second.tasks.contains({framework.key, task})) {
      return "M4: task " + task.value + " is on no agent";
    }
    if (framework.unreachable.contains(task)) {
      return "M5: task " + task.value + " runs and is unreachable";
    }
  }
  return "";
}

std::string Core::check() const {
  if (std::string broken = ledger_.check(); !broken.empty()) {
    return broken;
  }
  for (const auto& [key, agent] : agents_) {
    if (std::string broken = check_agent(agent); !broken.empty()) {
      return broken;
    }
  }
  for (const auto& [key, framework] : frameworks_) {
    if (std::string broken = check_framework(framework); !broken.empty()) {
      return broken;
    }
  }
  if (offers_.size() != offer_keys_.size()) {
    return "M2: offers and their ids disagree";
  }
  return allocator_.check();
}

}  // namespace synod::master::core
