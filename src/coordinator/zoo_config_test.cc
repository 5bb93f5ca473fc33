#include "coordinator/zoo_config.h"

#include <gtest/gtest.h>

#include "base/prng.h"
#include "coordinator/edge_options.h"
#include "coordinator/node.h"

namespace synod::coordinator {
namespace {

std::string error_of(const std::string& text) {
  const Result<ZooConfig> config = parse_zoo_config(text);
  return config.ok() ? "no error" : config.error().message;
}

TEST(ZooConfig, SampleFileOfThree) {
  Result<ZooConfig> config = parse_zoo_config(
      "# comment\n"
      "tickTime = 2000\r\n"
      "initLimit:10\n"
      "syncLimit 5\n"
      "dataDir=/var/lib/\\\n"
      "  zookeeper\n"
      "clientPort=2181\n"
      "server.2=[::1]:2888:3888:observer\n"
      "server.1=zoo1:2888:3888;2182\n"
      "server.3=zoo3:2888:3888:participant;10.0.0.3:2181\n"
      "autopurge.purgeInterval=1\n"
      "admin.serverPort=8081\n"
      "leaderServes=yes\n"
      "zookeeper.skipACL=yes\n"
      "4lw.commands.whitelist=stat, ruok\n");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->tick_ms, 2000);
  EXPECT_EQ(config->data_dir, "/var/lib/zookeeper");
  EXPECT_EQ(config->data_log_dir, "/var/lib/zookeeper");
  EXPECT_EQ(config->session_timeout_ms_min, 4000);
  EXPECT_EQ(config->session_timeout_ms_max, 40000);
  EXPECT_TRUE(config->skip_acl);
  EXPECT_EQ(config->four_letter_words, (std::set<std::string>{"ruok", "stat"}));
  EXPECT_EQ(config->warning, "these keys have no effect here: leaderServes");
  EXPECT_EQ(config->purge_interval_hours, 1U);
  EXPECT_EQ(config->snapshots_retained, 2U);
  EXPECT_EQ(config->admin_port, std::optional<std::uint16_t>(8081));
  EXPECT_FALSE(config->metrics_port.has_value());
  ASSERT_EQ(config->servers.size(), 3U);
  EXPECT_EQ(config->servers[0].client->port, 2182);
  EXPECT_EQ(config->servers[1].peer.host, "::1");
  EXPECT_TRUE(config->servers[1].observer);
  EXPECT_EQ(config_node_text(*config),
            "server.1=zoo1:2888:3888:participant;0.0.0.0:2182\n"
            "server.2=[::1]:2888:3888:observer\n"
            "server.3=zoo3:2888:3888:participant;10.0.0.3:2181\n"
            "version=0");

  ZooConfig third = *config;
  EXPECT_TRUE(complete_zoo_config(third, "3\n").ok());
  EXPECT_EQ(third.client_port_address, "10.0.0.3");
  EXPECT_EQ(edge_options(third, 0).self, NodeId(3));
  ZooConfig first = *config;
  EXPECT_EQ(complete_zoo_config(first, "1").error().message,
            "clientPort is 2181, but server.1 says 2182");
  ZooConfig nobody = *config;
  EXPECT_EQ(complete_zoo_config(nobody, std::nullopt).error().message,
            "/var/lib/zookeeper/myid is missing: it tells which server.N this is");
  EXPECT_EQ(complete_zoo_config(nobody, "7").error().message,
            "there is no server.7 line for this server");
}

TEST(ZooConfig, GroupsAndWeightsMakeTheQuorum) {
  Result<ZooConfig> config = parse_zoo_config(
      "dataDir=/d\nclientPort=2181\nserver.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\n"
      "server.4=d:1:2:OBSERVER\ngroup.1=1:2\ngroup.7=3\nweight.2=0\n");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config_node_text(*config),
            "server.1=a:1:2:participant\nserver.2=b:1:2:participant\nserver.3=c:1:2:participant\n"
            "server.4=d:1:2:observer\ngroup.1=1:2\ngroup.7=3\n"
            "weight.1=1\nweight.2=0\nweight.3=1\nweight.4=1\nversion=0");
  ASSERT_TRUE(complete_zoo_config(*config, "4").ok());
  const EngineOptions options = engine_options(*config);
  const paxos::Membership members(options.members);
  const auto has = [](std::uint32_t a, std::uint32_t b) {
    return [a, b](const paxos::Member& m) { return m.node == NodeId(a) || m.node == NodeId(b); };
  };
  EXPECT_TRUE(members.quorum(has(1, 3)));
  EXPECT_FALSE(members.quorum(has(1, 2)));
  EXPECT_FALSE(members.quorum(has(2, 3)));
  EXPECT_TRUE(edge_options(*config, 0).observer);
}

TEST(ZooConfig, TheLineOfTheServerCountsMoreThanItsPeerType) {
  Result<ZooConfig> config = parse_zoo_config(
      "dataDir=/d\nclientPort=2181\nserver.1=a:1:2\nserver.2=b:1:2:observer\nweight.1=3\n"
      "peerType=observer\n");
  ASSERT_TRUE(config.ok()) << config.error().message;
  ASSERT_TRUE(complete_zoo_config(*config, "1").ok());
  EXPECT_FALSE(edge_options(*config, 0).observer);
  EXPECT_EQ(config->warning,
            "weights have no effect without groups; peerType differs from the line of server.1, "
            "which counts");
}

