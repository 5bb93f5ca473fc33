#include "machine/host.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "machine/cgroup.h"
#include "machine/processes.h"
#include "test/real/real.h"

namespace synod::machine {
namespace {

TEST(Host, measures_what_is_there) {
  const auto host = make_host();
  EXPECT_FALSE(host->name().empty());
  EXPECT_EQ(host->boot_id().size(), 36U);
  EXPECT_GE(host->cpus_milli(), 1);
  EXPECT_LE(host->cpus_milli(), ::sysconf(_SC_NPROCESSORS_CONF) * 1000);
  EXPECT_GT(host->memory_bytes(), 1U << 20);
  EXPECT_GT(host->disk_space("/")->total_bytes, 0U);
  EXPECT_EQ(host->disk_space("/no/such").error().code, ErrorCode::not_found);
  const auto usage = host->usage();
  ASSERT_TRUE(usage.ok());
  EXPECT_GT(usage->cpu_idle + usage->cpu_busy, Duration());
  EXPECT_GT(usage->memory_available_bytes, 0U);
  EXPECT_LE(usage->memory_available_bytes, host->memory_bytes());
}

TEST(Host, a_session_is_measured_whole) {
  test::Real real;
  real.on_lane([&] {
    ports::ProcessSpec spec;
    spec.argv = {"sh", "-c", "sleep 100 & sleep 100 & wait"};
    spec.env = {{"PATH", "/usr/bin:/bin"}};
    spec.new_session = true;
    auto child = real.machine().processes().spawn(real.lane(), spec);
    ASSERT_TRUE(child.ok());
    const ports::ProcessId id = (*child)->id();
    const auto host = make_host();
    Result<ports::Usage> usage = host->usage_of(id);
    for (int i = 0; i < 10'000 && usage.ok() && usage->processes < 3; ++i) {
      usage = make_host()->usage_of(id);  // until the shell has forked twice
    }
    ASSERT_TRUE(usage.ok());
    EXPECT_EQ(usage->processes, 3U);
    EXPECT_GT(usage->memory_bytes, 0U);
    ports::ProcessId other = id;
    other.start_time += 1;
    EXPECT_EQ(host->usage_of(other).error().code, ErrorCode::not_found);
    EXPECT_TRUE(real.machine().processes().signal_group(id, 9).ok());
  });
}

TEST(Cgroup, fields_are_found_by_whole_name) {
  const std::string text = "user_usec 12\nsystem_usec 7\nMemTotal:   99 kB\nempty\n";
  EXPECT_EQ(field_of(text, "system_usec"), 7U);
  EXPECT_EQ(field_of(text, "MemTotal"), 99U);
  EXPECT_EQ(field_of(text, "usec"), std::nullopt);
  EXPECT_EQ(field_of(text, "user"), std::nullopt);
  EXPECT_EQ(field_of(text, "empty"), std::nullopt);
}

TEST(Cgroup, both_versions_of_the_files_are_read) {
  test::TemporaryDirectory directory;
  Machine machine({.log_path = "", .log_level = LogLevel::error});
  const auto put = [&](const std::string& name, const std::string& text) {
    ASSERT_TRUE(
        ports::write_file_atomically(machine.disk(), directory.path() + "/" + name, text).ok());
  };
  EXPECT_FALSE(cgroup_usage(directory.path()).ok());
  put("cgroup.procs", "1\n2\n");
  put("cpu.stat", "usage_usec 30\nuser_usec 20\nsystem_usec 10\n");
  put("memory.current", "4096\n");
  auto usage = cgroup_usage(directory.path());
  ASSERT_TRUE(usage.ok());
  EXPECT_EQ(usage->processes, 2U);
  EXPECT_EQ(usage->cpu_user, Duration::micros(20));
  EXPECT_EQ(usage->memory_bytes, 4096U);
  put("cpuacct.usage_user", "5\n");
  put("cpuacct.usage_sys", "6\n");
  usage = cgroup_usage(directory.path());
  EXPECT_EQ(usage->cpu_system, Duration::nanos(6));
}

}  // namespace
}  // namespace synod::machine
