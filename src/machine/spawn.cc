#include "machine/spawn.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "machine/proc.h"

namespace synod::machine {
namespace {

// What the child tells the parent. Frozen within one build only: both sides are one program.
enum class Stage : std::int32_t {
  ready,
  session,
  cgroup,
  limit,
  user,
  directory,
  descriptor,
  exec,
};

struct Report {
  Stage stage;
  std::int32_t number;  // errno
};

// Everything the child needs, as arrays that it can use without allocating.
struct Plan {
  std::vector<std::string> programs;  // candidates for exec, in order of PATH
  std::vector<std::string> environment;
  std::vector<const char*> program_pointers;
  std::vector<char*> argv_pointers;
  std::vector<char*> environment_pointers;
  std::vector<Descriptor> cgroups;  // their cgroup.procs, open for writing
  std::vector<int> cgroup_numbers;

  struct Slot {
    int target;
    int source;
  };
  std::vector<Slot> slots;  // sorted by target
  std::vector<Descriptor> ours;
  int target_max = 2;

  bool switch_user = false;
  uid_t user = 0;
  gid_t group = 0;
  std::vector<gid_t> groups;

  const char* directory = nullptr;
  const ports::ResourceLimit* limits = nullptr;
  std::size_t limits_count = 0;
  bool new_session = false;
  bool barrier = false;
  int barrier_read = -1;
  int report_write = -1;
};

// --- in the child: async-signal-safe calls only

[[noreturn]] void child_fails(const Plan& plan, Stage stage) {
  const Report report{stage, errno};
  (void)!::write(plan.report_write, &report, sizeof(report));
  ::_exit(127);
}

void child_signals() {
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) {
    ::sigaction(number, &standard, nullptr);  // fails for KILL, STOP and the library's own
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void child_surroundings(const Plan& plan) {
  if (plan.new_session && ::setsid() < 0) {
    child_fails(plan, Stage::session);
  }
  for (const int cgroup : plan.cgroup_numbers) {
    if (::write(cgroup, "0", 1) != 1) {
      child_fails(plan, Stage::cgroup);
    }
  }
  for (std::size_t i = 0; i < plan.limits_count; ++i) {
    const ports::ResourceLimit& limit = plan.limits[i];
    const rlimit value{limit.soft, limit.hard};
    if (::setrlimit(static_cast<__rlimit_resource_t>(limit.resource), &value) != 0) {
      child_fails(plan, Stage::limit);
    }
  }
  // The system calls themselves: the library's wrappers would signal threads that are not here.
  if (plan.switch_user && (::syscall(SYS_setgroups, plan.groups.size(), plan.groups.data()) != 0 ||
                           ::syscall(SYS_setresgid, plan.group, plan.group, plan.group) != 0 ||
                           ::syscall(SYS_setresuid, plan.user, plan.user, plan.user) != 0)) {
    child_fails(plan, Stage::user);
  }
  if (plan.directory != nullptr && ::chdir(plan.directory) != 0) {
    child_fails(plan, Stage::directory);
  }
}

// Lifts the two pipes above all targets, so that no dup2 below hits them.
void child_lift(Plan& plan) {
  const int report = ::fcntl(plan.report_write, F_DUPFD_CLOEXEC, plan.target_max + 1);
  if (report < 0) {
    child_fails(plan, Stage::descriptor);
  }
  plan.report_write = report;
  if (plan.barrier) {
    plan.barrier_read = ::fcntl(plan.barrier_read, F_DUPFD_CLOEXEC, plan.target_max + 1);
    if (plan.barrier_read < 0) {
      child_fails(plan, Stage::descriptor);
    }
  }
  for (Plan::Slot& slot : plan.slots) {
    slot.source = ::fcntl(slot.source, F_DUPFD_CLOEXEC, plan.target_max + 1);
    if (slot.source < 0) {
      child_fails(plan, Stage::descriptor);
    }
  }
}

void close_between(int first, int last) {
  if (first <= last) {
    ::syscall(SYS_close_range, static_cast<unsigned>(first), static_cast<unsigned>(last), 0U);
  }
}

// Afterwards the child has its listed descriptors and the two pipes, nothing else.
void child_descriptors(Plan& plan) {
  child_lift(plan);
  int next = 0;
  for (const Plan::Slot& slot : plan.slots) {
    close_between(next, slot.target - 1);
    if (::dup2(slot.source, slot.target) < 0) {
      child_fails(plan, Stage::descriptor);
    }
    next = slot.target + 1;
  }
  int low = plan.report_write;
  int high = plan.report_write;
  if (plan.barrier) {
    low = std::min(low, plan.barrier_read);
    high = std::max(high, plan.barrier_read);
  }
  close_between(next, low - 1);
  close_between(low + 1, high - 1);
  ::syscall(SYS_close_range, static_cast<unsigned>(high) + 1, ~0U, 0U);
}

void child_barrier(const Plan& plan) {
  const Report ready{Stage::ready, 0};
  if (::write(plan.report_write, &ready, sizeof(ready)) != sizeof(ready)) {
    ::_exit(127);
  }
  char byte = 0;
  ssize_t got = 0;
  do {
    got = ::read(plan.barrier_read, &byte, 1);
  } while (got < 0 && errno == EINTR);
  if (got != 1) {
    ::_exit(127);  // the parent is gone, or wants us no more
  }
}

[[noreturn]] void child_main(Plan& plan) {
  child_signals();
  child_surroundings(plan);
  child_descriptors(plan);
  if (plan.barrier) {
    child_barrier(plan);
  }
  int number = ENOENT;
  for (const char* program : plan.program_pointers) {
    ::execve(program, plan.argv_pointers.data(), plan.environment_pointers.data());
    if (errno != ENOENT && errno != ENOTDIR) {
      number = errno;
      if (errno != EACCES) {
        break;
      }
    }
  }
  errno = number;
  child_fails(plan, Stage::exec);
}

// --- in the parent

std::vector<std::string> candidates(const ports::ProcessSpec& spec) {
  const std::string& name = spec.argv[0];
  if (name.find('/') != std::string::npos) {
    return {name};
  }
  const auto found = spec.env.find("PATH");
  const std::string path = found == spec.env.end() ? "/usr/bin:/bin" : found->second;
  std::vector<std::string> result;
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    const std::string directory = path.substr(begin, end - begin);
    result.push_back((directory.empty() ? "." : directory) + "/" + name);
    begin = end + 1;
  }
  return result;
}

Status plan_user(const std::string& name, Plan& plan) {
  std::vector<char> buffer(16 << 10);
  passwd entry{};
  passwd* found = nullptr;
  ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) {
    return Error{ErrorCode::not_found, "no such user: " + name};
  }
  plan.user = entry.pw_uid;
  plan.group = entry.pw_gid;
  plan.switch_user = plan.user != ::geteuid();
  int count = 64;
  plan.groups.resize(static_cast<std::size_t>(count));
  if (::getgrouplist(name.c_str(), entry.pw_gid, plan.groups.data(), &count) < 0) {
    plan.groups.resize(static_cast<std::size_t>(count));
    ::getgrouplist(name.c_str(), entry.pw_gid, plan.groups.data(), &count);
  }
  plan.groups.resize(static_cast<std::size_t>(count));
  return {};
}

// Opens what the child's descriptor shall be; a pipe's other end goes to `pipes`.
Result<Descriptor> open_source(const ports::Descriptor& wanted, std::map<int, Descriptor>& pipes) {
  using Kind = ports::Descriptor::Kind;
  if (wanted.kind == Kind::pipe_in || wanted.kind == Kind::pipe_out) {
    SYNOD_TRY_ASSIGN(Pipe pipe, make_pipe());
    const bool in = wanted.kind == Kind::pipe_in;
    pipes[wanted.number] = std::move(in ? pipe.write_end : pipe.read_end);
    return std::move(in ? pipe.read_end : pipe.write_end);
  }
  int fd = -1;
  switch (wanted.kind) {
    case Kind::null: fd = ::open("/dev/null", O_RDWR | O_CLOEXEC); break;
    case Kind::read_file: fd = ::open(wanted.path.c_str(), O_RDONLY | O_CLOEXEC); break;
    case Kind::append_file:
      fd = ::open(wanted.path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
      break;
    default: fd = ::fcntl(wanted.number, F_DUPFD_CLOEXEC, 3); break;
  }
  if (fd < 0) {
    return last_error(wanted.path.empty() ? "descriptor " + std::to_string(wanted.number)
                                          : "open " + wanted.path);
  }
  return Descriptor(fd);
}

Status plan_descriptors(const ports::ProcessSpec& spec, Plan& plan, SpawnedProcess& process) {
  std::map<int, ports::Descriptor> wanted;
  for (const int number : {0, 1, 2}) {
    wanted[number] = ports::Descriptor{number, ports::Descriptor::Kind::null, ""};
  }
  for (const ports::Descriptor& descriptor : spec.descriptors) {
    if (descriptor.number < 0 || descriptor.number > 1000) {
      return Error{ErrorCode::invalid_argument, "descriptor number out of range"};
    }
    wanted[descriptor.number] = descriptor;
  }
  for (const auto& [number, descriptor] : wanted) {
    SYNOD_TRY_ASSIGN(Descriptor source, open_source(descriptor, process.pipes));
    plan.slots.push_back({number, source.get()});
    plan.ours.push_back(std::move(source));
    plan.target_max = std::max(plan.target_max, number);
  }
  return {};
}

Status prepare(const ports::ProcessSpec& spec, Plan& plan, SpawnedProcess& process) {
  if (spec.argv.empty() || spec.argv[0].empty()) {
    return Error{ErrorCode::invalid_argument, "no program to start"};
  }
  process.program = spec.argv[0];
  plan.programs = candidates(spec);
  for (const auto& [name, value] : spec.env) {
    plan.environment.push_back(name + "=" + value);
  }
  for (const std::string& program : plan.programs) {
    plan.program_pointers.push_back(program.c_str());
  }
  for (const std::string& argument : spec.argv) {
    plan.argv_pointers.push_back(const_cast<char*>(argument.c_str()));
  }
  plan.argv_pointers.push_back(nullptr);
  for (std::string& assignment : plan.environment) {
    plan.environment_pointers.push_back(assignment.data());
  }
  plan.environment_pointers.push_back(nullptr);
  for (const std::string& cgroup : spec.cgroups) {
    plan.cgroups.emplace_back(::open((cgroup + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (!plan.cgroups.back().is_open()) {
      return last_error("cgroup " + cgroup);
    }
    plan.cgroup_numbers.push_back(plan.cgroups.back().get());
  }
  if (!spec.user.empty()) {
    SYNOD_TRY(plan_user(spec.user, plan));
  }
  SYNOD_TRY(plan_descriptors(spec, plan, process));
  plan.directory = spec.directory.empty() ? nullptr : spec.directory.c_str();
  plan.limits = spec.limits.data();
  plan.limits_count = spec.limits.size();
  plan.new_session = spec.new_session;
  plan.barrier = spec.barrier;
  return {};
}

const char* name_of(Stage stage) {
  switch (stage) {
    case Stage::ready: return "ready";
    case Stage::session: return "new session";
    case Stage::cgroup: return "enter cgroup";
    case Stage::limit: return "resource limit";
    case Stage::user: return "switch user";
    case Stage::directory: return "working directory";
    case Stage::descriptor: return "descriptors";
    case Stage::exec: return "exec";
  }
  return "start";
}

// Success at end of file (the exec closed the pipe) or on Ready.
Status await_report(SpawnedProcess& process) {
  Report report{};
  ssize_t got = 0;
  do {
    got = ::read(process.report.get(), &report, sizeof(report));
  } while (got < 0 && errno == EINTR);
  if (got == sizeof(report) && report.stage == Stage::ready) {
    return {};
  }
  process.report.reset();
  if (got == 0) {
    return {};
  }
  if (got != sizeof(report)) {
    return Error{ErrorCode::io, "start " + process.program + ": no word from the child"};
  }
  return error_of(report.number,
                  std::string("start ") + process.program + ": " + name_of(report.stage));
}

void reap(const SpawnedProcess& process) {
  int status = 0;
  while (::waitpid(static_cast<pid_t>(process.id.pid), &status, 0) < 0 && errno == EINTR) {
  }
}

// fork with a pidfd and namespaces. Signals are blocked until the child has reset its handlers.
pid_t fork_child(std::uint64_t namespaces, int& pidfd) {
  clone_args arguments{};
  arguments.flags = namespaces | CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  return static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof(arguments)));
}

}  // namespace

Result<SpawnedProcess> spawn_process(const ports::ProcessSpec& spec) {
  Plan plan;
  SpawnedProcess process;
  SYNOD_TRY(prepare(spec, plan, process));
  SYNOD_TRY_ASSIGN(Pipe report, make_pipe());
  SYNOD_TRY_ASSIGN(Pipe barrier, make_pipe());
  plan.report_write = report.write_end.get();
  plan.barrier_read = barrier.read_end.get();

  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  int pidfd = -1;
  const pid_t pid = fork_child(spec.namespaces, pidfd);
  const int fork_errno = errno;
  if (pid == 0) {
    child_main(plan);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) {
    return error_of(fork_errno, "start " + process.program + ": fork");
  }
  process.pidfd = Descriptor(pidfd);
  process.id.pid = pid;
  const auto stat = stat_of(pid);  // the child cannot vanish before we reap it
  process.id.start_time = stat ? stat->start_time : 0;
  process.report = std::move(report.read_end);
  report.write_end.reset();
  if (spec.barrier) {
    process.barrier = std::move(barrier.write_end);
  }
  if (Status begun = await_report(process); !begun.ok()) {
    reap(process);
    return std::move(begun).error();
  }
  return process;
}

Status release_process(SpawnedProcess& process) {
  if (!process.barrier.is_open()) {
    return {};
  }
  const char byte = 1;
  const bool written = ::write(process.barrier.get(), &byte, 1) == 1;
  process.barrier.reset();
  if (!written) {
    return last_error("start " + process.program);
  }
  return await_report(process);
}

}  // namespace synod::machine
