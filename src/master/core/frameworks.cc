// Frameworks: subscription, failover, disconnection, end.
#include <algorithm>

#include "base/check.h"
#include "master/core/core.h"
#include "master/core/validate.h"

namespace synod::master::core {

using State = FrameworkView::State;

namespace {

// Roles that cannot be are somebody's invention; what runs is booked all the same, in "*".
FrameworkInfo with_possible_roles(FrameworkInfo info) {
  if (validate_framework(info, {}, {}, true)) {
    info.role.reset();
    info.multi_roles.clear();
    info.capabilities.multi_role = false;
  }
  return info;
}

}  // namespace

Core::Framework* Core::find(const FrameworkId& id) {
  const auto it = framework_keys_.find(id);
  return it == framework_keys_.end() ? nullptr : &frameworks_.at(it->second);
}

const Core::Framework* Core::find(const FrameworkId& id) const {
  const auto it = framework_keys_.find(id);
  return it == framework_keys_.end() ? nullptr : &frameworks_.at(it->second);
}

Core::Framework& Core::at(FrameworkKey key) {
  const auto it = frameworks_.find(key);
  SYNOD_CHECK(it != frameworks_.end());
  return it->second;
}

bool Core::is_completed(const FrameworkId& id) const {
  return std::any_of(completed_.begin(), completed_.end(),
                     [&](const auto& view) { return view->id == id; });
}

void Core::tell(const Framework& framework, decltype(ToFramework::body) body) {
  if (framework.state == State::connected) {
    effects_->push_back(
        ToFramework{framework.stream, framework.info.capabilities, std::move(body)});
  }
}

allocator::AddFramework Core::for_allocator(const Framework& framework, bool active) const {
  allocator::AddFramework added;
  added.framework = framework.key;
  added.roles = framework.info.roles();
  added.suppressed = framework.suppressed;
  added.active = active;
  added.revocable_resources = framework.info.capabilities.revocable_resources;
  added.gpu_resources = framework.info.capabilities.gpu_resources;
  added.shared_resources = framework.info.capabilities.shared_resources;
  added.reservation_refinement = framework.info.capabilities.reservation_refinement;
  return added;
}

// Known to all parts, but not connected yet.
Core::Framework& Core::add_framework(const FrameworkId& id, const FrameworkInfo& info) {
  const FrameworkKey key(++keys_made_);
  Framework& framework = frameworks_[key];
  framework.key = key;
  framework.id = id;
  framework.info = info;
  framework.state = State::recovered;
  framework.registered_at = wall_;
  SYNOD_CHECK(framework_keys_.emplace(id, key).second);
  allocate(for_allocator(framework, false));
  return framework;
}

void Core::recover_framework(const FrameworkRecord& record) {
  if (find(record.id) != nullptr || is_completed(record.id)) {
    return;
  }
  if (record.state == FrameworkRecord::State::completed) {
    auto view = std::make_shared<FrameworkView>();
    view->id = record.id;
    view->state = State::completed;
    view->info = record.info;
    view->unregistered_at = record.since;
    remember_completed(std::move(view));
    return;
  }
  Framework& framework = add_framework(record.id, with_possible_roles(record.info));
  const Duration timeout = record.info.failover_timeout.value_or(Duration());
  // One that was connected when the old master fell did not go away by itself: it gets at least as
  // long as the agents to come back. One that was gone already keeps what is left of its time.
  Duration left = std::max(timeout, options_.agent_reregister_timeout);
  if (record.state == FrameworkRecord::State::disconnected) {
    const Duration gone =
        Duration::millis(std::max<std::int64_t>(0, wall_.millis - record.since.millis));
    left = std::max(Duration(), timeout - gone);
    framework.state = State::disconnected;
  }
  wait_for(framework, left);
}

// For it to come back. Instants beyond a hundred years would pass the end of time.
void Core::wait_for(Framework& framework, Duration timeout) {
  const Duration longest = Duration::seconds(std::int64_t{100} * 365 * 86'400);
  set_timer(framework.failover_end, now_ + std::min(timeout, longest), TimerKind::failover,
            framework.key.value());
}

// A framework that only an agent knows: its record was lost, or another version wrote it.
Core::Framework& Core::reported_framework(const ReportedFramework& report) {
  if (Framework* known = find(report.id)) {
    return *known;
  }
  Framework& framework = add_framework(report.id, with_possible_roles(report.info));
  const Duration timeout = report.info.failover_timeout.value_or(Duration());
  wait_for(framework, std::max(timeout, options_.agent_reregister_timeout));
  return framework;
}

std::optional<std::string> Core::refuse_subscription(const Subscribe& event) const {
  if (Violation broken = validate_framework(event.info, event.suppressed_roles,
                                            options_.role_whitelist, options_.root_submissions)) {
    return broken;
  }
  if (event.id.empty()) {
    return std::nullopt;
  }
  if (Violation broken = id_violation("the framework id", event.id.value)) {
    return broken;
  }
  if (is_completed(event.id)) {
    return "Framework has been removed";
  }
  const Framework* known = find(event.id);
  return known == nullptr ? std::nullopt : validate_change(known->info, event.info);
}

void Core::on(const Subscribe& event) {
  if (std::optional<std::string> why = refuse_subscription(event)) {
    effects_->push_back(ToFramework{event.stream, event.info.capabilities, FrameworkError{*why}});
    effects_->push_back(CloseStream{event.stream, *why});
    note(NoteLevel::warning, "refused framework '" + event.info.name + "': " + *why);
    return;
  }
  FrameworkId id = event.id;
  if (id.empty()) {
    std::string number = std::to_string(next_framework_++);
    number.insert(0, number.size() < 4 ? 4 - number.size() : 0, '0');
    id.value = options_.master_id + "-" + number;
  }
  FrameworkInfo info = event.info;
  Framework* known = find(id);
  if (known != nullptr) {
    // These two may not change; the old ones are kept without a word.
    info.user = known->info.user;
    info.checkpoint = known->info.checkpoint;
    known->reregistered_at = wall_;
    if (known->state == State::connected) {
      tell(*known, FrameworkError{"Framework failed over"});
      effects_->push_back(CloseStream{known->stream, "the framework failed over"});
    }
  }
  connect(known != nullptr ? *known : add_framework(id, info), event, info);
}

void Core::connect(Framework& framework, const Subscribe& event, const FrameworkInfo& info) {
  framework_streams_.erase(framework.stream);
  const std::set<OfferKey> old = framework.offers;
  for (const OfferKey offer : old) {
    give_back(offer, std::nullopt);
  }
  framework.info = info;
  framework.suppressed = event.suppressed_roles;
  framework.stream = event.stream;
  framework.state = State::connected;
  framework_streams_[event.stream] = framework.key;
  set_timer(framework.failover_end, Instant::max(), TimerKind::failover, framework.key.value());
  allocate(allocator::SetFrameworkActive{framework.key, false});
  allocate(allocator::UpdateFramework{for_allocator(framework, false)});
  record(framework);
  tell(framework, Subscribed{framework.id});
  allocate(allocator::SetFrameworkActive{framework.key, true});
  std::set<AgentKey> agents;
  for (const auto& [task, agent] : framework.tasks) {
    agents.insert(agent);
  }
  for (const AgentKey agent : agents) {
    tell(at(agent), UpdateFramework{framework.id, framework.info});
  }
  changed(framework);
  note(NoteLevel::info,
       "framework " + framework.id.value + " '" + framework.info.name +
           (framework.reregistered_at == WallTime() ? "' subscribed" : "' subscribed again"));
}

void Core::disconnect(Framework& framework) {
  framework_streams_.erase(framework.stream);
  framework.stream = Stream();
  framework.state = State::disconnected;
  const std::set<OfferKey> old = framework.offers;
  for (const OfferKey offer : old) {
    give_back(offer, std::nullopt);
  }
  allocate(allocator::SetFrameworkActive{framework.key, false});
  changed(framework);
  const Duration timeout = framework.info.failover_timeout.value_or(Duration());
  note(NoteLevel::info, "framework " + framework.id.value + " disconnected; it has " +
                            std::to_string(timeout.millis()) + " ms to come back");
  if (timeout <= Duration()) {
    remove_framework(framework.key, "it disconnected and has no failover timeout");
    return;
  }
  record(framework);
  wait_for(framework, timeout);
}

// What the registry keeps, so that the next master knows how long to wait.
void Core::record(const Framework& framework) {
  FrameworkRecord kept;
  kept.id = framework.id;
  kept.info = framework.info;
  kept.since = wall_;
  kept.state = framework.state == State::connected ? FrameworkRecord::State::connected
                                                   : FrameworkRecord::State::disconnected;
  ask_registry(PutFramework{std::move(kept)}, {});
}

void Core::on(const Teardown& event) {
  if (const Framework* framework = find(event.framework)) {
    remove_framework(framework->key, "it was torn down");
  }
}

void Core::on(const OperatorTeardown& event) {
  if (const Framework* framework = find(event.framework)) {
    remove_framework(framework->key, "the operator tore it down");
  }
}

void Core::remove_framework(FrameworkKey key, const std::string& why) {
  Framework& framework = at(key);
  note(NoteLevel::info, "removed framework " + framework.id.value + ": " + why);
  const std::set<OfferKey> old = framework.offers;
  for (const OfferKey offer : old) {
    give_back(offer, std::nullopt);
  }
  std::set<AgentKey> agents;
  for (const auto& [agent, count] : framework.executors) {
    agents.insert(agent);
  }
  const std::map<TaskId, AgentKey> tasks = framework.tasks;
  for (const auto& [id, agent_key] : tasks) {
    agents.insert(agent_key);
    Agent& agent = at(agent_key);
    Task& task = agent.tasks.at({key, id});
    if (!is_terminal(task.view.state)) {
      take_status(agent, task, status_of(task, TaskState::killed, reason::framework_removed),
                  TaskState::killed);
    }
    end_task(agent, {key, id});
  }
  for (const AgentKey agent_key : agents) {
    Agent& agent = at(agent_key);
    for (auto it = agent.executors.lower_bound({key, {}});
         it != agent.executors.end() && it->first.first == key;) {
      const ExecutorKey executor = it->first;
      ++it;
      end_executor(agent, executor);
    }
    tell(agent, Shutdown{framework.id, {}, why});
  }
  set_timer(framework.failover_end, Instant::max(), TimerKind::failover, key.value());
  allocate(allocator::RemoveFramework{key});
  if (framework.state == State::connected) {
    effects_->push_back(CloseStream{framework.stream, why});
    framework_streams_.erase(framework.stream);
  }
  auto view = std::make_shared<FrameworkView>(*make_piece(framework));
  view->state = State::completed;
  view->unregistered_at = wall_;
  FrameworkRecord kept{framework.id, FrameworkRecord::State::completed, wall_, framework.info};
  ask_registry(PutFramework{std::move(kept)}, {});
  framework_keys_.erase(framework.id);
  frameworks_.erase(key);
  remember_completed(std::move(view));
}

void Core::remember_completed(std::shared_ptr<const FrameworkView> view) {
  completed_.push_back(std::move(view));
  while (completed_.size() > options_.completed_frameworks_max) {
    ask_registry(RemoveFramework{completed_.front()->id}, {});
    completed_.pop_front();
  }
}

bool Core::roles_are_its(const Framework& framework, const std::vector<std::string>& roles) const {
  const std::vector<std::string> its = framework.info.roles();
  return std::all_of(roles.begin(), roles.end(), [&](const std::string& role) {
    return std::find(its.begin(), its.end(), role) != its.end();
  });
}

void Core::on(const Revive& event) {
  Framework* framework = find(event.framework);
  if (framework == nullptr || !roles_are_its(*framework, event.roles)) {
    return;  // a call with any role that is not its own is dropped as a whole
  }
  for (const std::string& role : event.roles.empty() ? framework->info.roles() : event.roles) {
    framework->suppressed.erase(role);
  }
  changed(*framework);
  allocate(allocator::Revive{framework->key, event.roles});
}

void Core::on(const Suppress& event) {
  Framework* framework = find(event.framework);
  if (framework == nullptr || !roles_are_its(*framework, event.roles)) {
    return;
  }
  for (const std::string& role : event.roles.empty() ? framework->info.roles() : event.roles) {
    framework->suppressed.insert(role);
  }
  changed(*framework);
  allocate(allocator::Suppress{framework->key, event.roles});
}

}  // namespace synod::master::core