TEST(ZooConfig, LimitsAreDividedAmongServersAndEdges) {
  Result<ZooConfig> config = parse_zoo_config(
      "dataDir=/d\nclientPort=2181\nserver.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\n"
      "globalOutstandingLimit=1000\nsynod.stateLimit=3G\n");
  ASSERT_TRUE(config.ok()) << config.error().message;
  ASSERT_TRUE(complete_zoo_config(*config, "1").ok());
  EXPECT_EQ(config->state_limit_bytes, std::uint64_t{3} << 30);
  const EdgeOptions one = edge_options(*config, 0);
  const EdgeOptions of_four = edge_options(*config, 0, 4);
  EXPECT_EQ(one.state_limit_bytes, std::uint64_t{3} << 30);
  EXPECT_EQ(one.shares.requests_max, 500U);
  EXPECT_EQ(of_four.shares.requests_max, 125U);
  EXPECT_EQ(one.shares.held_bytes_max, 4 * of_four.shares.held_bytes_max);
  // What all edges of all servers have at the leader fits into its queue.
  for (const EdgeOptions& edge : {one, of_four}) {
    const std::size_t edges = edge.shares.held_bytes_max == one.shares.held_bytes_max ? 1 : 4;
    EXPECT_LE(3 * edges * (edge.shares.total_in_flight_bytes_max + edge.frame_size_bytes_max),
              EngineOptions{}.queue_bytes_max);
  }
  EXPECT_EQ(error_of("dataDir=/d\nsynod.stateLimit=lots\n"),
            "line 2: synod.stateLimit: expected bytes, or a number with K, M or G behind, found "
            "\"lots\"");
}

TEST(ZooConfig, LeasesAreNoLongerThanAnElectionWaits) {
  EXPECT_EQ(parse_zoo_config("dataDir=/d\n").value().lease_ms, 0);
  EXPECT_EQ(parse_zoo_config("dataDir=/d\nsynod.leaseMs=200\n").value().lease_ms, 200);
  EXPECT_EQ(error_of("dataDir=/d\nsynod.leaseMs=600\ntickTime=500\n"),
            "synod.leaseMs: expected 0 (none), or 30 to 500 with tickTime=500, found 600");
  EXPECT_EQ(error_of("dataDir=/d\nsynod.leaseMs=29\n"),
            "synod.leaseMs: expected 0 (none), or 30 to 1000 with tickTime=3000, found 29");
}

TEST(ZooConfig, StandaloneNeedsNoId) {
  Result<ZooConfig> config = parse_zoo_config("dataDir=/d\nclientPort=0\n");
  ASSERT_TRUE(config.ok());
  EXPECT_TRUE(complete_zoo_config(*config, std::nullopt).ok());
  EXPECT_EQ(config->my_id, NodeId(1));
  EXPECT_EQ(config->session_timeout_ms_min, 6000);
}

TEST(ZooConfig, ErrorsNameTheLineAndWhatIsExpected) {
  EXPECT_EQ(error_of("clientPort=1\n"), "dataDir is missing");
  EXPECT_EQ(error_of("dataDir=/d\n\nclientPort=x\n"),
            "line 3: clientPort: expected a number from 0 to 65535, found \"x\"");
  EXPECT_EQ(error_of("dataDir=/d\nserver.0=a:1:2\n"),
            "line 2: server.0: a server's number is from 1 to 255");
  EXPECT_EQ(error_of("dataDir=/d\nserver.1=a:1\n"),
            "line 2: server.1: expected host:port:electionPort[:role][;clientPort], found \"a:1\"");
  EXPECT_EQ(error_of("dataDir=/d\nserver.1=a:1:1\n"),
            "line 2: server.1: the two ports must differ");
  EXPECT_EQ(error_of("dataDir=/d\nserver.1=a:1:2\nserver.1=b:1:2\n"),
            "line 3: server.1 is there twice");
  EXPECT_EQ(error_of("dataDir=/d\nsecureClientPort=2281\n"),
            "line 2: secureClientPort is not supported");
  EXPECT_EQ(error_of("dataDir=/d\nminSessionTimeout=9\nmaxSessionTimeout=8\n"),
            "minSessionTimeout 9 is above maxSessionTimeout 8");
  EXPECT_EQ(error_of("dataDir=/d\nserver.1=a:1:2\nserver.2=b:1:2\ngroup.1=1\n"),
            "server.2 is in no group");
  EXPECT_EQ(error_of("dataDir=/d\nserver.1=a:1:2\ngroup.1=1\ngroup.2=1\n"),
            "group.2: server 1 is in two groups");
  EXPECT_EQ(error_of("dataDir=/d\nserver.1=a:1:2\ngroup.1=1:3\n"), "group.1: server 3 has no line");
  EXPECT_EQ(error_of("dataDir=/d\nserver.1=a:1:2\nweight.1=0\ngroup.1=1\n"),
            "no server has any weight");
  EXPECT_EQ(error_of("dataDir=/d\npeerType=king\n"),
            "line 2: peerType: the role is participant or observer, not \"king\"");
  EXPECT_EQ(error_of("dataDir=/d\nserver.1=a:1:2:observer\n"),
            "every server is an observer: at least one must be a participant");
}

TEST(ZooConfig, AnyTextGivesAConfigurationOrAnError) {
  Prng prng(7);
  const std::string pieces[] = {"server.1=", "a:1:2", ";", "\\",   "\n",          "=",
                                "dataDir",   "[",     "]", ":",    "clientPort=", "9",
                                "#",         " ",     "|", "\\\n", "group.1=1",   "weight.1="};
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (std::uint64_t n = prng.below(20); n > 0; --n) {
      text += pieces[prng.below(std::size(pieces))];
    }
    (void)parse_zoo_config(text);
  }
}

}  // namespace
}  // namespace synod::coordinator
