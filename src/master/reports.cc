#include "master/reports.h"

#include "mesos/internal.h"

namespace synod::master {

namespace {

constexpr double mib = 1024.0 * 1024.0;

double mib_between(std::uint64_t total, std::uint64_t free) {
  return total > free ? static_cast<double>(total - free) / mib : 0.0;
}

UsedBy used_by(const mesos::v1::ResourceStatistics& now, const UsedBy* before) {
  UsedBy out;
  out.at_seconds = now.timestamp();
  out.cpu_seconds = now.cpus_user_time_secs() + now.cpus_system_time_secs();
  out.mem_mib = static_cast<double>(now.mem_rss_bytes()) / mib;
  if (before != nullptr && out.at_seconds > before->at_seconds) {
    out.cpus = (out.cpu_seconds - before->cpu_seconds) / (out.at_seconds - before->at_seconds);
  }
  return out;
}

void take_usage(const mesos::internal::AgentCall::Usage& usage, AgentReport& out) {
  const auto& machine = usage.machine();
  out.cpus_used = static_cast<double>(machine.cpu_busy_permille()) / 1000.0;
  out.mem_used_mib = mib_between(machine.mem_total_bytes(), machine.mem_available_bytes());
  out.disk_used_mib = mib_between(machine.disk_total_bytes(), machine.disk_free_bytes());
  std::map<AgentReport::Key, UsedBy> executors;
  for (const auto& executor : usage.executors()) {
    const AgentReport::Key key{{executor.framework_id().value()}, executor.executor_id().value()};
    const auto before = out.executors.find(key);
    executors[key] =
        used_by(executor.statistics(), before == out.executors.end() ? nullptr : &before->second);
  }
  out.executors = std::move(executors);
  if (usage.tasks_size() > 0) {
    out.task_pids.clear();
  }
  for (const auto& task : usage.tasks()) {
    out.task_pids[{{task.framework_id().value()}, task.task_id().value()}] = task.pid();
  }
}

void take_update(const mesos::internal::StatusUpdate& update, AgentReport& out) {
  const AgentReport::Key key{{update.framework_id().value()}, update.status().task_id().value()};
  if (core::is_terminal(static_cast<core::TaskState>(update.latest_state()))) {
    out.task_pids.erase(key);
  } else if (update.status().container_status().has_executor_pid()) {
    out.task_pids[key] = update.status().container_status().executor_pid();
  }
}

}  // namespace

void AgentReports::subscribed(core::Stream stream, const mesos::internal::AgentCall& call) {
  AgentReport& report = reports_[stream];
  report.pid = call.subscribe().pid();
  for (const auto& task : call.subscribe().tasks()) {
    for (const auto& status : task.statuses()) {
      if (status.container_status().has_executor_pid()) {
        report.task_pids[{{task.framework_id().value()}, task.task_id().value()}] =
            status.container_status().executor_pid();
      }
    }
  }
}

void AgentReports::registered(core::Stream stream, const core::AgentId& agent) {
  streams_[agent] = stream;
  reports_[stream].agent = agent;
}

void AgentReports::heard(core::Stream stream, const mesos::internal::AgentCall& call) {
  auto it = reports_.find(stream);
  if (it == reports_.end()) {
    return;
  }
  if (call.has_usage()) {
    take_usage(call.usage(), it->second);
  } else if (call.has_update()) {
    take_update(call.update().update(), it->second);
  }
}

void AgentReports::closed(core::Stream stream) {
  const auto report = reports_.find(stream);
  if (report == reports_.end()) {
    return;
  }
  // The agent may have another stream by now.
  const auto current = streams_.find(report->second.agent);
  if (current != streams_.end() && current->second == stream) {
    streams_.erase(current);
  }
  reports_.erase(report);
}

const AgentReport* AgentReports::find(const core::AgentId& agent) const {
  auto stream = streams_.find(agent);
  auto it = stream == streams_.end() ? reports_.end() : reports_.find(stream->second);
  return it == reports_.end() ? nullptr : &it->second;
}

}  // namespace synod::master
