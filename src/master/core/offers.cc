// Offers: made of allocations, accepted, declined, taken back.
#include <algorithm>

#include "base/check.h"
#include "master/core/core.h"
#include "master/core/validate.h"

namespace synod::master::core {
namespace {

// What frameworks may ask for at most; beyond, and for durations that cannot be.
constexpr Duration refuse_max = Duration::seconds(std::int64_t{365} * 86'400);
constexpr Duration refuse_default = Duration::seconds(5);

Duration bounded(Duration refuse) {
  return refuse < Duration() ? refuse_default : std::min(refuse, refuse_max);
}

}  // namespace

Core::OutstandingOffer* Core::find(const OfferId& id) {
  const auto it = offer_keys_.find(id);
  return it == offer_keys_.end() ? nullptr : &offers_.at(it->second);
}

const Core::OutstandingOffer* Core::find(const OfferId& id) const {
  const auto it = offer_keys_.find(id);
  return it == offer_keys_.end() ? nullptr : &offers_.at(it->second);
}

// One OFFERS event for each framework, in the order of their first allocation.
void Core::make_offers(std::vector<allocator::Allocation> allocations) {
  std::vector<std::pair<FrameworkKey, Offers>> batches;
  for (allocator::Allocation& allocation : allocations) {
    Framework& framework = at(allocation.framework);
    Agent& agent = at(allocation.agent);
    SYNOD_CHECK(framework.state == FrameworkView::State::connected);
    SYNOD_CHECK(agent.state == AgentState::connected);
    const OfferKey key(++keys_made_);
    OutstandingOffer& offer = offers_[key];
    offer.id.value = options_.master_id + "-O" + std::to_string(next_offer_++);
    offer.framework = framework.key;
    offer.agent = agent.key;
    offer.role = allocation.role;
    offer.since = wall_;
    offer_keys_[offer.id] = key;
    framework.offers.insert(key);
    framework.offered.add(allocation.amount.quantities());
    agent.offers.insert(key);
    ledger_.offer(agent.key, Holder::of_offer(framework.key, key), allocation.amount);
    if (options_.offer_timeout) {
      set_timer(offer.end, now_ + *options_.offer_timeout, TimerKind::offer, key.value());
    }
    ++counters_.offers_made;
    changed(framework);
    changed(agent);
    Offer sent{offer.id, agent.id, offer.role, std::move(allocation.amount), {}, agent.info};
    for (auto it = agent.executors.lower_bound({framework.key, {}});
         it != agent.executors.end() && it->first.first == framework.key; ++it) {
      sent.executors.push_back(it->first.second);
    }
    auto batch = std::find_if(batches.begin(), batches.end(),
                              [&](const auto& known) { return known.first == framework.key; });
    if (batch == batches.end()) {
      batch = batches.insert(batch, {framework.key, {}});
    }
    batch->second.offers.push_back(std::move(sent));
  }
  for (auto& [key, offers] : batches) {
    tell(at(key), std::move(offers));
  }
}

// Ends the offer; what it still holds is free again.
void Core::give_back(OfferKey key, Refusal refuse) {
  const auto it = offers_.find(key);
  SYNOD_CHECK(it != offers_.end());
  OutstandingOffer& offer = it->second;
  Framework& framework = at(offer.framework);
  Agent& agent = at(offer.agent);
  Resources amount = ledger_.release(agent.key, Holder::of_offer(framework.key, key));
  set_timer(offer.end, Instant::max(), TimerKind::offer, key.value());
  framework.offers.erase(key);
  framework.offered.subtract(amount.quantities());
  agent.offers.erase(key);
  changed(framework);
  changed(agent);
  const std::string role = offer.role;
  offer_keys_.erase(offer.id);
  offers_.erase(it);
  allocate(
      allocator::Recover{framework.key, role, agent.key, std::move(amount), std::move(refuse)});
}

void Core::rescind(OfferKey key) {
  const OutstandingOffer& offer = offers_.at(key);
  tell(at(offer.framework), Rescind{offer.id});
  ++counters_.offers_rescinded;
  give_back(key, std::nullopt);
}

void Core::on(const Decline& event) {
  ++counters_.calls_decline;
  const Framework* framework = find(event.framework);
  if (framework == nullptr) {
    return;
  }
  for (const OfferId& id : event.offers) {
    const OutstandingOffer* offer = find(id);
    if (offer != nullptr && offer->framework == framework->key) {
      ++counters_.offers_declined;
      give_back(offer_keys_.at(id), bounded(event.refuse));
    }
  }
}

// The rules of mesos.md 2.5 for the list of offers; any failure voids the whole call.
std::optional<std::string> Core::offers_error(const Framework& framework,
                                              const Accept& event) const {
  if (event.offers.empty()) {
    return "no offers are named";
  }
  const OutstandingOffer* first = nullptr;
  std::set<OfferId> seen;
  for (const OfferId& id : event.offers) {
    if (!seen.insert(id).second) {
      return "offer " + id.value + " is named twice";
    }
    const OutstandingOffer* offer = find(id);
    if (offer == nullptr) {
      return "offer " + id.value + " is no longer valid";
    }
    if (offer->framework != framework.key) {
      return "offer " + id.value + " is not of this framework";
    }
    if (first == nullptr) {
      first = offer;
    }
    if (offer->role != first->role) {
      return "offers of the roles '" + first->role + "' and '" + offer->role + "' are mixed";
    }
    if (offer->agent != first->agent) {
      return "offers of several agents are mixed";
    }
  }
  return std::nullopt;
}

// True if the task came from these very offers: the framework repeats a call that arrived.
bool Core::is_repeated(const Framework& framework, const Accept& event, const TaskId& task) const {
  if (const Task* known = find_task(framework, task)) {
    return known->offers == event.offers;
  }
  return std::any_of(framework.completed.begin(), framework.completed.end(),
                     [&](const Task& t) { return t.view.id == task && t.offers == event.offers; });
}

void Core::void_accept(Framework& framework, const Accept& event, const std::string& why) {
  for (const OfferId& id : event.offers) {
    const OutstandingOffer* offer = find(id);
    if (offer != nullptr && offer->framework == framework.key) {
      give_back(offer_keys_.at(id), std::nullopt);
    }
  }
  const TaskState state =
      framework.info.capabilities.partition_aware ? TaskState::dropped : TaskState::lost;
  for (const Operation& operation : event.operations) {
    if (operation.type != OperationType::launch && operation.type != OperationType::launch_group) {
      refuse_operation(framework, {}, operation, why);
      continue;
    }
    for (const TaskSpec& task : operation.tasks) {
      if (is_repeated(framework, event, task.id)) {
        continue;
      }
      TaskStatus status = status_of(state, task.id, reason::invalid_offers);
      status.agent = task.agent;
      status.message = "Task launched with invalid offers: " + why;
      ++counters_.tasks_ended[state];
      tell(framework, Update{std::move(status)});
    }
  }
}

void Core::refuse_operation(const Framework& framework, const AgentId& agent,
                            const Operation& operation, const std::string& why) {
  if (!operation.id.empty()) {
    tell(framework, UpdateOperation{operation.id, why, agent});
  }
}

void Core::on(const Accept& event) {
  ++counters_.calls_accept;
  Framework* framework = find(event.framework);
  if (framework == nullptr) {
    return;
  }
  if (std::optional<std::string> why = offers_error(*framework, event)) {
    void_accept(*framework, event, *why);
    return;
  }
  const OfferKey pool = offer_keys_.at(event.offers.front());
  Agent& agent = at(offers_.at(pool).agent);
  for (std::size_t i = 1; i < event.offers.size(); ++i) {
    const OfferKey other = offer_keys_.at(event.offers[i]);
    ledger_.merge(agent.key, Holder::of_offer(framework->key, other),
                  Holder::of_offer(framework->key, pool));
    OutstandingOffer& merged = offers_.at(other);
    set_timer(merged.end, Instant::max(), TimerKind::offer, other.value());
    framework->offers.erase(other);
    agent.offers.erase(other);
    offer_keys_.erase(merged.id);
    offers_.erase(other);
  }
  for (const Operation& operation : event.operations) {
    if (operation.type == OperationType::launch && operation.id.empty()) {
      for (const TaskSpec& task : operation.tasks) {
        launch(*framework, agent, event, task, pool);
      }
    } else if (operation.type == OperationType::launch ||
               operation.type == OperationType::launch_group) {
      const bool group = operation.type == OperationType::launch_group;
      for (const TaskSpec& task : operation.tasks) {
        TaskStatus status = status_of(TaskState::error, task.id,
                                      group ? reason::task_group_invalid : reason::task_invalid);
        status.agent = agent.id;
        status.message = group ? "LAUNCH_GROUP is not supported by this master yet"
                               : "'id' may not be set on LAUNCH";
        ++counters_.tasks_ended[TaskState::error];
        tell(*framework, Update{std::move(status)});
      }
    } else {
      refuse_operation(
          *framework, agent.id, operation,
          std::string(to_string(operation.type)) + " is not supported by this master yet");
    }
  }
  give_back(pool, bounded(event.refuse));
}

void Core::launch(Framework& framework, Agent& agent, const Accept& event, const TaskSpec& spec,
                  OfferKey pool) {
  const Holder offer = Holder::of_offer(framework.key, pool);
  const std::string role = offers_.at(pool).role;
  ExecutorKey executor_key{framework.key, {}};
  const ExecutorSpec* running = nullptr;
  if (spec.executor) {
    executor_key.second = spec.executor->id;
    const auto it = agent.executors.find(executor_key);
    running = it == agent.executors.end() ? nullptr : &it->second.spec;
  }
  const bool in_use = framework.tasks.contains(spec.id) || framework.unreachable.contains(spec.id);
  const Resources remaining = *ledger_.holding(agent.key, offer);
  const TaskContext context{spec, framework.id, agent.id, role, remaining, in_use, running};
  if (Violation broken = validate_task(context)) {
    TaskStatus status = status_of(TaskState::error, spec.id, reason::task_invalid);
    status.agent = agent.id;
    status.message = *broken;
    ++counters_.tasks_ended[TaskState::error];
    tell(framework, Update{std::move(status)});
    return;
  }
  Launch order{framework.id, framework.info, role, spec};
  order.task.resources = spec.resources.unallocated();
  if (order.task.executor) {
    ExecutorSpec& executor = *order.task.executor;
    executor.framework = framework.id;
    executor.resources = executor.resources.unallocated();
    if (running == nullptr) {
      ledger_.use(agent.key, offer, Holder::of_executor(framework.key, executor.id),
                  executor.resources);
      framework.offered.subtract(executor.resources.quantities());
      framework.allocated.add(executor.resources.quantities());
      ++framework.executors[agent.key];
      agent.executors[executor_key] = {executor, role, framework.key};
    }
  }
  ledger_.use(agent.key, offer, Holder::of_task(framework.key, spec.id), order.task.resources);
  framework.offered.subtract(order.task.resources.quantities());
  framework.allocated.add(order.task.resources.quantities());
  Task& task = agent.tasks[{framework.key, spec.id}];
  task.framework = framework.key;
  task.offers = event.offers;
  task.view.id = spec.id;
  task.view.name = spec.name;
  task.view.framework = framework.id;
  task.view.agent = agent.id;
  task.view.executor = spec.executor ? spec.executor->id : ExecutorId();
  task.view.role = role;
  task.view.resources = order.task.resources;
  task.view.spec = spec.bytes;
  framework.tasks[spec.id] = agent.key;
  ++counters_.tasks_launched;
  changed(framework);
  changed(agent);
  tell(agent, std::move(order));
}

}  // namespace synod::master::core
