#include "machine/processes.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machine/proc.h"
#include "machine/spawn.h"
#include "test/real/real.h"

namespace synod::machine {
namespace {

using Kind = ports::Descriptor::Kind;

// Collects what a child writes.
struct Output final : ports::StreamHandler {
  void on_bytes(ByteView bytes) override { text.append(bytes); }
  void on_eof() override { eof = true; }
  void on_closed(const Error&) override {}
  std::unique_ptr<ports::Stream> stream;
  std::string text;
  bool eof = false;
};

class ProcessesTest : public testing::Test {
 protected:
  ~ProcessesTest() override {
    real.on_lane([this] {
      output.stream.reset();
      watch.reset();
      child.reset();
    });
  }

  static ports::ProcessSpec shell(const std::string& script) {
    ports::ProcessSpec spec;
    spec.argv = {"sh", "-c", script};
    spec.env = {{"PATH", "/usr/bin:/bin"}};
    spec.descriptors = {{1, Kind::pipe_out, ""}};
    return spec;
  }

  Status start(const ports::ProcessSpec& spec) {
    Status status;
    real.on_lane([&] {
      auto made = real.machine().processes().spawn(real.lane(), spec);
      if (!made.ok()) {
        status = made.error();
        return;
      }
      child = std::move(made).value();
      watch_child();
      output.stream = child->take_pipe(1);
      if (output.stream) {
        output.stream->attach(real.lane(), output);
      }
    });
    return status;
  }

  void watch_child() {
    watch = real.machine().processes().watch(real.lane(), child->id(),
                                             [this](ports::ExitStatus status) { exit = status; });
  }

  std::string finish() {
    EXPECT_TRUE(real.eventually([&] { return exit && (output.eof || !output.stream); }));
    return output.text;
  }

