#include "test/script/script.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace synod::script {
namespace {

class Echo : public Handler {
 public:
  std::string run(const Command& command) override {
    return "verb=" + command.verb() + " a=" + command.text("a", "none") + "\n";
  }
};

std::unique_ptr<Handler> make_echo() { return std::make_unique<Echo>(); }

TEST(Script, runs_what_stands_in_the_file) {
  run_scripts(std::string(SYNOD_SOURCE_DIR) + "/script/testdata", make_echo);
}

TEST(Script, a_wrong_expectation_fails) {
  static std::string path;
  path = (std::filesystem::temp_directory_path() / ("script_test_" + std::to_string(::getpid())))
             .string();
  std::ofstream(path) << "go a=1\n----\nverb=go a=2\n";
  EXPECT_NONFATAL_FAILURE(run_script(path, make_echo), "says something else");
  std::filesystem::remove(path);
}

TEST(Script, words_and_arguments_are_told_apart) {
  const Command command = parse_command("set n1 a=\"x y\" b=2 --flag /p=q");
  EXPECT_EQ(command.verb(), "set");
  EXPECT_EQ(command.words, (std::vector<std::string>{"set", "n1", "--flag", "/p=q"}));
  EXPECT_EQ(command.text("a"), "x y");
  EXPECT_EQ(command.number("b", 0), 2);
}

}  // namespace
}  // namespace synod::script
