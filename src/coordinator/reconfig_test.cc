// What a client's reconfig makes of the members, and ZooKeeper's order of its checks.
#include "coordinator/reconfig.h"

#include <gtest/gtest.h>

namespace synod::coordinator {
namespace {

using zkwire::Code;

constexpr const char* three =
    "server.1=h1:2888:3888:participant;0.0.0.0:2181\n"
    "server.2=h2:2888:3888:participant\n"
    "server.3=[::3]:2888:3888:observer\n";

paxos::Membership members_from(const std::string& text) {
  Result<ZooConfig> config = parse_server_lines(text);
  EXPECT_TRUE(config.ok() && check_servers(*config).ok());
  return paxos::Membership(members_of(*config));
}

Reconfigured ask(const std::string& joining, const std::string& leaving,
                 const std::string& members = "", std::int64_t from = -1,
                 bool standalone_enabled = true) {
  return reconfigure(members_from(three), std::string(three) + "version=100000007",
                     standalone_enabled, {joining, leaving, members, from});
}

TEST(Reconfig, TextsOfMembersAreZooKeepers) {
  EXPECT_EQ(members_text(members_from(three)), three);
  const std::string groups =
      "server.1=h1:1:2:participant\nserver.2=h2:1:2:participant\nserver.3=h3:1:2:participant\n"
      "group.1=1:2\ngroup.2=3\nweight.1=1\nweight.2=2\nweight.3=1\n";
  EXPECT_EQ(members_text(members_from(groups)), groups);
  EXPECT_EQ(peer_of("[::3]:2888:3888;2181")->host, "::3");
  EXPECT_FALSE(peer_of("").has_value());
}

TEST(Reconfig, LeavesFirstAndThenJoins) {
  const Reconfigured changed =
      ask("server.4=h4:2888:3888;2181,server.2=h2:2888:3888:observer;h2:2182", "1,9", "",
          0x100000007, false);
  EXPECT_EQ(changed.code, Code::ok) << changed.why;
  EXPECT_EQ(changed.text,
            "server.2=h2:2888:3888:observer;h2:2182\n"
            "server.3=[::3]:2888:3888:observer\n"
            "server.4=h4:2888:3888:participant;0.0.0.0:2181\n");
}

TEST(Reconfig, TheWholeMayHaveGroups) {
  const Reconfigured changed =
      ask("", "",
          "server.1=a:1:2,server.2=b:1:2,server.3=c:1:2,group.1=1,group.2=2,group.3=3,weight.2=0");
  EXPECT_EQ(changed.code, Code::ok) << changed.why;
  EXPECT_EQ(changed.members.find(NodeId(2))->weight, 0U);
  EXPECT_EQ(reconfigure(changed.members, "", true, {"", "1", "", -1}).code, Code::bad_arguments);
}

TEST(Reconfig, WhatIsWrongIsToldByItsCode) {
  const std::string joiner = "server.4=h4:2888:3888;2181";
  EXPECT_EQ(ask(joiner, "", "", 0x100000006).code, Code::bad_version);
  EXPECT_EQ(ask(joiner, "", "", 0).code, Code::bad_version);
  EXPECT_EQ(ask("nonsense", "", "", 0).code, Code::bad_version);  // before it is read
  EXPECT_EQ(ask("nonsense", "").code, Code::bad_arguments);
  EXPECT_EQ(ask("server.4=h4:2888:3888", "").code, Code::bad_arguments);       // no client port
  EXPECT_EQ(ask("server.4=h1:2888:3888;2181", "").code, Code::bad_arguments);  // server 1 is there
  EXPECT_EQ(ask("server.4=127.0.0.1:2888:3888;2181", "").code, Code::ok);
  EXPECT_EQ(ask("", "x").code, Code::bad_arguments);
  EXPECT_EQ(ask("", "2").code, Code::bad_arguments);  // one voter is left
  EXPECT_EQ(ask("", "2", "", -1, false).code, Code::ok);
  EXPECT_EQ(ask("", "1,2", "", -1, false).code, Code::bad_arguments);
  EXPECT_EQ(ask("", "", "server.1=a:1:2,server.2=b:1:2,tickTime=3").code, Code::bad_arguments);
  EXPECT_EQ(ask("", "", "server.1=a:1:2,server.2=b:1:2,group.1=1").code, Code::bad_arguments);
}

TEST(Reconfig, MembersKeepTheirAddressesInBytes) {
  const paxos::Membership members = members_from(three);
  paxos::Membership back;
  ASSERT_TRUE(paxos::decode(paxos::encode(members), back));
  EXPECT_EQ(back, members);
  const Bytes bytes = paxos::encode_change(members, "rest");
  ByteView owners;
  ASSERT_TRUE(paxos::decode_change(bytes, back, owners));
  EXPECT_EQ(back, members);
  EXPECT_EQ(owners, "rest");
  for (std::size_t size = 0; size < bytes.size() - 4; ++size) {
    EXPECT_FALSE(paxos::decode_change(ByteView(bytes).substr(0, size), back, owners)) << size;
  }
}

}  // namespace
}  // namespace synod::coordinator
