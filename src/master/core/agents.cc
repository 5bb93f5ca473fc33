// Agents: registration through the registry, what they report, silence, removal.
#include <algorithm>

#include "base/check.h"
#include "master/core/core.h"
#include "master/core/validate.h"
#include "resources/role.h"

namespace synod::master::core {

Core::Agent* Core::find(const AgentId& id) {
  const auto it = agent_keys_.find(id);
  return it == agent_keys_.end() ? nullptr : &agents_.at(it->second);
}

const Core::Agent* Core::find(const AgentId& id) const {
  const auto it = agent_keys_.find(id);
  return it == agent_keys_.end() ? nullptr : &agents_.at(it->second);
}

Core::Agent& Core::at(AgentKey key) {
  const auto it = agents_.find(key);
  SYNOD_CHECK(it != agents_.end());
  return it->second;
}

Core::Agent* Core::speaking(Stream stream) {
  const auto it = agent_streams_.find(stream);
  if (it == agent_streams_.end()) {
    return nullptr;
  }
  Agent& agent = at(it->second);
  agent.heard = now_;
  return agent.state == AgentState::connected ? &agent : nullptr;
}

void Core::tell(const Agent& agent, decltype(ToAgent::body) body) {
  if (agent.state == AgentState::connected) {
    effects_->push_back(ToAgent{agent.stream, agent.id, options_.leadership, std::move(body)});
  }
}

Duration Core::silence_limit() const {
  return options_.agent_ping_timeout * options_.agent_ping_timeouts_max;
}

void Core::watch_silence(Agent& agent) {
  set_timer(agent.silence_end, agent.heard + silence_limit(), TimerKind::silence,
            agent.key.value());
}

namespace {

// What people call the agent: its attribute `name` if it has one, else where it is.
std::string name_of(const AgentInfo& info) {
  for (const resources::Attribute& attribute : info.attributes) {
    if (const auto* text = std::get_if<std::string>(&attribute.value);
        text != nullptr && attribute.name == "name") {
      return *text;
    }
  }
  return info.hostname + ":" + std::to_string(info.port);
}

}  // namespace

AgentRecord Core::record_of(const AgentId& id, const AgentInfo& info) const {
  return AgentRecord{id, info.hostname, info.ip, info.port, info.bytes};
}

void Core::refuse(const AgentSubscribe& event, Refused::Reason reason, const std::string& why) {
  effects_->push_back(ToAgent{event.stream, event.id, options_.leadership, Refused{reason, why}});
  effects_->push_back(CloseStream{event.stream, why});
  note(NoteLevel::warning, "refused agent " + event.id.value + " at " + event.info.hostname + ":" +
                               std::to_string(event.info.port) + ": " + why);
}

Core::Agent& Core::add_agent(const AgentId& id) {
  const AgentKey key(++keys_made_);
  Agent& agent = agents_[key];
  agent.key = key;
  agent.id = id;
  agent.heard = now_;
  SYNOD_CHECK(agent_keys_.emplace(id, key).second);
  return agent;
}

void Core::on(const AgentSubscribe& event) {
  if (Violation broken = validate_agent(event)) {
    refuse(event, Refused::Reason::invalid, *broken);
    return;
  }
  if (!event.id.empty()) {
    Agent* known = find(event.id);
    known != nullptr ? subscribe_known(*known, event) : subscribe_unknown(event.id, event);
    return;
  }
  // Without an id, from the address of one we know: it never heard that it was admitted, or it was
  // wiped. In the first case nothing can run there yet.
  const auto same = agent_addresses_.find({event.info.ip, event.info.port});
  if (same != agent_addresses_.end() && at(same->second).info->hostname == event.info.hostname) {
    Agent& agent = at(same->second);
    if (agent.tasks.empty() && agent.executors.empty()) {
      subscribe_known(agent, event);
      return;
    }
    if (agent.state == AgentState::connected) {
      disconnect(agent, "an agent without id came from its address");
    }
    remove_later(agent.id, Pending::Kind::remove);
  }
  AgentId id;
  id.value = options_.master_id + "-S" + std::to_string(next_agent_++);
  Agent& agent = add_agent(id);
  agent.stream = event.stream;
  agent_streams_[event.stream] = agent.key;
  agent_addresses_[{event.info.ip, event.info.port}] = agent.key;
  agent.info = std::make_shared<const AgentInfo>(event.info);
  agent.registered_at = wall_;
  agent.waiting = event;
  Pending pending;
  pending.kind = Pending::Kind::admit;
  pending.agent = id;
  ask_registry(AdmitAgent{record_of(id, event.info)}, pending);
}

void Core::subscribe_known(Agent& agent, const AgentSubscribe& event) {
  const AgentInfo& before = *agent.info;
  const bool moved = before.ip != event.info.ip || before.port != event.info.port ||
                     before.hostname != event.info.hostname;
  if (moved && agent.state == AgentState::connected && !agent.removal) {
    refuse(event, Refused::Reason::invalid,
           "agent " + agent.id.value + " is connected from " + before.hostname + ":" +
               std::to_string(before.port) + "; two agents share one id");
    return;
  }
  if (agent.state == AgentState::connected) {
    effects_->push_back(CloseStream{agent.stream, "the agent subscribed anew"});
    disconnect(agent, "it subscribed anew");
  }
  // An older subscription that still waits is superseded by this one.
  if (agent.waiting && agent.waiting->stream != event.stream) {
    agent_streams_.erase(agent.waiting->stream);
    effects_->push_back(CloseStream{agent.waiting->stream, "the agent subscribed anew"});
  }
  agent.waiting = event;
  agent.stream = event.stream;
  agent_streams_[event.stream] = agent.key;
  if (agent.state == AgentState::disconnected && !agent.removal) {
    registered(agent);
  }
}

void Core::subscribe_unknown(const AgentId& id, const AgentSubscribe& event) {
  const auto recovered = recovered_agents_.find(id);
  if (recovered != recovered_agents_.end() && recovered->second.removal) {
    recovered->second.waiting = event;  // the registry's answer decides what it is then
    recovered_waiting_[event.stream] = id;
    return;
  }
  const auto lost = lost_agents_.find(id);
  if (lost != lost_agents_.end() && lost->second.gone) {
    refuse(event, Refused::Reason::gone, "agent " + id.value + " was marked gone");
    return;
  }
  const bool admitted = recovered != recovered_agents_.end();
  if (admitted) {
    recovered_agents_.erase(recovered);
  }
  Agent& agent = add_agent(id);
  agent.stream = event.stream;
  agent_streams_[event.stream] = agent.key;
  agent_addresses_[{event.info.ip, event.info.port}] = agent.key;
  agent.info = std::make_shared<const AgentInfo>(event.info);
  agent.registered_at = wall_;
  agent.waiting = event;
  if (admitted) {
    registered(agent);
    return;
  }
  Pending pending;
  pending.kind = Pending::Kind::admit;
  pending.agent = id;
  ask_registry(MarkReachable{record_of(id, event.info)}, pending);
}

// The registry holds the agent as admitted. Takes its waiting subscription, if its stream still
// stands.
void Core::registered(Agent& agent) {
  const bool first = agent.state == AgentState::admitting;
  if (!agent.waiting) {
    agent.state = AgentState::disconnected;  // its stream broke while the registry was asked
    ledger_.add_agent(agent.key, agent.info->total);
    allocate(allocator::AddAgent{agent.key, name_of(*agent.info), agent.info->total, {}, false});
    watch_silence(agent);
    changed(agent);
    return;
  }
  const AgentSubscribe report = *std::exchange(agent.waiting, std::nullopt);
  agent.state = AgentState::connected;
  agent.heard = now_;
  agent.accepts_tasks = report.accepts_tasks;
  agent.why_not = report.why_not;
  if (first) {
    agent.info = std::make_shared<const AgentInfo>(report.info);
    ledger_.add_agent(agent.key, report.info.total);
    allocate(allocator::AddAgent{agent.key, name_of(report.info), report.info.total, {}, false});
    ++(report.id.empty() ? counters_.agents_registered : counters_.agents_reregistered);
  } else {
    take_info(agent, report);
    ++counters_.agents_reregistered;
  }
  if (!report.id.empty()) {
    agent.reregistered_at = wall_;
  }
  tell(agent, Registered{agent.id, silence_limit()});
  take_reports(agent, report);
  answer_reports(agent, report);
  update_offerable(agent);
  watch_silence(agent);
  set_timer(agent.next_ping, now_ + options_.agent_ping_timeout, TimerKind::ping,
            agent.key.value());
  changed(agent);
  note(NoteLevel::info, "agent " + agent.id.value + " at " + report.info.hostname + ":" +
                            std::to_string(report.info.port) + " registered with " +
                            to_string(report.info.total) + " and " +
                            std::to_string(report.tasks.size()) + " tasks");
}

void Core::take_info(Agent& agent, const AgentSubscribe& report) {
  const bool attributes_changed = agent.info->attributes != report.info.attributes;
  const bool total_changed = !(agent.info->total == report.info.total);
  agent_addresses_.erase({agent.info->ip, agent.info->port});
  agent_addresses_[{report.info.ip, report.info.port}] = agent.key;
  agent.info = std::make_shared<const AgentInfo>(report.info);
  if (attributes_changed || total_changed) {
    ledger_.set_total(agent.key, report.info.total);
    allocate(allocator::UpdateAgent{agent.key, report.info.total, attributes_changed});
  }
}

void Core::take_reports(Agent& agent, const AgentSubscribe& report) {
  for (const ReportedFramework& framework : report.frameworks) {
    if (!framework.id.empty() && !is_completed(framework.id)) {
      reported_framework(framework);
    }
  }
  for (const ReportedExecutor& executor : report.executors) {
    if (Framework* framework = find(executor.framework)) {
      take_executor(agent, *framework, executor.spec);
    }
  }
  for (const ReportedTask& task : report.tasks) {
    if (Framework* framework = find(task.framework)) {
      take_task(agent, *framework, task);
    }
  }
}

namespace {

// The amount to book for something found: its ranges and sets without what others hold already, so
// that no port has two holders in the book even if an agent says so.
Resources bookable(const Account& account, const Resources& reported) {
  Resources amount = reported.unallocated();
  for (const resources::Resource& held : account.allocated) {
    if (!held.is_scalar()) {
      amount.subtract(held);
    }
  }
  return amount;
}

std::string role_of(const Resources& reported, const FrameworkInfo& info) {
  for (const resources::Resource& item : reported) {
    if (!item.allocation_role.empty() && !resources::role_error(item.allocation_role)) {
      return item.allocation_role;
    }
  }
  const std::vector<std::string> roles = info.roles();
  return roles.empty() ? std::string(resources::default_role) : roles.front();
}

}  // namespace

void Core::take_executor(Agent& agent, Framework& framework, const ExecutorSpec& spec) {
  const ExecutorKey key{framework.key, spec.id};
  if (agent.executors.contains(key)) {
    return;
  }
  Executor executor{spec, role_of(spec.resources, framework.info), framework.key};
  executor.spec.framework = framework.id;
  const Resources amount = bookable(*ledger_.find(agent.key), spec.resources);
  ledger_.found(agent.key, Holder::of_executor(framework.key, spec.id), amount);
  allocate(allocator::Found{agent.key, {framework.key, executor.role, amount}});
  framework.allocated.add(amount.quantities());
  ++framework.executors[agent.key];
  agent.executors.emplace(key, std::move(executor));
  changed(framework);
}

void Core::take_task(Agent& agent, Framework& framework, const ReportedTask& report) {
  const TaskKey key{framework.key, report.id};
  const auto known = agent.tasks.find(key);
  if (known != agent.tasks.end()) {
    known->second.update_state = report.update_state;
    known->second.update_uuid = report.update_uuid;
    known->second.view.reported = report.bytes;
    take_state(agent, known->second, report.state);
    return;
  }
  if (const auto elsewhere = framework.tasks.find(report.id); elsewhere != framework.tasks.end()) {
    note(NoteLevel::warning, "agent " + agent.id.value + " reports task " + report.id.value +
                                 ", which agent " + at(elsewhere->second).id.value + " runs");
    return;
  }
  Task task;
  task.framework = framework.key;
  task.view.id = report.id;
  task.view.name = report.name;
  task.view.framework = framework.id;
  task.view.agent = agent.id;
  task.view.executor = report.executor;
  task.view.role = role_of(report.resources, framework.info);
  task.view.state = report.state;
  task.view.resources = report.resources.unallocated();
  task.view.reported = report.bytes;
  task.update_state = report.update_state;
  task.update_uuid = report.update_uuid;
  task.holds = !is_terminal(report.state);
  if (task.holds) {
    const Resources amount = bookable(*ledger_.find(agent.key), report.resources);
    ledger_.found(agent.key, Holder::of_task(framework.key, report.id), amount);
    allocate(allocator::Found{agent.key, {framework.key, task.view.role, amount}});
    framework.allocated.add(amount.quantities());
  }
  const bool was_unreachable = framework.unreachable.erase(report.id) > 0;
  framework.tasks[report.id] = agent.key;
  const Task& placed = agent.tasks.emplace(key, std::move(task)).first->second;
  changed(framework);
  if (was_unreachable) {
    tell(framework, Update{status_of(placed, report.state, reason::agent_reregistered)});
  }
}

// What the report does not list, the agent does not have (mesos/internal.proto): executors are
// gone, tasks it is asked about. What belongs to frameworks that ended it is told to end.
void Core::answer_reports(Agent& agent, const AgentSubscribe& report) {
  std::set<TaskKey> tasks;
  std::set<ExecutorKey> executors;
  std::set<FrameworkId> ended;
  for (const ReportedTask& task : report.tasks) {
    const Framework* framework = find(task.framework);
    framework != nullptr ? (void)tasks.insert({framework->key, task.id})
                         : (void)ended.insert(task.framework);
  }
  for (const ReportedExecutor& executor : report.executors) {
    const Framework* framework = find(executor.framework);
    framework != nullptr ? (void)executors.insert({framework->key, executor.spec.id})
                         : (void)ended.insert(executor.framework);
  }
  for (const FrameworkId& framework : ended) {
    tell(agent, Shutdown{framework, {}, "the framework was removed"});
  }
  std::vector<ExecutorKey> gone;
  for (const auto& [key, executor] : agent.executors) {
    if (!executors.contains(key)) {
      gone.push_back(key);
    }
  }
  for (const ExecutorKey& key : gone) {
    end_executor(agent, key);
  }
  ReconcileTasks missing;
  for (const auto& [key, task] : agent.tasks) {
    if (!tasks.contains(key)) {
      missing.tasks.push_back({task.view.framework, task.view.id});
    } else if (task.kill_wanted && !is_terminal(task.view.state)) {
      tell(agent, KillTask{task.view.framework, task.view.id, task.kill_policy});
    }
  }
  if (!missing.tasks.empty()) {
    tell(agent, std::move(missing));
  }
}

void Core::disconnect(Agent& agent, const std::string& why) {
  agent_streams_.erase(agent.stream);
  agent.stream = Stream();
  if (agent.waiting) {
    agent_streams_.erase(agent.waiting->stream);
    agent.waiting.reset();
  }
  changed(agent);
  if (agent.state != AgentState::connected) {
    return;
  }
  note(NoteLevel::info, "agent " + agent.id.value + " disconnected: " + why);
  agent.state = AgentState::disconnected;
  set_timer(agent.next_ping, Instant::max(), TimerKind::ping, agent.key.value());
  update_offerable(agent);
  watch_silence(agent);
}

// Offers of an agent that is not to be offered are taken back.
void Core::update_offerable(Agent& agent) {
  const bool offerable =
      agent.state == AgentState::connected && agent.accepts_tasks && !agent.removal;
  allocate(allocator::SetAgentActive{agent.key, offerable});
  if (!offerable) {
    const std::set<OfferKey> old = agent.offers;
    for (const OfferKey offer : old) {
      rescind(offer);
    }
  }
  changed(agent);
}

void Core::on(const AgentPong& event) { speaking(event.stream); }

void Core::on(const AgentAcceptsTasks& event) {
  Agent* agent = speaking(event.stream);
  if (agent == nullptr || agent->accepts_tasks == event.accepts) {
    return;
  }
  agent->accepts_tasks = event.accepts;
  agent->why_not = event.why_not;
  update_offerable(*agent);
  note(event.accepts ? NoteLevel::info : NoteLevel::warning,
       "agent " + agent->id.value +
           (event.accepts ? " accepts tasks again" : " accepts no tasks: " + event.why_not));
}

void Core::on(const AgentGoodbye& event) {
  if (const Agent* agent = speaking(event.stream)) {
    note(NoteLevel::info, "agent " + agent->id.value + " ends: " + event.message);
    remove_later(agent->id, Pending::Kind::remove);
  }
}

void Core::on(const MarkAgentGone& event) {
  const auto lost = lost_agents_.find(event.agent);
  if (find(event.agent) != nullptr || recovered_agents_.contains(event.agent) ||
      (lost != lost_agents_.end() && !lost->second.gone)) {
    remove_later(event.agent, Pending::Kind::gone);
  }
}

// The registry hears of it first; what follows waits for its answer.
void Core::remove_later(const AgentId& id, Pending::Kind kind) {
  Pending pending;
  pending.kind = kind;
  pending.agent = id;
  pending.since = wall_;
  Agent* agent = find(id);
  const auto recovered = recovered_agents_.find(id);
  const bool asked = (agent != nullptr && agent->removal) ||
                     (recovered != recovered_agents_.end() && recovered->second.removal);
  // A stronger wish goes out even if a weaker one is on its way; the answers come in some order.
  if (asked && kind != Pending::Kind::gone) {
    return;
  }
  OperationKey operation;
  switch (kind) {
    case Pending::Kind::unreachable:
      operation = ask_registry(MarkUnreachable{id, wall_}, pending);
      break;
    case Pending::Kind::gone: operation = ask_registry(MarkGone{id, wall_}, pending); break;
    default: operation = ask_registry(RemoveAgent{id}, pending); break;
  }
  if (agent != nullptr) {
    agent->removal = operation;
    if (agent->state != AgentState::admitting) {
      update_offerable(*agent);
    }
  } else if (recovered != recovered_agents_.end()) {
    recovered->second.removal = operation;
  }
}

void Core::removed(const Pending& done) {
  if (done.kind != Pending::Kind::remove) {
    lost_agents_[done.agent] = {done.since, done.kind == Pending::Kind::gone};
    if (lost_agents_.size() > options_.lost_agents_max) {
      lost_agents_.erase(std::min_element(
          lost_agents_.begin(), lost_agents_.end(),
          [](const auto& a, const auto& b) { return a.second.since < b.second.since; }));
    }
  }
  ++(done.kind == Pending::Kind::unreachable ? counters_.agents_unreachable
                                             : counters_.agents_removed);
  if (Agent* agent = find(done.agent)) {
    removed_known(*agent, done);
    return;
  }
  const auto recovered = recovered_agents_.find(done.agent);
  if (recovered == recovered_agents_.end()) {
    return;
  }
  const std::optional<AgentSubscribe> waiting = std::move(recovered->second.waiting);
  recovered_agents_.erase(recovered);
  if (waiting) {
    recovered_waiting_.erase(waiting->stream);
  }
  for (const auto& [key, framework] : frameworks_) {
    tell(framework, Failure{done.agent, {}, std::nullopt});
  }
  if (waiting) {
    on(*waiting);
  }
}

void Core::removed_known(Agent& agent, const Pending& done) {
  const std::optional<AgentSubscribe> waiting = std::exchange(agent.waiting, std::nullopt);
  const Stream stream = agent.stream;
  const bool connected = agent.state == AgentState::connected;
  if (done.kind == Pending::Kind::unreachable) {
    forget_agent(agent, TaskState::unreachable, TaskState::lost, reason::agent_removed, done.since,
                 "the agent is unreachable");
  } else if (done.kind == Pending::Kind::gone) {
    tell(agent, Shutdown{{}, {}, "the operator marked this agent gone"});
    forget_agent(agent, TaskState::gone_by_operator, TaskState::lost,
                 reason::agent_removed_by_operator, std::nullopt, "the operator marked it gone");
  } else {
    forget_agent(agent, TaskState::lost, TaskState::lost, reason::agent_removed, std::nullopt,
                 "the agent was removed");
  }
  if (connected) {
    effects_->push_back(CloseStream{stream, "the agent was removed"});
  }
  if (waiting) {
    on(*waiting);
  }
}

void Core::forget_agent(Agent& agent, TaskState aware, TaskState unaware, std::int32_t why,
                        std::optional<WallTime> unreachable_since, const std::string& message) {
  const AgentKey key = agent.key;
  const AgentId id = agent.id;
  const bool booked = agent.state != AgentState::admitting;
  const std::set<OfferKey> offers = agent.offers;
  for (const OfferKey offer : offers) {
    rescind(offer);
  }
  while (!agent.tasks.empty()) {
    auto& [task_key, task] = *agent.tasks.begin();
    Framework& framework = at(task.framework);
    if (is_terminal(task.view.state)) {
      // Its last update is still with the agent, which will send it if it ever comes back.
      end_task(agent, TaskKey(task_key));
      continue;
    }
    const bool is_aware = framework.info.capabilities.partition_aware;
    TaskStatus status = status_of(task, is_aware ? aware : unaware, why);
    status.unreachable_time = unreachable_since;
    status.message = message;
    release_task(agent, task);
    if (unreachable_since) {
      // It may come back with its agent, so its id stays taken.
      TaskView view = view_of(task);
      view.state = status.state;
      framework.unreachable[task.view.id] = std::move(view);
      if (framework.unreachable.size() > options_.unreachable_tasks_per_framework_max) {
        framework.unreachable.erase(framework.unreachable.begin());
      }
      framework.tasks.erase(task.view.id);
      agent.tasks.erase(agent.tasks.begin());
    } else {
      task.view.state = status.state;
      task.view.statuses.push_back(status);
      ++counters_.tasks_ended[status.state];
      end_task(agent, TaskKey(task_key));
    }
    changed(framework);
    tell(framework, Update{std::move(status)});
  }
  while (!agent.executors.empty()) {
    end_executor(agent, ExecutorKey(agent.executors.begin()->first));
  }
  if (booked) {
    allocate(allocator::RemoveAgent{key});
    ledger_.remove_agent(key);
  }
  set_timer(agent.next_ping, Instant::max(), TimerKind::ping, key.value());
  set_timer(agent.silence_end, Instant::max(), TimerKind::silence, key.value());
  agent_streams_.erase(agent.stream);
  if (agent.waiting) {
    agent_streams_.erase(agent.waiting->stream);
  }
  const auto address = agent_addresses_.find({agent.info->ip, agent.info->port});
  if (address != agent_addresses_.end() && address->second == key) {
    agent_addresses_.erase(address);
  }
  agent_keys_.erase(id);
  agents_.erase(key);
  if (!message.empty()) {
    note(NoteLevel::warning, "forgot agent " + id.value + ": " + message);
    for (const auto& [framework_key, framework] : frameworks_) {
      tell(framework, Failure{id, {}, std::nullopt});
    }
  }
}

}  // namespace synod::master::core
