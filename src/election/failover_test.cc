// Masters as processes of their own, killed and stopped: how long nobody leads.
//
// The processes are this very program, started with a filter for one of the tests named Child and
// an environment that tells it what to be.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>

#include "election/detector.h"
#include "election/election.h"
#include "election/sentinel.h"
#include "test/real/zookeeper.h"

namespace synod::election {
namespace {

const char* value_of(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string own_program() {
  char path[4096] = "";
  return ::readlink("/proc/self/exe", path, sizeof(path) - 1) > 0 ? path : "";
}

struct Master final : ElectionHandler {
  explicit Master(machine::Machine& on) : machine(on) {
    ElectionOptions options;
    options.connect = zkclient::parse_connect_string(value_of("TEST_ZK")).value();
    options.path = "/mesos";
    options.epoch_path = "/mesos.synod/epoch";
    options.candidate = std::to_string(::getpid());
    options.session_timeout = Duration::seconds(4);
    connect = options.connect;
    election = std::make_unique<Election>(machine.main_lane(), machine.network(), options, *this);
  }
  void on_session(const zkclient::Credentials& credentials) override {
    keeper = std::make_unique<SentinelKeeper>(
        machine.main_lane(), machine.processes(),
        std::vector<std::string>{own_program(), "--gtest_filter=Child.is_a_sentinel"},
        std::map<std::string, std::string>{{"TEST_ROLE", "sentinel"}},
        SentinelOrder{connect, credentials, Duration::seconds(4)});
  }
  void on_leader(const std::optional<Leader>&) override {}
  void on_elected(const Leadership&) override {}
  void on_may_speak(bool) override {}
  void on_lost(const std::string&) override { machine.stop(); }

  machine::Machine& machine;
  zkclient::ConnectString connect;
  std::unique_ptr<Election> election;
  std::unique_ptr<SentinelKeeper> keeper;
};

TEST(Child, is_a_master) {
  if (std::string(value_of("TEST_ROLE")) != "master") {
    GTEST_SKIP() << "started by FailoverTest only";
  }
  machine::Machine machine({.log_path = "", .log_level = LogLevel::error});
  Master master(machine);
  machine.run();
  ::_exit(0);  // as a crash of the process would: nothing is put in order
}

TEST(Child, is_a_sentinel) {
  if (std::string(value_of("TEST_ROLE")) != "sentinel") {
    GTEST_SKIP() << "started by FailoverTest only";
  }
  machine::Machine machine({.log_path = "", .log_level = LogLevel::error});
  const Sentinel sentinel(machine.main_lane(), machine.network(), machine.stream_of_descriptor(0),
                          [&](int) { machine.stop(); });
  machine.run();
}

class FailoverTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::ApacheZooKeeper::installed()) {
      GTEST_SKIP() << "Debian's package zookeeper is not installed";
    }
    ASSERT_TRUE(server.start());
    real.on_lane([&] {
      detector = std::make_unique<Detector>(
          real.lane(), real.machine().network(),
          DetectorOptions{
              zkclient::parse_connect_string("zk://" + server.address() + "/mesos").value(),
              Duration::seconds(4)},
          [this](const std::optional<Leader>& now) {
            leader = now ? now->data : "";
            changed_at = real.lane().now();
          });
    });
  }

  void TearDown() override {
    real.on_lane([this] {
      for (const auto& [pid, id] : masters) {
        (void)real.machine().processes().signal(id, SIGKILL);
      }
      detector.reset();
    });
  }

  void start_master() {
    real.on_lane([&] {
      ports::ProcessSpec spec;
      spec.argv = {own_program(), "--gtest_filter=Child.is_a_master"};
      spec.env = {{"TEST_ROLE", "master"}, {"TEST_ZK", server.address()}};
      auto child = real.machine().processes().spawn(real.lane(), spec);
      ASSERT_TRUE(child.ok());
      masters[std::to_string((*child)->id().pid)] = (*child)->id();
    });
  }

  // How long until another leads.
  Duration lead_changes_after(int signal) {
    const std::string before = leader;
    Instant killed_at;
    real.on_lane([&] {
      killed_at = real.lane().now();
      EXPECT_TRUE(real.machine().processes().signal(masters[before], signal).ok());
    });
    EXPECT_TRUE(real.eventually([&] { return !leader.empty() && leader != before; }));
    return changed_at - killed_at;
  }

  test::Real real;
  test::ApacheZooKeeper server{real, 500};
  std::unique_ptr<Detector> detector;
  std::string leader;
  Instant changed_at;
  std::map<std::string, ports::ProcessId> masters;
};

TEST_F(FailoverTest, a_killed_master_is_replaced_at_once_and_a_stopped_one_after_the_timeout) {
  start_master();
  ASSERT_TRUE(real.eventually([&] { return !leader.empty(); }));
  for (int i = 0; i < 4; ++i) {
    start_master();
  }
  // All stand, each with its sentinel.
  zkclient::ClientOptions options;
  options.connect = zkclient::parse_connect_string(server.address()).value();
  std::size_t standing = 0;
  std::unique_ptr<zkclient::Client> client;
  real.on_lane([&] {
    client = std::make_unique<zkclient::Client>(real.lane(), real.machine().network(), options,
                                                [](zkclient::State) {});
  });
  ASSERT_TRUE(real.eventually([&] {
    client->get_children("/mesos", nullptr, [&](zkclient::Answer<zkclient::Children> found) {
      standing = found.ok() ? found->names.size() : 0;
    });
    const auto sentinels = real.machine().processes().find_by_environment("TEST_ROLE", "sentinel");
    return standing == 5 && sentinels.size() >= 5;
  }));

  for (int i = 0; i < 2; ++i) {
    const Duration gap = lead_changes_after(SIGKILL);
    std::printf("killed: another leads after %lld ms\n", static_cast<long long>(gap.millis()));
    EXPECT_LT(gap, Duration::seconds(2));  // half of the session timeout: the sentinel did it
  }
  const std::string stopped = leader;
  const Duration gap = lead_changes_after(SIGSTOP);
  std::printf("stopped: another leads after %lld ms\n", static_cast<long long>(gap.millis()));
  EXPECT_GT(gap, Duration::seconds(2));
  // Woken, it finds its session gone and ends.
  real.on_lane(
      [&] { EXPECT_TRUE(real.machine().processes().signal(masters[stopped], SIGCONT).ok()); });
  EXPECT_TRUE(real.eventually([&] { return !real.machine().processes().alive(masters[stopped]); }));
  // No master, no sentinel.
  real.on_lane([&] {
    client.reset();
    for (const auto& [pid, id] : masters) {
      (void)real.machine().processes().signal(id, SIGKILL);
    }
  });
  EXPECT_TRUE(real.eventually([&] {
    return real.machine().processes().find_by_environment("TEST_ROLE", "sentinel").empty();
  }));
}

TEST_F(FailoverTest, a_sentinel_that_dies_is_replaced) {
  start_master();
  const auto sentinels = [&] {
    return real.machine().processes().find_by_environment("TEST_ROLE", "sentinel");
  };
  ASSERT_TRUE(real.eventually([&] { return sentinels().size() == 1; }));
  ports::ProcessId first;
  real.on_lane([&] {
    first = sentinels()[0].id;
    EXPECT_TRUE(real.machine().processes().signal(first, SIGKILL).ok());
  });
  EXPECT_TRUE(real.eventually([&] {
    const auto now = sentinels();
    return now.size() == 1 && now[0].id != first;
  }));
}

}  // namespace
}  // namespace synod::election
