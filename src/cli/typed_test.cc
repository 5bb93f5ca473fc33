#include "cli/typed.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace synod::cli {
namespace {

class Typed : public testing::Test {
 protected:
  ~Typed() override {
    set_typed_name("synod");
    set_typed_flags("");
  }
};

TEST_F(Typed, advice_names_the_program_as_it_was_called) {
  set_typed_name("build/synod");
  EXPECT_EQ(as_typed("synod logs web.1 | synod kill web"),
            "build/synod logs web.1 | build/synod kill web");
  EXPECT_EQ(as_typed("start one with `synod up`, or"), "start one with `build/synod up`, or");
}

TEST_F(Typed, flags_that_found_the_cluster_go_with_what_needs_one) {
  set_typed_flags("--dir=/x");
  EXPECT_EQ(as_typed("synod zk set -c /a b   synod up --help"),
            "synod zk --dir=/x set -c /a b   synod up --help");
}

TEST_F(Typed, other_words_stay) {
  set_typed_name("build/synod");
  set_typed_flags("--dir=/x");
  EXPECT_EQ(as_typed("/etc/synod status of mysynod run"), "/etc/synod status of mysynod run");
  EXPECT_EQ(as_typed(""), "");
}

TEST(ShortPath, what_lies_here_is_told_from_here) {
  const std::string here = std::filesystem::current_path().string();
  EXPECT_EQ(short_path(here + "/.synod"), "./.synod");
  EXPECT_EQ(short_path(here), here);
  EXPECT_EQ(short_path("/elsewhere"), "/elsewhere");
}

}  // namespace
}  // namespace synod::cli
