#include "test/script/script.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace synod::script {
namespace {

// Stands in for a missing word once the test has been failed.
const std::string nothing;

std::vector<std::string> read_lines(const std::string& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

bool is_separator(const std::string& line) { return line == "----"; }

std::string with_expected(const std::string& output) {
  const bool fenced = output.find("\n\n") != std::string::npos || output.starts_with("\n");
  return fenced ? "----\n" + output + "----\n" : output;
}

class Run {
 public:
  Run(const std::string& path, Handler& handler) : path_(path), handler_(handler) {}

  void all() {
    const std::vector<std::string> lines = read_lines(path_);
    std::size_t i = 0;
    while (i < lines.size()) {
      if (lines[i].empty() || lines[i].front() == '#') {
        rewritten_ += lines[i++] + "\n";
        continue;
      }
      i = block(lines, i);
    }
    if (std::getenv("SYNOD_REWRITE") != nullptr) {
      std::ofstream(path_) << rewritten_;
    }
  }

 private:
  std::size_t block(const std::vector<std::string>& lines, std::size_t i) {
    const std::size_t first = i;
    std::string output;
    for (; i < lines.size() && !is_separator(lines[i]); ++i) {
      rewritten_ += lines[i] + "\n";
      if (lines[i].empty() || lines[i].front() == '#') {
        continue;
      }
      output += handler_.run(parse_command(lines[i]));
    }
    std::string expected;
    if (i < lines.size()) {
      ++i;
      const bool fenced = i < lines.size() && is_separator(lines[i]);
      i += fenced ? 1 : 0;
      for (; i < lines.size() && (fenced ? !is_separator(lines[i]) : !lines[i].empty()); ++i) {
        expected += lines[i] + "\n";
      }
      i += fenced && i < lines.size() ? 1 : 0;
    }
    rewritten_ += "----\n" + with_expected(output);
    if (std::getenv("SYNOD_REWRITE") == nullptr) {
      EXPECT_EQ(output, expected) << path_ << ":" << first + 1 << ": the block says something else";
    }
    return i;
  }

  const std::string& path_;
  Handler& handler_;
  std::string rewritten_;
};

// Reads one word from `line` at `i`; quotes are dropped, the spaces inside them kept.
std::string next_word(std::string_view line, std::size_t& i) {
  std::string word;
  bool quoted = false;
  for (; i < line.size(); ++i) {
    if (line[i] == '"') {
      quoted = !quoted;
    } else if (line[i] == ' ' && !quoted) {
      break;
    } else {
      word.push_back(line[i]);
    }
  }
  return word;
}

bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '.';
  });
}

}  // namespace

const std::string& Command::word(std::size_t n) const {
  if (n + 1 >= words.size()) {
    ADD_FAILURE() << "\"" << line << "\" has no word " << n + 1 << " after the verb";
    return nothing;
  }
  return words[n + 1];
}

std::string Command::text(const std::string& name, const std::string& otherwise) const {
  const auto it = arguments.find(name);
  return it == arguments.end() ? otherwise : it->second;
}

std::int64_t Command::number(const std::string& name, std::int64_t otherwise) const {
  const auto it = arguments.find(name);
  return it == arguments.end() ? otherwise : std::strtoll(it->second.c_str(), nullptr, 0);
}

Command parse_command(std::string_view line) {
  Command command;
  command.line = line;
  std::size_t i = 0;
  while (i < line.size()) {
    if (line[i] == ' ') {
      ++i;
      continue;
    }
    const std::string word = next_word(line, i);
    const std::size_t equals = word.find('=');
    if (!command.words.empty() && equals != std::string::npos &&
        is_name(std::string_view(word).substr(0, equals))) {
      command.arguments[word.substr(0, equals)] = word.substr(equals + 1);
    } else {
      command.words.push_back(word);
    }
  }
  if (command.words.empty()) {
    command.words.emplace_back();
  }
  return command;
}

void run_script(const std::string& path, const MakeHandler& make) {
  SCOPED_TRACE(path);
  const std::unique_ptr<Handler> handler = make();
  Run(path, *handler).all();
}

void run_scripts(const std::string& directory, const MakeHandler& make) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".txt") {
      paths.push_back(entry.path().string());
    }
  }
  std::sort(paths.begin(), paths.end());
  EXPECT_FALSE(paths.empty()) << "no scripts in " << directory;
  for (const std::string& path : paths) {
    run_script(path, make);
  }
}

}  // namespace synod::script
