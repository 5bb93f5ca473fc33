// The runner of text scripts: how every pure core is tested.
//
// A script is a conversation. Each block is command lines, a line `----`, and the expected output
// up to the next empty line (or `----` twice around output that has empty lines itself). Lines that
// start with # are comments:
//
//   # n1 gets its value accepted by n2 only, then falls silent.
//   cluster nodes=3 leader=n1
//   propose n1 value=apple
//   ----
//   n1: send accept slot=1
//
// A handler runs one command and returns its output, zero or more whole lines; the outputs of a
// block are joined and compared. A fresh handler is made for every file.
//
// SYNOD_REWRITE=1 in the environment writes what was said into the files instead of comparing; the
// diff is then read by a human.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace synod::script {

// One command line: words, of which those with `=` after a name are arguments.
// `propose n1 value=apple,pear` has words {"propose", "n1"} and arguments {value: "apple,pear"}.
// Double quotes keep spaces: value="an apple".
struct Command {
  std::string line;
  std::vector<std::string> words;
  std::map<std::string, std::string> arguments;

  const std::string& verb() const { return words.front(); }
  // The n-th word after the verb; fails the test if there is none.
  const std::string& word(std::size_t n) const;
  bool has(const std::string& name) const { return arguments.count(name) != 0; }
  std::string text(const std::string& name, const std::string& otherwise = "") const;
  std::int64_t number(const std::string& name, std::int64_t otherwise) const;
};

// Splits a line. Never fails: an unclosed quote reaches to the end.
Command parse_command(std::string_view line);

class Handler {
 public:
  virtual ~Handler() = default;
  // Output lines, each ended by '\n', or "" for none. Unknown verbs answer with a line that says
  // so.
  virtual std::string run(const Command& command) = 0;
};

using MakeHandler = std::function<std::unique_ptr<Handler>()>;

// Runs one file; GoogleTest failures name the file and the line of the block.
void run_script(const std::string& path, const MakeHandler& make);

// Runs every *.txt below the directory, in order of name; fails if there is none.
void run_scripts(const std::string& directory, const MakeHandler& make);

}  // namespace synod::script
