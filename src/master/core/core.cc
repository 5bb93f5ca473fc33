// The process: events in order, timers, the registry's answers.
#include "master/core/core.h"

#include <algorithm>

#include "base/check.h"
#include "base/checksum.h"
#include "resources/role.h"

namespace synod::master::core {

Core::Core(Options options) : options_(std::move(options)), allocator_(options_.allocator) {}

void Core::step(const Event& event, Effects& effects) {
  now_ = event.now;
  wall_ = event.wall;
  effects_ = &effects;
  // Nobody is served before the registry was read; the face answers 503 meanwhile.
  if (recovered_ || std::holds_alternative<Recovered>(event.body)) {
    std::visit([this](const auto& body) { on(body); }, event.body);
  }
  finish_step();
  effects_ = nullptr;
}

void Core::finish_step() {
  const Instant wake = timers_.empty() ? Instant::max() : std::get<0>(*timers_.begin());
  if (wake != wake_asked_) {
    wake_asked_ = wake;
    effects_->push_back(WakeAt{wake});
  }
}

void Core::note(NoteLevel level, std::string text) {
  effects_->push_back(Note{level, std::move(text)});
}

void Core::on(const Recovered& event) {
  SYNOD_CHECK(!recovered_);
  recovered_ = true;
  for (const AgentRecord& record : event.registry.admitted) {
    recovered_agents_[record.id] = {record, std::nullopt, std::nullopt};
  }
  for (const LostAgentRecord& record : event.registry.unreachable) {
    lost_agents_[record.id] = {record.since, false};
  }
  for (const LostAgentRecord& record : event.registry.gone) {
    lost_agents_[record.id] = {record.since, true};
  }
  for (const WeightRecord& record : event.registry.weights) {
    if (record.weight >= 1 && !resources::role_error(record.role)) {
      weights_[record.role] = record.weight;
      allocate(allocator::SetWeight{record.role, record.weight});
    }
  }
  for (const FrameworkRecord& record : event.registry.frameworks) {
    recover_framework(record);
  }
  if (!recovered_agents_.empty()) {
    set_timer(reregister_end_, now_ + options_.agent_reregister_timeout, TimerKind::reregister, 0);
  }
  note(NoteLevel::info, "recovered the registry: " + std::to_string(recovered_agents_.size()) +
                            " agents, " + std::to_string(frameworks_.size()) + " frameworks");
}

void Core::on(const Wake&) {
  wake_asked_ = Instant::max();
  while (!timers_.empty() && std::get<0>(*timers_.begin()) <= now_) {
    const auto [at, kind, key] = *timers_.begin();
    timers_.erase(timers_.begin());
    fire(kind, key);
  }
}

void Core::on(const Turn&) {
  ++counters_.allocation_turns;
  allocate(allocator::Turn{});
}

// The slot keeps the instant under which the timer stands among all, max() for none.
void Core::set_timer(Instant& slot, Instant at, TimerKind kind, std::uint64_t key) {
  if (slot != Instant::max()) {
    timers_.erase({slot, kind, key});
  }
  slot = at;
  if (at != Instant::max()) {
    timers_.insert({at, kind, key});
  }
}

void Core::fire(TimerKind kind, std::uint64_t key) {
  switch (kind) {
    case TimerKind::allocator:
      allocator_wake_ = Instant::max();
      allocate(allocator::Wake{});
      return;
    case TimerKind::reregister: {
      reregister_end_ = Instant::max();
      std::vector<AgentId> missing;
      for (const auto& [id, agent] : recovered_agents_) {
        missing.push_back(id);
      }
      for (const AgentId& id : missing) {
        note(NoteLevel::warning, "agent " + id.value + " did not come back after the failover");
        remove_later(id, Pending::Kind::unreachable);
      }
      return;
    }
    case TimerKind::failover: {
      Framework& framework = at(FrameworkKey(key));
      framework.failover_end = Instant::max();
      remove_framework(framework.key, "it did not come back within its failover timeout");
      return;
    }
    case TimerKind::offer: {
      offers_.at(OfferKey(key)).end = Instant::max();
      rescind(OfferKey(key));
      return;
    }
    case TimerKind::ping: {
      Agent& agent = at(AgentKey(key));
      agent.next_ping = Instant::max();
      tell(agent, Ping{++agent.pings});
      set_timer(agent.next_ping, now_ + options_.agent_ping_timeout, TimerKind::ping, key);
      return;
    }
    case TimerKind::silence: {
      Agent& agent = at(AgentKey(key));
      agent.silence_end = Instant::max();
      if (agent.heard + silence_limit() > now_) {
        watch_silence(agent);
        return;
      }
      note(NoteLevel::warning, "agent " + agent.id.value + " was silent for " +
                                   std::to_string((now_ - agent.heard).millis()) + " ms");
      remove_later(agent.id, Pending::Kind::unreachable);
      return;
    }
  }
}

OperationKey Core::ask_registry(decltype(ToRegistry::body) body, Pending pending) {
  const OperationKey operation(++operations_made_);
  pending_[operation] = std::move(pending);
  effects_->push_back(ToRegistry{operation, options_.leadership, std::move(body)});
  return operation;
}

void Core::on(const RegistryDone& event) {
  const auto it = pending_.find(event.operation);
  if (it == pending_.end()) {
    return;
  }
  const Pending done = std::move(it->second);
  pending_.erase(it);
  switch (done.kind) {
    case Pending::Kind::admit:
      if (Agent* agent = find(done.agent)) {
        lost_agents_.erase(done.agent);
        registered(*agent);
      }
      return;
    case Pending::Kind::unreachable:
    case Pending::Kind::gone:
    case Pending::Kind::remove: removed(done); return;
    case Pending::Kind::weights:
      for (const WeightRecord& record : done.weights) {
        weights_[record.role] = record.weight;
        allocate(allocator::SetWeight{record.role, record.weight});
      }
      return;
    case Pending::Kind::question:
      if (const Framework* framework = find(done.framework)) {
        answer_confirmed(*framework, done.questions);
      }
      return;
    case Pending::Kind::other: return;
  }
}

void Core::on(const RegistryFailed& event) {
  const auto it = pending_.find(event.operation);
  if (it == pending_.end()) {
    return;
  }
  const Pending failed = std::move(it->second);
  pending_.erase(it);
  note(NoteLevel::error, "the registry refused operation " +
                             std::to_string(event.operation.value()) + ": " + event.reason);
  Agent* agent = find(failed.agent);
  if (failed.kind == Pending::Kind::admit && agent != nullptr) {
    // Never admitted: as if it had not asked. It will ask again.
    if (agent->waiting) {
      effects_->push_back(CloseStream{agent->waiting->stream, "the registry did not admit it"});
    }
    forget_agent(*agent, TaskState::lost, TaskState::lost, reason::agent_removed, std::nullopt, "");
    return;
  }
  if (agent != nullptr && agent->removal) {
    agent->removal.reset();
    update_offerable(*agent);
    agent->heard = now_;
    watch_silence(*agent);
    if (std::optional<AgentSubscribe> waiting = std::exchange(agent->waiting, std::nullopt)) {
      subscribe_known(*agent, *waiting);
    }
    return;
  }
  const auto recovered = recovered_agents_.find(failed.agent);
  if (recovered != recovered_agents_.end() && recovered->second.removal) {
    recovered->second.removal.reset();
    if (std::optional<AgentSubscribe> waiting =
            std::exchange(recovered->second.waiting, std::nullopt)) {
      recovered_waiting_.erase(waiting->stream);
      on(*waiting);
    } else if (reregister_end_ == Instant::max()) {
      set_timer(reregister_end_, now_ + options_.agent_reregister_timeout, TimerKind::reregister,
                0);
    }
  }
}

void Core::on(const StreamClosed& event) {
  const auto framework = framework_streams_.find(event.stream);
  if (framework != framework_streams_.end()) {
    disconnect(at(framework->second));
    return;
  }
  const auto agent = agent_streams_.find(event.stream);
  if (agent != agent_streams_.end()) {
    disconnect(at(agent->second), "its stream broke");
    return;
  }
  const auto waiting = recovered_waiting_.find(event.stream);
  if (waiting != recovered_waiting_.end()) {
    recovered_agents_.at(waiting->second).waiting.reset();
    recovered_waiting_.erase(waiting);
  }
}

void Core::on(const UpdateWeights& event) {
  Pending pending;
  pending.kind = Pending::Kind::weights;
  for (const WeightRecord& record : event.weights) {
    if (record.weight >= 1 && !resources::role_error(record.role)) {
      pending.weights.push_back(record);
    }
  }
  ask_registry(PutWeights{pending.weights}, pending);
}

void Core::allocate(allocator::EventBody body) {
  allocator::Effects wanted;
  allocator_.step(allocator::Event{now_, std::move(body)}, wanted);
  std::vector<allocator::Allocation> allocations;
  for (allocator::Effect& effect : wanted) {
    if (auto* allocation = std::get_if<allocator::Allocation>(&effect)) {
      allocations.push_back(std::move(*allocation));
    } else if (const auto* wake = std::get_if<allocator::WakeAt>(&effect)) {
      set_timer(allocator_wake_, wake->at, TimerKind::allocator, 0);
    } else {
      effects_->push_back(Continue{});
    }
  }
  if (!allocations.empty()) {
    make_offers(std::move(allocations));
  }
}

CallCheck Core::check_call(const FrameworkId& id, Stream stream,
                           const std::optional<std::string>& principal) const {
  if (!recovered_) {
    return CallCheck::not_recovered;
  }
  const Framework* framework = find(id);
  if (framework == nullptr) {
    return CallCheck::unknown_framework;
  }
  if (principal && *principal != framework->info.principal) {
    return CallCheck::wrong_principal;
  }
  if (framework->state != FrameworkView::State::connected) {
    return CallCheck::disconnected;
  }
  return framework->stream == stream ? CallCheck::ok : CallCheck::wrong_stream;
}

bool Core::is_agent_stream(Stream stream) const { return agent_streams_.contains(stream); }

Core::Summary Core::summary() const {
  Summary sums;
  for (const auto& [key, agent] : agents_) {
    sums.agents_registered += agent.state == AgentState::connected ? 1 : 0;
    sums.agents_disconnected += agent.state == AgentState::disconnected ? 1 : 0;
    sums.tasks += agent.tasks.size();
  }
  for (const auto& [key, framework] : frameworks_) {
    const bool connected = framework.state == FrameworkView::State::connected;
    ++(connected ? sums.frameworks_connected : sums.frameworks_disconnected);
  }
  sums.agents_recovered = recovered_agents_.size();
  sums.offers = offers_.size();
  return sums;
}

allocator::Explanation Core::explain(const FrameworkId& id, const std::string& role,
                                     const allocator::Shape& shape) const {
  const Framework* framework = find(id);
  return allocator_.explain(framework == nullptr ? FrameworkKey() : framework->key, role, shape,
                            [this](AgentKey agent) {
                              const Account* account = ledger_.find(agent);
                              return account == nullptr ? nullptr : &account->offered;
                            });
}

std::uint64_t Core::digest() const {
  std::uint64_t sum = hash_mix(ledger_.digest(), allocator_.digest());
  for (const auto& [key, agent] : agents_) {
    sum = hash_mix(sum, hash64(agent.id.value, static_cast<std::uint64_t>(agent.state)));
    for (const auto& [task_key, task] : agent.tasks) {
      sum = hash_mix(sum, hash64(task.view.id.value, static_cast<std::uint64_t>(task.view.state)));
      sum = hash_mix(sum, task.update_uuid ? hash64(to_string(*task.update_uuid)) : 0);
    }
  }
  for (const auto& [key, framework] : frameworks_) {
    sum = hash_mix(sum, hash64(framework.id.value, static_cast<std::uint64_t>(framework.state)));
    sum = hash_mix(sum, framework.completed.size());
  }
  for (const auto& [id, offer] : offer_keys_) {
    sum = hash_mix(sum, hash64(id.value));
  }
  sum = hash_mix(sum, hash_mix(recovered_agents_.size(), lost_agents_.size()));
  return hash_mix(sum, pending_.size());
}

}  // namespace synod::master::core
