#include "machine/processes.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <mutex>
#include <thread>

#include "machine/lane.h"
#include "machine/proc.h"
#include "machine/spawn.h"
#include "machine/stream.h"
#include "machine/watch.h"

namespace synod::machine {
namespace {

constexpr std::size_t ended_max = 4096;

Descriptor open_pidfd(std::int64_t pid) {
  return Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0)));
}

bool runs(const std::optional<ProcessStat>& stat) {
  return stat && stat->state != 'Z' && stat->state != 'X';
}

// Shared by the watcher's Lane, which alone touches it but for the moving about, and the reaper.
struct WatchState {
  ThreadLane* lane;
  ports::Processes::Exited exited;  // empty: nobody listens any more
};

void notify(const std::shared_ptr<WatchState>& watch, const ports::ExitStatus& status) {
  ThreadLane* lane = watch->lane;
  lane->post([watch, status] {
    if (watch->exited) {
      const auto exited = std::exchange(watch->exited, nullptr);
      exited(status);
    }
  });
}

class KernelWatch final : public ports::ProcessWatch {
 public:
  explicit KernelWatch(std::shared_ptr<WatchState> state) : state_(std::move(state)) {}
  ~KernelWatch() override { state_->exited = nullptr; }

 private:
  std::shared_ptr<WatchState> state_;  // the reaper may still hold it
};

// Waits for processes. Everything happens on its own thread.
class Reaper {
 public:
  explicit Reaper(Log& log) : lane_("reaper", log), thread_([this] { lane_.run(); }) {
    ::pthread_setname_np(thread_.native_handle(), "reaper");
  }

  ~Reaper() {
    lane_.stop();
    thread_.join();
    lane_.end();
  }

  // From any thread. A child of ours, just started.
  void adopt(ports::ProcessId id, Descriptor pidfd) {
    lane_.post(
        [this, id, fd = std::move(pidfd)]() mutable { begin(id, std::move(fd), Kinship::child); });
  }

  // From any thread.
  void watch(ports::ProcessId id, std::shared_ptr<WatchState> state) {
    lane_.post([this, id, watch = std::move(state)] { add_watch(id, watch); });
  }

 private:
  enum class Kinship { child, stranger };

  struct Entry {
    explicit Entry(ThreadLane& lane) : waiter(lane) {}
    Descriptor pidfd;
    Waiter waiter;  // closed before the pidfd is
    Kinship kinship = Kinship::stranger;
    std::vector<std::shared_ptr<WatchState>> watches;
  };

  void begin(ports::ProcessId id, Descriptor pidfd, Kinship kinship) {
    auto entry = std::make_unique<Entry>(lane_);
    entry->kinship = kinship;
    entry->pidfd = std::move(pidfd);
    entry->waiter.assign(entry->pidfd.get());
    entry->waiter.wait_readable([this, id] { on_exit(id); });
    entries_[id] = std::move(entry);
  }

  void add_watch(ports::ProcessId id, const std::shared_ptr<WatchState>& watch) {
    if (const auto ended = ended_.find(id); ended != ended_.end()) {
      notify(watch, ended->second);
      return;
    }
    if (!entries_.contains(id)) {
      Descriptor pidfd = open_pidfd(id.pid);
      const auto stat = stat_of(id.pid);  // after the pidfd: both mean the same process
      if (!pidfd.is_open() || !runs(stat) || stat->start_time != id.start_time) {
        notify(watch, ports::ExitStatus{});
        return;
      }
      begin(id, std::move(pidfd), Kinship::stranger);
    }
    entries_[id]->watches.push_back(watch);
  }

  void on_exit(ports::ProcessId id) {
    const auto found = entries_.find(id);
    const std::unique_ptr<Entry> entry = std::move(found->second);
    entries_.erase(found);
    const ports::ExitStatus status =
        entry->kinship == Kinship::child ? reap(id) : ports::ExitStatus{};
    if (entry->kinship == Kinship::child) {
      ended_[id] = status;
      order_.push_back(id);
      if (order_.size() > ended_max) {
        ended_.erase(order_.front());
        order_.pop_front();
      }
    }
    for (const auto& watch : entry->watches) {
      notify(watch, status);
    }
  }

  static ports::ExitStatus reap(ports::ProcessId id) {
    int status = 0;
    pid_t got = 0;
    do {
      got = ::waitpid(static_cast<pid_t>(id.pid), &status, 0);
    } while (got < 0 && errno == EINTR);
    ports::ExitStatus result;
    if (got > 0 && WIFEXITED(status)) {
      result.code = WEXITSTATUS(status);
    } else if (got > 0 && WIFSIGNALED(status)) {
      result.signal = WTERMSIG(status);
    }
    return result;
  }

