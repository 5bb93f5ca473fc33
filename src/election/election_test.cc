// Elections over a genuine Apache ZooKeeper, several candidates in one process.
#include "election/election.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "election/detector.h"
#include "election/names.h"
#include "election/sentinel.h"
#include "test/real/zookeeper.h"

namespace synod::election {
namespace {

constexpr Duration session_timeout = Duration::seconds(2);

struct Candidate final : ElectionHandler {
  Candidate(test::Real& real, const std::string& zk, const std::string& name) {
    ElectionOptions options;
    options.connect = zkclient::parse_connect_string(zk).value();
    options.path = "/mesos";
    options.epoch_path = "/mesos.synod/epoch";
    options.candidate = name;
    options.session_timeout = session_timeout;
    election = std::make_unique<Election>(real.lane(), real.machine().network(), options, *this);
  }

  void on_session(const zkclient::Credentials& given) override { credentials = given; }
  void on_leader(const std::optional<Leader>& now) override { leader = now ? now->data : "none"; }
  void on_elected(const Leadership& now) override { leadership = now; }
  void on_may_speak(bool may) override { spoken.push_back(may); }
  void on_lost(const std::string& why) override {
    ++lost;
    reason = why;
  }

  std::unique_ptr<Election> election;
  zkclient::Credentials credentials;
  std::string leader;
  std::optional<Leadership> leadership;
  std::vector<bool> spoken;
  int lost = 0;
  std::string reason;
};

class ElectionTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::ApacheZooKeeper::installed()) {
      GTEST_SKIP() << "Debian's package zookeeper is not installed";
    }
    ASSERT_TRUE(server.start());
  }

  void TearDown() override {
    real.on_lane([this] {
      candidates.clear();
      detector.reset();
      sentinel.reset();
      client.reset();
    });
  }

  Candidate& stand(const std::string& name) {
    real.on_lane(
        [&] { candidates.push_back(std::make_unique<Candidate>(real, server.address(), name)); });
    Candidate& made = *candidates.back();
    EXPECT_TRUE(real.eventually([&] { return !made.leader.empty(); }));
    return made;
  }

  void detect() {
    real.on_lane([&] {
      detector = std::make_unique<Detector>(
          real.lane(), real.machine().network(),
          DetectorOptions{
              zkclient::parse_connect_string("zk://" + server.address() + "/mesos").value(),
              session_timeout},
          [this](const std::optional<Leader>& now) { seen.push_back(now ? now->data : "none"); });
    });
  }

  // Drops the candidate's session from elsewhere, as a sentinel would.
  void end_session(const Candidate& of) {
    real.on_lane([&] {
      zkclient::ClientOptions options;
      options.connect = zkclient::parse_connect_string(server.address()).value();
      options.attach = of.credentials;
      client = std::make_unique<zkclient::Client>(real.lane(), real.machine().network(), options,
                                                  [](zkclient::State) {});
      client->close([](zkclient::Answer<void>) {});
    });
  }

  test::Real real;
  // "": none yet.
  std::string last_seen() const { return seen.empty() ? "" : seen.back(); }

  test::ApacheZooKeeper server{real};
  std::vector<std::unique_ptr<Candidate>> candidates;
  std::unique_ptr<Detector> detector;
  std::vector<std::string> seen;
  std::unique_ptr<Sentinel> sentinel;
  std::unique_ptr<zkclient::Client> client;
};

TEST_F(ElectionTest, the_first_leads_and_each_next_raises_the_epoch) {
  detect();
  ASSERT_TRUE(real.eventually([&] { return seen == std::vector<std::string>{"none"}; }));
  Candidate& a = stand("a");
  ASSERT_TRUE(real.eventually([&] { return a.leadership && last_seen() == "a"; }));
  EXPECT_EQ(a.leader, "a");
  EXPECT_EQ(a.leadership->epoch, MasterEpoch(1));
  real.on_lane([&] { EXPECT_TRUE(a.election->may_speak()); });
  Candidate& b = stand("b");
  Candidate& c = stand("c");
  EXPECT_EQ(b.leader, "a");
  EXPECT_FALSE(b.leadership.has_value());
  real.on_lane([&] { EXPECT_FALSE(b.election->may_speak()); });

  end_session(a);
  ASSERT_TRUE(real.eventually([&] { return a.lost == 1 && b.leadership.has_value(); }));
  EXPECT_EQ(b.leadership->epoch, MasterEpoch(2));
  EXPECT_EQ(b.leadership->lineage, a.leadership->lineage);
  real.on_lane([&] { EXPECT_FALSE(a.election->may_speak()); });

  ASSERT_TRUE(real.eventually([&] { return last_seen() == "b"; }));
  bool resigned = false;
  real.on_lane([&] { b.election->resign([&] { resigned = true; }); });
  ASSERT_TRUE(real.eventually([&] { return resigned && c.leadership.has_value(); }));
  EXPECT_EQ(b.lost, 0);
  EXPECT_EQ(c.leadership->epoch, MasterEpoch(3));
  ASSERT_TRUE(real.eventually([&] { return last_seen() == "c"; }));
  real.on_lane([&] { c.election->resign([] {}); });
  ASSERT_TRUE(real.eventually([&] { return last_seen() == "none"; }));
  EXPECT_EQ(seen, (std::vector<std::string>{"none", "a", "b", "c", "none"}));
}

