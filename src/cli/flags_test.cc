#include "cli/flags.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "cli/commands.h"

namespace synod::cli {
namespace {

struct Parsed {
  std::string zk = "default";
  std::int64_t port = 5050;
  bool detach = false;
  std::vector<std::string> attributes;
  Duration timeout = Duration::seconds(10);
  std::vector<std::string> rest;
  std::optional<int> exit;
};

Parsed parse(const std::vector<std::string>& arguments) {
  Parsed p;
  Flags flags("probe", "for this test");
  flags.text("zk", &p.zk, "servers");
  flags.number("port", &p.port, "port");
  flags.toggle("detach", &p.detach, "detach");
  flags.list("attributes", &p.attributes, "attributes");
  flags.duration("timeout", &p.timeout, "how long");
  flags.without_meaning("quorum", "the registry lies in the coordination service");
  flags.command_line("command", &p.rest, "what to run");
  flags.environment_prefix("PROBE_");
  p.exit = flags.parse(arguments);
  return p;
}

TEST(Flags, both_spellings_are_taken) {
  const Parsed p = parse({"--zk=a", "--port", "7", "--detach", "--timeout=2mins"});
  EXPECT_FALSE(p.exit);
  EXPECT_EQ(p.zk, "a");
  EXPECT_EQ(p.port, 7);
  EXPECT_TRUE(p.detach);
  EXPECT_EQ(p.timeout, Duration::seconds(120));
}

TEST(Flags, lists_gather) {
  EXPECT_EQ(parse({"--attributes=a", "--attributes=b"}).attributes,
            (std::vector<std::string>{"a", "b"}));
}

TEST(Flags, everything_after_two_dashes_is_taken_as_it_is) {
  const Parsed p = parse({"--port=7", "--", "sh", "-c", "exit 3", "--detach"});
  EXPECT_FALSE(p.exit);
  EXPECT_EQ(p.rest, (std::vector<std::string>{"sh", "-c", "exit 3", "--detach"}));
  EXPECT_FALSE(p.detach);
}

TEST(Flags, a_command_keeps_its_own_flags) {
  const Parsed p = parse({"--port=7", "sleep", "--detach", "5"});
  EXPECT_FALSE(p.exit);
  EXPECT_EQ(p.rest, (std::vector<std::string>{"sleep", "--detach", "5"}));
}

TEST(Flags, other_words_stand_among_the_flags) {
  Flags flags("probe", "for this test");
  std::vector<std::string> words;
  std::string output;
  bool create = false;
  flags.rest("words", &words, "words");
  flags.text("output", &output, "form");
  flags.toggle("parents,-c", &create, "parents");
  EXPECT_FALSE(flags.parse({"set", "-c", "/x", "--output=json", "-", "--", "-5"}));
  EXPECT_EQ(words, (std::vector<std::string>{"set", "/x", "-", "-5"}));
  EXPECT_EQ(output, "json");
  EXPECT_TRUE(create);
}

TEST(Flags, the_environment_fills_what_is_absent) {
  ::setenv("PROBE_PORT", "8", 1);
  EXPECT_EQ(parse({}).port, 8);
  EXPECT_EQ(parse({"--port=9"}).port, 9);
  ::unsetenv("PROBE_PORT");
}

TEST(Flags, an_unknown_flag_names_the_nearest) {
  testing::internal::CaptureStderr();
  const Parsed p = parse({"--prot=7"});
  EXPECT_EQ(p.exit, exit_usage);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("did you mean --port?"), std::string::npos);
}

TEST(Flags, a_bad_value_is_a_usage_error) {
  EXPECT_EQ(parse({"--port=seven"}).exit, exit_usage);
  EXPECT_EQ(parse({"--timeout=10parsecs"}).exit, exit_usage);
}

TEST(Flags, a_flag_without_meaning_warns_and_goes_on) {
  testing::internal::CaptureStderr();
  EXPECT_FALSE(parse({"--quorum=2"}).exit);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("no effect"), std::string::npos);
}

}  // namespace
}  // namespace synod::cli