  ThreadLane lane_;
  std::map<ports::ProcessId, std::unique_ptr<Entry>> entries_;
  std::map<ports::ProcessId, ports::ExitStatus> ended_;
  std::deque<ports::ProcessId> order_;  // of ended_, oldest first
  std::thread thread_;
};

class KernelChild final : public ports::Child {
 public:
  explicit KernelChild(SpawnedProcess process) : process_(std::move(process)) {}

  ports::ProcessId id() const override { return process_.id; }
  Status release() override { return release_process(process_); }
  std::unique_ptr<ports::Stream> take_pipe(int number) override {
    auto node = process_.pipes.extract(number);
    if (node.empty()) {
      return nullptr;
    }
    return make_stream(make_pipe_transport(std::move(node.mapped())), ports::Peer{});
  }

 private:
  SpawnedProcess process_;
};

class KernelProcesses final : public ports::Processes {
 public:
  explicit KernelProcesses(Log& log) : log_(log) {}

  Result<std::unique_ptr<ports::Child>> spawn(ports::Lane&,
                                              const ports::ProcessSpec& spec) override {
    SYNOD_TRY_ASSIGN(SpawnedProcess process, spawn_process(spec));
    reaper().adopt(process.id, std::move(process.pidfd));
    return std::unique_ptr<ports::Child>(std::make_unique<KernelChild>(std::move(process)));
  }

  std::unique_ptr<ports::ProcessWatch> watch(ports::Lane& lane, ports::ProcessId id,
                                             Exited exited) override {
    auto state = std::make_shared<WatchState>(
        WatchState{static_cast<ThreadLane*>(&lane), std::move(exited)});
    reaper().watch(id, state);
    return std::make_unique<KernelWatch>(std::move(state));
  }

  Status signal(ports::ProcessId id, int number) override {
    const Descriptor pidfd = open_pidfd(id.pid);
    if (!pidfd.is_open() || !alive(id)) {
      return gone(id);
    }
    return ::syscall(SYS_pidfd_send_signal, pidfd.get(), number, nullptr, 0) == 0
               ? Status()
               : Status(last_error("signal " + std::to_string(id.pid)));
  }

  Status signal_group(ports::ProcessId id, int number) override {
    // While a group lives its number is given to no new process: another start time under the
    // leader's pid means that the group is gone, no process under it may mean that it lives on.
    const auto stat = stat_of(id.pid);
    if (id.pid <= 1 || (stat && stat->start_time != id.start_time)) {
      return gone(id);
    }
    return ::kill(static_cast<pid_t>(-id.pid), number) == 0
               ? Status()
               : Status(last_error("signal group " + std::to_string(id.pid)));
  }

  Result<ports::ProcessId> find(std::int64_t pid) override {
    const auto stat = stat_of(pid);
    if (!runs(stat)) {
      return gone({pid, 0});
    }
    return ports::ProcessId{pid, stat->start_time};
  }

  bool alive(ports::ProcessId id) override {
    const auto stat = stat_of(id.pid);
    return runs(stat) && stat->start_time == id.start_time;
  }

  std::vector<ports::RunningProcess> find_by_environment(const std::string& name,
                                                         const std::string& value) override {
    const std::string wanted = name + "=" + value;
    std::vector<ports::RunningProcess> found;
    for (const std::int64_t pid : all_pids()) {
      const std::string place = "/proc/" + std::to_string(pid);
      const auto stat = stat_of(pid);
      const auto environment = read_kernel_file(place + "/environ");
      if (!runs(stat) || !environment.ok()) {
        continue;
      }
      const auto assignments = split_zero_ended(*environment);
      if (std::find(assignments.begin(), assignments.end(), wanted) == assignments.end()) {
        continue;
      }
      auto command = read_kernel_file(place + "/cmdline");
      found.push_back(
          {{pid, stat->start_time}, split_zero_ended(command.ok() ? *command : std::string())});
    }
    return found;
  }

  ports::ProcessId self() const override {
    const auto stat = stat_of(::getpid());
    return {::getpid(), stat ? stat->start_time : 0};
  }

 private:
  static Error gone(ports::ProcessId id) {
    return Error{ErrorCode::not_found, "no process " + std::to_string(id.pid)};
  }

  // Its thread starts with the first process that needs it.
  Reaper& reaper() {
    const std::lock_guard lock(mutex_);
    if (reaper_ == nullptr) {
      reaper_ = std::make_unique<Reaper>(log_);
    }
    return *reaper_;
  }

  Log& log_;
  std::mutex mutex_;
  std::unique_ptr<Reaper> reaper_;
};

}  // namespace

std::unique_ptr<ports::Processes> make_processes(Log& log) {
  return std::make_unique<KernelProcesses>(log);
}

}  // namespace synod::machine
