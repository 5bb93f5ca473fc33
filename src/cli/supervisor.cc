#include "cli/supervisor.h"

#include <csignal>

#include <algorithm>

namespace synod::cli {
namespace {

constexpr Duration pause_first = Duration::millis(100);
constexpr Duration pause_max = Duration::seconds(5);
constexpr Duration healthy_after = Duration::seconds(10);
constexpr Duration kill_after = Duration::seconds(3);

}  // namespace

Supervisor::Supervisor(ports::Lane& lane, ports::Processes& processes, ports::Disk& disk,
                       const UpPlan& plan, SupervisorOptions options)
    : lane_(lane), processes_(processes), disk_(disk), plan_(plan), options_(std::move(options)) {
  options_.environment["SYNOD_CLUSTER"] = plan.directory;
  for (const PlannedProcess& process : plan.processes) {
    auto child = std::make_unique<Child>();
    child->plan = &process;
    children_.push_back(std::move(child));
  }
}

Status Supervisor::start() {
  Status first;
  for (auto& child : children_) {
    Status started = spawn(*child);
    if (!started.ok() && first.ok()) {
      first = with_context("start " + child->plan->id, std::move(started).error());
    }
  }
  write_file();
  return first;
}

Status Supervisor::spawn(Child& child) {
  const PlannedProcess& plan = *child.plan;
  SYNOD_TRY(disk_.make_directories(plan.work_directory));
  ports::ProcessSpec spec;
  spec.argv = plan.command;
  spec.env = options_.environment;
  spec.directory = plan.work_directory;
  spec.new_session = true;
  spec.descriptors = {{1, ports::Descriptor::Kind::append_file, plan.log},
                      {2, ports::Descriptor::Kind::append_file, plan.log}};
  SYNOD_TRY_ASSIGN(auto started, processes_.spawn(lane_, spec));
  child.id = started->id();
  child.started = lane_.now();
  child.watch = processes_.watch(
      lane_, child.id,
      scope_.wrap([this, &child](const ports::ExitStatus& status) { ended(child, status); }));
  lane_.log().info("up", "{} started pid={} address={}", plan.id, child.id.pid, plan.address);
  return {};
}

void Supervisor::ended(Child& child, const ports::ExitStatus& status) {
  lane_.log().warning("up", "{} pid={} ended: {}", child.plan->id, child.id.pid,
                      ports::to_string(status));
  if (lane_.now() - child.started >= healthy_after) {
    child.pause = pause_first;
  }
  child.id = {};
  write_file();
  if (stopping_) {
    if (stage_ended()) {
      stop_next();
    }
    return;
  }
  if (!options_.restart) {
    return;
  }
  lane_.after(child.pause, scope_.wrap([this, &child] {
    if (stopping_ || child.id.pid != 0) {
      return;
    }
    const Status started = spawn(child);
    if (!started.ok()) {
      lane_.log().error("up", "{} cannot be started: {}", child.plan->id, started.error().message);
    }
    write_file();
  }));
  child.pause = std::min(child.pause * 2, pause_max);
}

void Supervisor::write_file() {
  ClusterFile file;
  file.supervisor = processes_.self();
  file.zk = plan_.zk;
  for (const auto& child : children_) {
    const PlannedProcess& plan = *child->plan;
    file.processes.push_back({plan.role, plan.id, child->id, plan.address, plan.log, plan.command});
  }
  const Status written = write_cluster_file(disk_, plan_.directory, file);
  if (!written.ok()) {
    lane_.log().error("up", "cluster.json not written: {}", written.error().message);
  }
}

std::size_t Supervisor::running() const {
  return static_cast<std::size_t>(std::count_if(
      children_.begin(), children_.end(), [](const auto& child) { return child->id.pid != 0; }));
}

void Supervisor::stop(std::function<void()> done) {
  stopping_ = true;
  stopped_ = std::move(done);
  stages_ = {"coordinator", "agent", "master", "services"};
  stop_next();
}

bool Supervisor::stage_ended() const {
  return stages_.empty() ||
         std::none_of(children_.begin(), children_.end(), [&](const auto& child) {
           return child->plan->role == stages_.back() && child->id.pid != 0;
         });
}

// Called at the start and whenever a stage has ended: moves on to the next role that still runs.
void Supervisor::stop_next() {
  while (!stages_.empty() && stage_ended()) {
    stages_.pop_back();
  }
  if (stages_.empty()) {
    if (stopped_) {
      std::exchange(stopped_, nullptr)();
    }
    return;
  }
  signal_stage(SIGTERM);
  lane_.after(kill_after, scope_.wrap([this, role = stages_.back()] {
    if (!stages_.empty() && stages_.back() == role) {
      signal_stage(SIGKILL);
    }
  }));
}

void Supervisor::signal_stage(int number) {
  for (const auto& child : children_) {
    if (child->plan->role == stages_.back() && child->id.pid != 0) {
      const Status sent = processes_.signal(child->id, number);
      (void)sent.ok();  // it may have ended a moment ago: the watch tells
    }
  }
}

}  // namespace synod::cli
