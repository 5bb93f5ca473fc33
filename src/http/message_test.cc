#include "http/message.h"

#include <gtest/gtest.h>

#include "http/client.h"
#include "http/connection.h"

namespace synod::http {
namespace {

TEST(Headers, names_know_no_case) {
  Headers headers{{"Content-Type", "a"}, {"X", "1"}, {"x", "2"}};
  EXPECT_EQ(headers.get("content-TYPE"), "a");
  EXPECT_EQ(headers.get("x"), "1");
  headers.set("X", "3");
  EXPECT_EQ(headers.size(), 2U);
  EXPECT_EQ(headers.get("x"), "3");
  EXPECT_EQ(headers.find("y"), nullptr);
}

TEST(Percent, decodes_and_encodes) {
  EXPECT_EQ(percent_decode("a%2Fb%20c+d", Plus::literal), "a/b c+d");
  EXPECT_EQ(percent_decode("c+d", Plus::space), "c d");
  EXPECT_EQ(percent_decode("%41", Plus::literal), "A");
  EXPECT_EQ(percent_decode("%4", Plus::literal), std::nullopt);
  EXPECT_EQ(percent_decode("%zz", Plus::literal), std::nullopt);
  EXPECT_EQ(percent_encode("a/b c~é"), "a%2Fb%20c~%C3%A9");
}

TEST(Query, is_taken_apart) {
  const auto query = parse_query("a=1&b=x%26y&c&&a=2&=e&d=p%q");
  EXPECT_EQ(query, (std::map<std::string, std::string>{
                       {"", "e"}, {"a", "2"}, {"b", "x&y"}, {"c", ""}, {"d", "p%q"}}));
}

TEST(Date, is_the_one_of_the_rfc) {
  EXPECT_EQ(http_date({784111777000}), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date({0}), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(http_date({951782400000}), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(http_date({1798675199999}), "Wed, 30 Dec 2026 23:59:59 GMT");
}

TEST(Url, is_taken_apart) {
  const auto plain = parse_url("http://h:81/a/b?c#d");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->endpoint, (ports::HostPort{"h", 81}));
  EXPECT_EQ(plain->target, "/a/b?c");
  EXPECT_EQ(parse_url("https://h")->endpoint.port, 443);
  EXPECT_EQ(parse_url("//127.0.0.1:5050/x")->target, "/x");
  EXPECT_EQ(parse_url("http://[::1]:5?q")->target, "/?q");
  EXPECT_FALSE(parse_url("ftp://h").ok());
  EXPECT_FALSE(parse_url("http://").ok());
  EXPECT_FALSE(parse_url("http://h:x/").ok());
}

}  // namespace
}  // namespace synod::http
