// What the agent tells of itself: SUBSCRIBE, usage, pressure.
#include <algorithm>
#include <set>

#include "agent/convert.h"
#include "agent/node_parts.h"
#include "mesos/internal.h"
#include "mesos/v1.h"
#include "translate/attributes.h"
#include "translate/resources.h"

namespace synod::agent {

namespace {

namespace v1 = ::mesos::v1;
using mesos::internal::AgentCall;

double seconds_of(Duration duration) { return static_cast<double>(duration.nanos()) / 1e9; }

}  // namespace

v1::AgentInfo Node::agent_info() const {
  v1::AgentInfo info;
  info.set_hostname(hostname_);
  info.set_port(advertised_.port);
  if (!core_->agent_id().empty()) {
    info.mutable_id()->set_value(core_->agent_id());
  }
  translate::append_resources(total_, translate::Format::post_refinement,
                              *info.mutable_resources());
  translate::append_attributes(attributes_, *info.mutable_attributes());
  return info;
}

void Node::subscribe() {
  if (!master_) {
    return;
  }
  AgentCall call;
  auto* message = call.mutable_subscribe();
  *message->mutable_agent_info() = agent_info();
  message->set_ip(advertised_.host);
  message->set_boot_id(boot_id_);
  message->set_pid(static_cast<std::uint64_t>(ports_.processes.self().pid));
  if (core_->master()) {
    set_identity(*core_->master(), message->mutable_highest_seen());
  }
  const core::Pressure& pressure = core_->pressure();
  message->set_accepts_tasks(!pressure.any());
  if (pressure.any()) {
    message->set_why_not(pressure.reason);
  }
  for (const auto type :
       {v1::AgentInfo::Capability::MULTI_ROLE, v1::AgentInfo::Capability::HIERARCHICAL_ROLE,
        v1::AgentInfo::Capability::RESERVATION_REFINEMENT}) {
    message->add_capabilities()->set_type(type);
  }
  const std::string& agent_id = core_->agent_id();
  std::set<core::ExecutorKey> commands;
  for (const auto& [key, executor] : core_->executors()) {
    if (executor.spec.kind == core::ExecutorKind::command) {
      commands.insert(key);
      continue;  // made up here; no business of the master's
    }
    auto* told = message->add_executors();
    told->mutable_framework_id()->set_value(key.framework);
    told->mutable_info()->ParsePartialFromString(executor.spec.info);
    told->mutable_container_id()->set_value(to_string(executor.container));
  }
  for (const auto& [key, task] : core_->tasks()) {
    // The name of a command's executor is its task's.
    const bool command = commands.count(core::ExecutorKey{key.framework, task.executor}) != 0 ||
                         task.executor == key.task;
    if (!agent_id.empty()) {
      *message->add_tasks() = task_message(task, command, agent_id);
    }
    if (!task.updates.empty()) {
      auto* update = message->add_unacknowledged();
      update->mutable_framework_id()->set_value(key.framework);
      *update->mutable_status() =
          status_from(task.updates.front().update, key, task.executor, agent_id);
      update->set_latest_state(static_cast<v1::TaskState>(task.state));
    }
  }
  for (const auto& [id, framework] : core_->frameworks()) {
    message->add_frameworks()->ParsePartialFromString(framework.info);
  }
  link_->connect(*master_, call);
}

void Node::on_executor_message(const core::ExecutorKey& key, const std::string& data) {
  AgentCall call;
  call.set_type(AgentCall::MESSAGE);
  call.mutable_message()->mutable_framework_id()->set_value(key.framework);
  call.mutable_message()->mutable_executor_id()->set_value(key.executor);
  call.mutable_message()->set_data(data);
  link_->send(std::move(call));
}

void Node::measure_later() {
  measure_timer_ =
      ports_.lane.after(options_.measure_interval, scope_.wrap([this] { measure_now(); }));
}

void Node::measure_now() {
  auto what = std::make_shared<ToMeasure>();
  what->work_dir = options_.work_dir;
  for (const auto& [key, executor] : core_->executors()) {
    if (!executor.process) {
      continue;
    }
    ToMeasure::OfExecutor one{
        key, ports::ProcessId{executor.process->pid, executor.process->start_time}, {}};
    for (auto it = core_->tasks().lower_bound(core::TaskKey{key.framework, ""});
         it != core_->tasks().end() && it->first.framework == key.framework; ++it) {
      if (it->second.container == executor.container && it->second.process != 0 &&
          !is_terminal(it->second.state)) {
        one.commands.push_back(it->second.process);
      }
    }
    what->executors.push_back(std::move(one));
  }
  auto back = scope_.wrap([this](const Measured& result) { measured(result); });
  post_surely(ports_.lane, ports_.journal_lane,
              [what, back, host = &ports_.host, processes = &ports_.processes, lane = &ports_.lane,
               journal_lane = &ports_.journal_lane] {
                const Measured result = measure(*host, *processes, *what);
                post_surely(*journal_lane, *lane, [back, result]() mutable { back(result); });
              });
}

void Node::measured(const Measured& result) {
  before_ = std::move(last_);
  last_ = result;
  last_.at = ports_.lane.now();
  if (last_.disk) {
    disk_low_ = last_.disk->available_bytes < options_.disk_reserve_bytes;
  }
  set_pressure();
  if (core_->registered() && last_.at - reported_at_ >= options_.report_interval) {
    send_usage();
  }
  measure_later();
}

void Node::set_pressure() {
  if (!core_->recovered()) {
    return;
  }
  core::Pressure pressure;
  if (journal_full_) {
    pressure.reason = "the disk of --work_dir is full: the journal cannot be written";
  } else if (disk_low_) {
    pressure.reason = "the disk of --work_dir is almost full";
  }
  if (!(pressure == core_->pressure())) {
    step(core::PressureChanged{pressure});
  }
}

void Node::send_usage() {
  reported_at_ = ports_.lane.now();
  AgentCall call;
  call.set_type(AgentCall::USAGE);
  auto* usage = call.mutable_usage();
  usage->set_accepts_tasks(!core_->pressure().any());
  if (core_->pressure().any()) {
    usage->set_why_not(core_->pressure().reason);
  }
  auto* machine = usage->mutable_machine();
  machine->set_cpus(static_cast<std::uint32_t>((ports_.host.cpus_milli() + 999) / 1000));
  machine->set_mem_total_bytes(ports_.host.memory_bytes());
  if (last_.machine) {
    machine->set_mem_available_bytes(last_.machine->memory_available_bytes);
    machine->set_load_1m_permille(
        static_cast<std::uint64_t>(std::max(last_.machine->load_one_minute, 0.0) * 1000));
    const std::int64_t span = (last_.at - before_.at).nanos();
    if (before_.machine && span > 0) {
      const std::int64_t busy = (last_.machine->cpu_busy - before_.machine->cpu_busy).nanos();
      machine->set_cpu_busy_permille(static_cast<std::uint64_t>(std::max<std::int64_t>(busy, 0)) *
                                     1000 / static_cast<std::uint64_t>(span));
    }
  }
  if (last_.disk) {
    machine->set_disk_total_bytes(last_.disk->total_bytes);
    machine->set_disk_free_bytes(last_.disk->available_bytes);
  }
  for (const auto& [key, of] : last_.executors) {
    if (core_->executors().count(key) == 0) {
      continue;
    }
    auto* told = usage->add_executors();
    told->mutable_framework_id()->set_value(key.framework);
    told->mutable_executor_id()->set_value(key.executor);
    auto* statistics = told->mutable_statistics();
    statistics->set_timestamp(static_cast<double>(ports_.lane.wall().millis) / 1000.0);
    statistics->set_cpus_user_time_secs(seconds_of(of.cpu_user));
    statistics->set_cpus_system_time_secs(seconds_of(of.cpu_system));
    statistics->set_mem_rss_bytes(of.memory_bytes);
    statistics->set_processes(static_cast<std::uint32_t>(of.processes));
  }
  for (const auto& [key, task] : core_->tasks()) {
    if (task.process != 0 && !is_terminal(task.state)) {
      auto* told = usage->add_tasks();
      told->mutable_framework_id()->set_value(key.framework);
      told->mutable_task_id()->set_value(key.task);
      told->set_pid(static_cast<std::uint64_t>(task.process));
    }
  }
  link_->send(std::move(call));
}

}  // namespace synod::agent
