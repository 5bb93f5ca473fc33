#include "zkclient/connect_string.h"

#include <gtest/gtest.h>

namespace synod::zkclient {
namespace {

TEST(ConnectString, takes_both_forms) {
  const auto plain = parse_connect_string("a:1,b,[::1]:3/x/y/");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->servers, (std::vector<ports::HostPort>{{"a", 1}, {"b", 2181}, {"::1", 3}}));
  EXPECT_EQ(plain->path, "/x/y");
  EXPECT_EQ(servers_text(*plain), "a:1,b:2181,[::1]:3");
  const auto mesos = parse_connect_string("zk://user:p@ss@h:5/mesos");
  ASSERT_TRUE(mesos.ok());
  EXPECT_EQ(mesos->digest, "user:p@ss");
  EXPECT_EQ(mesos->servers, (std::vector<ports::HostPort>{{"h", 5}}));
  EXPECT_EQ(mesos->path, "/mesos");
  EXPECT_EQ(parse_connect_string("zk://h/")->path, "");
}

TEST(ConnectString, says_what_is_wrong_without_telling_passwords) {
  for (const char* text :
       {"", "zk://", "zk:///mesos", "a:x", "http://a/b", "zk://u@h/m", "a//b", "a/../b", "a,:5"}) {
    EXPECT_FALSE(parse_connect_string(text).ok()) << text;
  }
  const auto bad = parse_connect_string("zk://user:secret@h:x/m");
  EXPECT_EQ(bad.error().message.find("secret"), std::string::npos);
}

}  // namespace
}  // namespace synod::zkclient
