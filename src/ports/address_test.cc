#include "ports/address.h"

#include <gtest/gtest.h>

namespace synod::ports {
namespace {

struct Row {
  const char* text;
  const char* host;  // nullptr: an error
  int port;
};

TEST(Address, parses_what_users_write) {
  const Row rows[] = {
      {"localhost", "localhost", 2181},
      {"localhost:99", "localhost", 99},
      {"[::1]:99", "::1", 99},
      {"[::1]", "::1", 2181},
      {"::1", "::1", 2181},
      {"", nullptr, 0},
      {":99", nullptr, 0},
      {"h:", nullptr, 0},
      {"h:99x", nullptr, 0},
      {"h:70000", nullptr, 0},
      {"[::1", nullptr, 0},
      {"[::1]99", nullptr, 0},
  };
  for (const Row& row : rows) {
    const auto parsed = parse_host_port(row.text, 2181);
    ASSERT_EQ(parsed.ok(), row.host != nullptr) << row.text;
    if (row.host != nullptr) {
      EXPECT_EQ(parsed->host, row.host);
      EXPECT_EQ(parsed->port, row.port);
    }
  }
}

TEST(Address, brackets_version_six) {
  EXPECT_EQ(to_string(Address{"::1", 80}), "[::1]:80");
  EXPECT_EQ(to_string(Address{"10.0.0.1", 80}), "10.0.0.1:80");
  EXPECT_TRUE(is_loopback(Address{"127.0.1.1", 80}));
  EXPECT_FALSE(is_loopback(Address{"128.0.1.1", 80}));
}

}  // namespace
}  // namespace synod::ports
