// Flags of a subcommand: `--name=value` or `--name value`, as Mesos and every other tool have them.
//
// CLI11 does the parsing, hidden in flags.cc. Unknown flags are errors that name the nearest known
// one; `--help` prints the list. Flags of Mesos that mean nothing here are accepted with one
// warning.
//
// Memory  Targets are borrowed and must outlive parse(). A target keeps its value if its flag is
// absent:
//         that value is the default, and `--help` shows it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.h"
#include "base/log.h"
#include "base/result.h"

namespace synod::cli {

class Flags {
 public:
  Flags(const std::string& command, const std::string& summary);
  ~Flags();
  Flags(const Flags&) = delete;
  Flags& operator=(const Flags&) = delete;

  void text(const std::string& name, std::string* target, const std::string& help);
  void number(const std::string& name, std::int64_t* target, const std::string& help);
  // Present or absent, or `--name=true|false`.
  void toggle(const std::string& name, bool* target, const std::string& help);
  // May be given several times.
  void list(const std::string& name, std::vector<std::string>* target, const std::string& help);
  // As Mesos writes them: 500ms, 10secs, 1mins, 2hrs, 3days, 1weeks; also 10s, 1m, 2h, 3d.
  void duration(const std::string& name, Duration* target, const std::string& help);
  // Accepted without effect; `why` is printed once as a warning if it is given.
  void without_meaning(const std::string& name, const std::string& why);
  // Arguments that are not flags, among flags or after `--`.
  void rest(const std::string& name, std::vector<std::string>* target, const std::string& help);
  // The same, but from the first one on everything is taken as it is: a command with its own flags.
  void command_line(const std::string& name, std::vector<std::string>* target,
                    const std::string& help);

  // Flags that are absent are looked for in the environment as PREFIX_NAME (MESOS_WORK_DIR);
  // unknown variables of the prefix are ignored.
  void environment_prefix(const std::string& prefix);
  // Printed at the end of `--help`.
  void footer(const std::string& text);

  // nullopt: go on. Otherwise the exit code (0 after --help, 2 after an error told on stderr).
  [[nodiscard]] std::optional<int> parse(const std::vector<std::string>& arguments);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The text form of Flags::duration. invalid_argument otherwise.
Result<Duration> parse_duration(const std::string& text);

// What --logging_level names: DEBUG, INFO, WARNING or ERROR; anything else is INFO.
LogLevel log_level_of(const std::string& name);

}  // namespace synod::cli
