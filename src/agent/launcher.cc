#include "agent/launcher.h"

#include "agent/convert.h"
#include "mesos/v1.h"

namespace synod::agent {

namespace {

namespace v1 = ::mesos::v1;

constexpr Duration sweep_interval = Duration::millis(20);
constexpr std::size_t end_size_max = 1 << 20;

// Into a file of the kernel's, which neither grows nor needs a flush.
Status write_kernel_file(ports::Disk& disk, const containerizer::FileWrite& write) {
  SYNOD_TRY_ASSIGN(const auto file, disk.open(write.path, ports::OpenMode::write));
  return file->write_at(0, write.content);
}

// Such files have no size of their own.
Result<Bytes> read_kernel_file(ports::Disk& disk, const std::string& path) {
  SYNOD_TRY_ASSIGN(const auto file, disk.open(path, ports::OpenMode::read));
  return file->read_at(0, 64 << 10);
}

Status prepare(ports::Disk& disk, const containerizer::Plan& plan) {
  for (const std::string& directory : plan.directories) {
    SYNOD_TRY(disk.make_directories(directory));
  }
  if (!plan.sandbox_owner.empty()) {
    SYNOD_TRY(disk.set_owner(plan.sandbox, plan.sandbox_owner));
  }
  for (const std::string& directory : plan.cgroups.directories) {
    SYNOD_TRY(disk.make_directories(directory));
  }
  for (const containerizer::FileWrite& write : plan.cgroups.writes) {
    SYNOD_TRY(write_kernel_file(disk, write));
  }
  return {};
}

std::optional<Bytes> read_end(ports::Disk& disk, const std::string& sandbox) {
  auto bytes = ports::read_file(disk, containerizer::end_file(sandbox), end_size_max);
  return bytes.ok() ? std::optional<Bytes>(std::move(*bytes)) : std::nullopt;
}

void ignore(const Status&) {}  // the next round tries again

}  // namespace

void post_surely(ports::Lane& from, ports::Lane& to, std::function<void()> task) {
  if (!to.try_post(task)) {
    from.after(Duration::millis(10), [&from, &to, task] { post_surely(from, to, task); });
  }
}

void sweep_and_read(ports::Lane& lane, ports::Disk& disk, ports::Processes& processes,
                    const containerizer::Cgroups& cgroups, const std::string& container_id,
                    const std::string& sandbox,
                    const std::function<void(std::optional<Bytes>)>& done) {
  if (!sweep_container(disk, processes, cgroups, container_id)) {
    lane.after(sweep_interval, [&lane, &disk, &processes, cgroups, container_id, sandbox, done] {
      sweep_and_read(lane, disk, processes, cgroups, container_id, sandbox, done);
    });
    return;
  }
  done(read_end(disk, sandbox));
}

bool sweep_container(ports::Disk& disk, ports::Processes& processes,
                     const containerizer::Cgroups& cgroups, const std::string& container_id) {
  const containerizer::Destruction plan = containerizer::plan_destruction(cgroups, container_id);
  for (const auto& write : plan.freeze) {
    ignore(write_kernel_file(disk, write));
  }
  bool empty = true;
  for (const auto& write : plan.kill) {
    ignore(write_kernel_file(disk, write));
  }
  for (const std::string& path : plan.process_lists) {
    if (auto text = read_kernel_file(disk, path); text.ok()) {
      for (const std::int64_t pid : containerizer::parse_process_list(*text)) {
        empty = false;
        if (auto id = processes.find(pid); id.ok()) {
          ignore(processes.signal(*id, ports::signal_kill));
        }
      }
    }
  }
  for (const auto& process :
       processes.find_by_environment(containerizer::container_variable, container_id)) {
    empty = false;
    ignore(processes.signal(process.id, ports::signal_kill));
  }
  for (const auto& write : plan.thaw) {
    ignore(write_kernel_file(disk, write));
  }
  if (empty) {
    for (const std::string& directory : plan.directories) {
      const auto there = disk.exists(directory);
      if (there.ok() && *there && !disk.remove(directory).ok()) {
        empty = false;  // a process on its way out still holds it
      }
    }
  }
  return empty;
}

struct Launcher::Container {
  core::ContainerId id;
  std::string sandbox;
  std::unique_ptr<ports::Child> child;
  std::optional<ports::ProcessId> process;
  std::unique_ptr<ports::ProcessWatch> watch;
  core::WaitStatus status;
  bool destroying = false;  // asked to end
  bool sweeping = false;    // its process has ended
};

Launcher::Launcher(const LauncherPorts& ports, containerizer::Options options, std::string boot_id,
                   Report report)
    : ports_(ports),
      options_(std::move(options)),
      boot_id_(std::move(boot_id)),
      report_(std::move(report)) {}

Launcher::~Launcher() = default;

void Launcher::spawn(const core::Spawn& effect, const std::string& agent_id) {
  const core::ContainerId id = effect.container;
  auto container = std::make_unique<Container>();
  container->id = id;
  v1::FrameworkInfo framework;
  framework.ParsePartialFromString(effect.framework.info);
  v1::ExecutorInfo executor;
  executor.ParsePartialFromString(effect.executor.info);
  std::vector<v1::TaskInfo> tasks;
  for (const core::TaskSpec& task : effect.tasks) {
    tasks.emplace_back().ParsePartialFromString(task.info);
  }
  const containerizer::SandboxKey key{agent_id, effect.executor.key.framework,
                                      effect.executor.key.executor, to_string(id)};
  auto plan = containerizer::plan(
      options_, containerizer::Request{key,
                                       effect.executor.kind == core::ExecutorKind::command
                                           ? containerizer::RunKind::command
                                           : containerizer::RunKind::custom,
                                       framework, executor, tasks});
  if (!plan.ok()) {
    containers_[id] = std::move(container);
    failed(
        id,
        plan.error().invalid ? core::Reason::task_invalid : core::Reason::container_launch_failed,
        plan.error().message);
    return;
  }
  container->sandbox = plan->sandbox;
  containers_[id] = std::move(container);
  // There and back: the directories are the journal Lane's to make.
  auto back =
      scope_.wrap([this, id](const Result<containerizer::Plan>& made) { prepared(id, made); });
  post_surely(ports_.lane, ports_.journal_lane,
              [disk = &ports_.disk, lane = &ports_.lane, journal_lane = &ports_.journal_lane,
               plan = *plan, back] {
                const Status done = prepare(*disk, plan);
                const Result<containerizer::Plan> result =
                    done.ok() ? Result<containerizer::Plan>(plan)
                              : Result<containerizer::Plan>(done.error());
                post_surely(*journal_lane, *lane, [back, result]() mutable { back(result); });
              });
}

void Launcher::prepared(const core::ContainerId& id, const Result<containerizer::Plan>& plan) {
  const auto it = containers_.find(id);
  if (it == containers_.end()) {
    return;
  }
  Container& container = *it->second;
  if (!plan.ok()) {
    tidy(id);
    failed(id, core::Reason::container_launch_failed, "sandbox: " + plan.error().message);
    return;
  }
  auto child = ports_.processes.spawn(ports_.lane, plan->process);
  if (!child.ok()) {
    tidy(id);
    failed(id, core::Reason::container_launch_failed, child.error().message);
    return;
  }
  container.child = std::move(*child);
  container.process = container.child->id();
  watch_process(container);
  report_(core::Spawned{
      id, core::ProcessRef{container.process->pid, container.process->start_time, boot_id_}});
}

void Launcher::failed(const core::ContainerId& id, core::Reason reason, const std::string& why) {
  ports_.lane.after(Duration(), scope_.wrap([this, id, reason, why] {
    containers_.erase(id);
    report_(core::SpawnFailed{id, reason, why});
  }));
}

// Takes away the cgroups of a start that failed.
void Launcher::tidy(const core::ContainerId& id) {
  post_surely(ports_.lane, ports_.journal_lane,
              [journal_lane = &ports_.journal_lane, disk = &ports_.disk,
               processes = &ports_.processes, cgroups = options_.cgroups, text = to_string(id)] {
                sweep_and_read(*journal_lane, *disk, *processes, cgroups, text, "",
                               [](const std::optional<Bytes>&) {});
              });
}

void Launcher::release(const core::ContainerId& id) {
  const auto it = containers_.find(id);
  if (it == containers_.end() || it->second->child == nullptr) {
    return;
  }
  Container& container = *it->second;
  const Status released = container.child->release();
  container.child.reset();
  if (!released.ok()) {
    container.watch.reset();
    tidy(id);
    failed(id, core::Reason::container_launch_failed, released.error().message);
  }
}

void Launcher::watch(const core::ContainerId& id, const core::ProcessRef& process,
                     const containerizer::SandboxKey& key) {
  auto container = std::make_unique<Container>();
  container->id = id;
  container->sandbox = containerizer::sandbox_directory(options_.work_dir, key);
  container->process = ports::ProcessId{process.pid, process.start_time};
  watch_process(*container);
  containers_[id] = std::move(container);
}

void Launcher::watch_process(Container& container) {
  container.watch = ports_.processes.watch(
      ports_.lane, *container.process,
      scope_.wrap(
          [this, id = container.id](const ports::ExitStatus& status) { on_exit(id, status); }));
}

void Launcher::destroy(const core::ContainerId& id) {
  const auto it = containers_.find(id);
  if (it == containers_.end() || it->second->sweeping || !it->second->process) {
    return;
  }
  Container& container = *it->second;
  container.destroying = true;
  // One that still waits at its barrier ends by losing us; any other by the signal.
  container.child.reset();
  ignore(ports_.processes.signal_group(*container.process, ports::signal_kill));
  ignore(ports_.processes.signal(*container.process, ports::signal_kill));
}

void Launcher::on_exit(const core::ContainerId& id, const ports::ExitStatus& status) {
  const auto it = containers_.find(id);
  if (it == containers_.end() || it->second->sweeping) {
    return;
  }
  Container& container = *it->second;
  container.status = wait_status(status);
  container.sweeping = true;
  auto back = scope_.wrap([this, id](const std::optional<Bytes>& end) { swept(id, end); });
  post_surely(ports_.lane, ports_.journal_lane,
              [lane = &ports_.lane, journal_lane = &ports_.journal_lane, disk = &ports_.disk,
               processes = &ports_.processes, cgroups = options_.cgroups, text = to_string(id),
               sandbox = container.sandbox, back] {
                sweep_and_read(*journal_lane, *disk, *processes, cgroups, text, sandbox,
                               [lane, journal_lane, back](const std::optional<Bytes>& end) {
                                 post_surely(*journal_lane, *lane,
                                             [back, end]() mutable { back(end); });
                               });
              });
}

void Launcher::swept(const core::ContainerId& id, const std::optional<Bytes>& end) {
  const auto it = containers_.find(id);
  if (it == containers_.end()) {
    return;
  }
  core::ContainerGone gone{id, it->second->status, std::nullopt};
  if (end) {
    gone.exit = task_exit_from(*end);
    // Seen by nobody but its own watcher: an executor that outlived an agent.
    if (!gone.status.code && !gone.status.signal) {
      gone.status = wait_status_from_end(*end);
    }
  }
  containers_.erase(it);
  report_(std::move(gone));
}

}  // namespace synod::agent