TEST_F(ElectionTest, a_master_is_silent_while_the_coordinators_are_and_goes_on_afterwards) {
  Candidate& a = stand("a");
  ASSERT_TRUE(real.eventually([&] { return a.leadership.has_value(); }));
  server.signal(SIGSTOP);
  ASSERT_TRUE(real.eventually([&] { return a.spoken == std::vector<bool>{false}; }));
  real.on_lane([&] {
    EXPECT_FALSE(a.election->may_speak());
    EXPECT_EQ(a.lost, 0);
  });
  server.signal(SIGCONT);
  ASSERT_TRUE(real.eventually([&] {
    return a.lost == 1 || a.spoken == (std::vector<bool>{false, true});
  }));
}

TEST_F(ElectionTest, a_master_that_slept_is_silent_until_confirmed) {
  Candidate& a = stand("a");
  ASSERT_TRUE(real.eventually([&] { return a.leadership.has_value(); }));
  real.on_lane([&] {
    EXPECT_TRUE(a.election->may_speak());
    EXPECT_LE(a.election->may_speak_until() - real.lane().now(), session_timeout / 3);
    ::usleep(900'000);  // the Lane stands still for more than a third of the session timeout
    EXPECT_FALSE(a.election->may_speak());  // before any timer could tell
    EXPECT_EQ(a.election->may_speak_until(), Instant());
  });
  ASSERT_TRUE(real.eventually([&] { return a.spoken == (std::vector<bool>{false, true}); }));
  EXPECT_EQ(a.lost, 0);
}

TEST_F(ElectionTest, a_removed_candidate_is_lost) {
  Candidate& a = stand("a");
  Candidate& b = stand("b");
  ASSERT_TRUE(real.eventually([&] { return a.leadership.has_value(); }));
  real.on_lane([&] {
    b.election->client().remove(a.leadership->candidate_path, -1, [](zkclient::Answer<void>) {});
  });
  ASSERT_TRUE(real.eventually([&] { return a.lost == 1 && b.leadership.has_value(); }));
  EXPECT_EQ(b.leadership->epoch, MasterEpoch(2));
}

TEST_F(ElectionTest, a_restart_of_the_coordinators_changes_nothing) {
  detect();
  Candidate& a = stand("a");
  ASSERT_TRUE(real.eventually([&] { return a.leadership.has_value() && last_seen() == "a"; }));
  server.kill();
  ASSERT_TRUE(server.start());
  Candidate& b = stand("b");
  EXPECT_EQ(b.leader, "a");
  ASSERT_TRUE(real.eventually([&] { return a.election->may_speak(); }));
  EXPECT_EQ(a.lost, 0);
  EXPECT_EQ(last_seen(), "a");
}

TEST_F(ElectionTest, nobody_leads_over_an_epoch_that_cannot_be_read) {
  bool made = false;
  real.on_lane([&] {
    zkclient::ClientOptions options;
    options.connect = zkclient::parse_connect_string(server.address()).value();
    client = std::make_unique<zkclient::Client>(real.lane(), real.machine().network(), options,
                                                [](zkclient::State) {});
    client->create_path("/mesos.synod/epoch", [&](zkclient::Answer<void>) { made = true; });
  });
  ASSERT_TRUE(real.eventually([&] { return made; }));
  Candidate& a = stand("a");
  bool later = false;
  real.on_lane([&] { real.lane().after(Duration::millis(500), [&] { later = true; }); });
  ASSERT_TRUE(real.eventually([&] { return later; }));
  EXPECT_FALSE(a.leadership.has_value());
  real.on_lane([&] { client->remove("/mesos.synod/epoch", -1, [](zkclient::Answer<void>) {}); });
  EXPECT_TRUE(real.eventually([&] { return a.leadership.has_value(); }));
}

TEST_F(ElectionTest, a_sentinel_ends_the_session_when_its_pipe_ends) {
  Candidate& a = stand("a");
  Candidate& b = stand("b");
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  std::optional<int> code;
  real.on_lane([&] {
    sentinel = std::make_unique<Sentinel>(real.lane(), real.machine().network(),
                                          real.machine().stream_of_descriptor(ends[0]),
                                          [&](int how) { code = how; });
  });
  const SentinelOrder order{
      zkclient::parse_connect_string("192.0.2.1:1," + server.address()).value(), a.credentials,
      session_timeout};
  const Bytes bytes = encode(order);
  ASSERT_EQ(::write(ends[1], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  bool later = false;
  real.on_lane([&] { real.lane().after(Duration::millis(50), [&] { later = true; }); });
  ASSERT_TRUE(real.eventually([&] { return later; }));
  EXPECT_EQ(a.lost, 0);
  ::close(ends[1]);
  ASSERT_TRUE(real.eventually([&] { return code && b.leadership.has_value() && a.lost == 1; }));
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace synod::election