  test::Real real;
  std::unique_ptr<ports::Child> child;
  std::unique_ptr<ports::ProcessWatch> watch;
  std::optional<ports::ExitStatus> exit;
  Output output;
};

TEST_F(ProcessesTest, a_child_has_exactly_its_environment_and_directory) {
  auto spec = shell("pwd; echo $A; tr '\\0' '\\n' </proc/$$/environ");
  spec.env["A"] = "b c";
  spec.directory = "/usr";
  ASSERT_TRUE(start(spec).ok());
  EXPECT_EQ(finish(), "/usr\nb c\nA=b c\nPATH=/usr/bin:/bin\n");
  EXPECT_EQ(exit->code, 0);
}

TEST_F(ProcessesTest, a_child_has_exactly_its_descriptors) {
  auto spec = shell("");
  spec.argv = {"sleep", "100"};
  spec.descriptors.push_back({5, Kind::null, ""});
  ASSERT_TRUE(start(spec).ok());
  // The loader opens a library for a moment; what was handed down would stay.
  const std::vector<std::string> wanted = {"0", "1", "2", "5"};
  EXPECT_TRUE(real.eventually([&] {
    const auto fds = real.machine().disk().list("/proc/" + std::to_string(child->id().pid) + "/fd");
    return fds.ok() && *fds == wanted;
  }));
  real.on_lane([&] { EXPECT_TRUE(real.machine().processes().signal(child->id(), SIGTERM).ok()); });
  finish();
  EXPECT_EQ(exit->signal, SIGTERM);
}

TEST_F(ProcessesTest, exit_statuses_and_signals_are_told_apart) {
  ASSERT_TRUE(start(shell("exit 3")).ok());
  finish();
  EXPECT_EQ(exit, (ports::ExitStatus{3, {}}));
  EXPECT_EQ(to_string(*exit), "exit status 3");
  exit.reset();
  output = {};
  ASSERT_TRUE(start(shell("kill -9 $$")).ok());
  finish();
  EXPECT_EQ(exit, (ports::ExitStatus{{}, 9}));
}

TEST_F(ProcessesTest, signals_are_as_at_birth) {
  // SIGPIPE is ignored in the parent and must not be in the child.
  auto spec = shell("grep -E 'Sig(Blk|Ign)' /proc/self/status");
  ASSERT_TRUE(start(spec).ok());
  EXPECT_EQ(finish(), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_F(ProcessesTest, a_missing_program_directory_or_right_is_told_at_once) {
  auto spec = shell("");
  spec.argv = {"no-such-program"};
  EXPECT_EQ(start(spec).error().code, ErrorCode::not_found);
  spec.argv = {"/no/such/program"};
  EXPECT_EQ(start(spec).error().code, ErrorCode::not_found);
  spec.argv = {"/etc/passwd"};
  EXPECT_EQ(start(spec).error().code, ErrorCode::permission_denied);
  spec = shell("");
  spec.directory = "/no/such/directory";
  const Status status = start(spec);
  EXPECT_EQ(status.error().code, ErrorCode::not_found);
  EXPECT_NE(status.error().message.find("working directory"), std::string::npos);
  spec = shell("");
  spec.argv.clear();
  EXPECT_EQ(start(spec).error().code, ErrorCode::invalid_argument);
}

TEST_F(ProcessesTest, standard_input_reaches_the_child_and_its_end_too) {
  auto spec = shell("cat; echo done");
  spec.descriptors.push_back({0, Kind::pipe_in, ""});
  ASSERT_TRUE(start(spec).ok());
  Output input;
  real.on_lane([&] {
    input.stream = child->take_pipe(0);
    EXPECT_EQ(child->take_pipe(0), nullptr);
    input.stream->attach(real.lane(), input);
    input.stream->write(Bytes(200'000, 'x'));
    input.stream->shutdown_write();
  });
  EXPECT_EQ(finish(), std::string(200'000, 'x') + "done\n");
  real.on_lane([&] { input.stream.reset(); });
}

TEST_F(ProcessesTest, a_file_takes_the_output_of_many) {
  test::TemporaryDirectory directory;
  const std::string path = directory.path() + "/out";
  for (const char* word : {"one", "two"}) {
    auto spec = shell(std::string("echo ") + word + "; echo " + word + " >&2");
    spec.descriptors = {{1, Kind::append_file, path}, {2, Kind::append_file, path}};
    exit.reset();
    ASSERT_TRUE(start(spec).ok());
    finish();
  }
  EXPECT_EQ(*ports::read_file(real.machine().disk(), path, 100), "one\none\ntwo\ntwo\n");
}

TEST_F(ProcessesTest, a_barrier_holds_until_released) {
  auto spec = shell("echo ran");
  spec.barrier = true;
  spec.new_session = true;
  ASSERT_TRUE(start(spec).ok());
  real.on_lane([&] {
    EXPECT_TRUE(real.machine().processes().alive(child->id()));
    EXPECT_EQ(stat_of(child->id().pid)->session, child->id().pid);
    EXPECT_TRUE(child->release().ok());
  });
  EXPECT_EQ(finish(), "ran\n");
  EXPECT_EQ(exit->code, 0);
}

TEST_F(ProcessesTest, a_failed_exec_is_told_by_release) {
  auto spec = shell("");
  spec.argv = {"no-such-program"};
  spec.barrier = true;
  ASSERT_TRUE(start(spec).ok());
  real.on_lane([&] { EXPECT_EQ(child->release().error().code, ErrorCode::not_found); });
  finish();
  EXPECT_EQ(exit->code, 127);
}

TEST_F(ProcessesTest, a_dropped_child_behind_its_barrier_runs_nothing) {
  test::TemporaryDirectory directory;
  auto spec = shell("touch " + directory.path() + "/ran");
  spec.barrier = true;
  ASSERT_TRUE(start(spec).ok());
  real.on_lane([&] { child.reset(); });
  finish();
  EXPECT_EQ(exit->code, 127);
  EXPECT_TRUE(real.machine().disk().list(directory.path())->empty());
}

TEST_F(ProcessesTest, a_child_behind_its_barrier_dies_with_its_parent) {
  test::TemporaryDirectory directory;
  int tell[2];
  ASSERT_EQ(::pipe(tell), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    auto spec = shell("touch " + directory.path() + "/ran");
    spec.barrier = true;
    const auto process = spawn_process(spec);
    (void)!::write(tell[1], &process->id.pid, sizeof(process->id.pid));
    ::pause();
    ::_exit(0);
  }
  std::int64_t grandchild = 0;
  ASSERT_EQ(::read(tell[0], &grandchild, sizeof(grandchild)), ssize_t{sizeof(grandchild)});
  ::close(tell[0]);
  ::close(tell[1]);
  auto& processes = real.machine().processes();
  const auto id = processes.find(grandchild);
  ASSERT_TRUE(id.ok());
  ::kill(parent, SIGKILL);
  ASSERT_EQ(::waitpid(parent, nullptr, 0), parent);
  EXPECT_TRUE(real.eventually([&] { return !processes.alive(*id); }));
  EXPECT_TRUE(real.machine().disk().list(directory.path())->empty());
}

TEST_F(ProcessesTest, a_late_watch_still_hears_the_status) {
  ASSERT_TRUE(start(shell("exit 7")).ok());
  finish();
  exit.reset();
  real.on_lane([&] {
    watch_child();
    EXPECT_FALSE(exit.has_value());
  });
  ASSERT_TRUE(real.eventually([&] { return exit.has_value(); }));
  EXPECT_EQ(exit->code, 7);
}

TEST_F(ProcessesTest, unwatched_children_leave_no_zombie) {
  std::int64_t pid = 0;
  real.on_lane([&] {
    auto made = real.machine().processes().spawn(real.lane(), shell("exit 0"));
    ASSERT_TRUE(made.ok());
    pid = (*made)->id().pid;
  });
  EXPECT_TRUE(real.eventually([&] { return !stat_of(pid).has_value(); }));
}

TEST_F(ProcessesTest, strangers_are_watched_without_a_status) {
  // A grandchild, whose parent leaves at once.
  ASSERT_TRUE(start(shell("sleep 100 >/dev/null & echo $!")).ok());
  const std::int64_t pid = std::stol(finish());
  exit.reset();
  real.on_lane([&] {
    auto& processes = real.machine().processes();
    const auto id = processes.find(pid);
    ASSERT_TRUE(id.ok());
    watch = processes.watch(real.lane(), *id, [this](ports::ExitStatus status) { exit = status; });
    EXPECT_TRUE(processes.signal(*id, SIGTERM).ok());
  });
  ASSERT_TRUE(real.eventually([&] { return exit.has_value(); }));
  EXPECT_EQ(exit, ports::ExitStatus{});
  EXPECT_EQ(to_string(*exit), "exit status unknown");
}

TEST_F(ProcessesTest, a_pid_with_another_start_time_is_somebody_else) {
  ASSERT_TRUE(start(shell("exec sleep 100")).ok());
  real.on_lane([&] {
    auto& processes = real.machine().processes();
    ports::ProcessId other = child->id();
    other.start_time += 1;
    EXPECT_FALSE(processes.alive(other));
    EXPECT_EQ(processes.signal(other, SIGKILL).error().code, ErrorCode::not_found);
    EXPECT_EQ(processes.signal_group(other, SIGKILL).error().code, ErrorCode::not_found);
    EXPECT_TRUE(processes.alive(child->id()));
    EXPECT_TRUE(processes.signal(child->id(), SIGKILL).ok());
  });
  finish();
  EXPECT_EQ(exit->signal, SIGKILL);
}

TEST_F(ProcessesTest, a_group_is_signalled_even_without_its_leader) {
  auto spec = shell("sleep 100 & exit 0");
  spec.new_session = true;
  ASSERT_TRUE(start(spec).ok());
  ASSERT_TRUE(real.eventually([&] { return exit.has_value(); }));
  EXPECT_FALSE(output.eof);  // the sleeper holds the pipe
  real.on_lane(
      [&] { EXPECT_TRUE(real.machine().processes().signal_group(child->id(), SIGKILL).ok()); });
  finish();
}

TEST_F(ProcessesTest, limits_hold) {
  auto spec = shell("ulimit -n");
  spec.limits = {{RLIMIT_NOFILE, 77, 77}};
  ASSERT_TRUE(start(spec).ok());
  EXPECT_EQ(finish(), "77\n");
}

TEST_F(ProcessesTest, another_user_runs_the_command) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  auto spec = shell("id -un; id -G");
  spec.user = "nobody";
  ASSERT_TRUE(start(spec).ok());
  EXPECT_EQ(finish(), "nobody\n65534\n");
  spec.user = "no-such-user";
  EXPECT_EQ(start(spec).error().code, ErrorCode::not_found);
}

TEST_F(ProcessesTest, the_environment_finds_its_processes) {
  auto spec = shell("");
  spec.argv = {"sleep", "100"};  // a shell in between would be found now and then
  const std::string mark = "test-" + std::to_string(::getpid());
  spec.env["SYNOD_CLUSTER"] = mark;
  ASSERT_TRUE(start(spec).ok());
  real.on_lane([&] {
    auto& processes = real.machine().processes();
    const auto found = processes.find_by_environment("SYNOD_CLUSTER", mark);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].id, child->id());
    EXPECT_EQ(found[0].argv, (std::vector<std::string>{"sleep", "100"}));
    EXPECT_TRUE(processes.find_by_environment("SYNOD_CLUSTER", mark + "x").empty());
    EXPECT_TRUE(processes.signal(child->id(), SIGKILL).ok());
  });
  finish();
}

TEST(Proc, a_command_name_may_look_like_anything) {
  const auto stat = parse_process_stat(
      "42 (a) b (c)) S 1 42 42 0 -1 4194304 1 2 3 4 50 60 0 0 20 0 1 0 777 4096 99 18446 1");
  ASSERT_TRUE(stat.has_value());
  EXPECT_EQ(stat->pid, 42);
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->parent, 1);
  EXPECT_EQ(stat->session, 42);
  EXPECT_EQ(stat->user_ticks, 50U);
  EXPECT_EQ(stat->system_ticks, 60U);
  EXPECT_EQ(stat->start_time, 777U);
  EXPECT_EQ(stat->resident_pages, 99U);
  EXPECT_FALSE(parse_process_stat("42 (a) S 1").has_value());
  EXPECT_FALSE(parse_process_stat("").has_value());
}

}  // namespace
}  // namespace synod::machine
