// The front of logging: what the code says, not where it goes.
//
// A Log is reached through ports::Lane::log(); pure cores have none and return Note effects
// instead. One event is one line of words and key=value pairs, without a final stop:
//   log.info("leader", "elected ballot={} after {} ms", ballot, ms);
//
// Threads: log lines may be written from any Lane; an implementation serializes them.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace synod {

enum class LogLevel { debug, info, warning, error };

class Log {
 public:
  virtual ~Log() = default;

  virtual bool enabled(LogLevel level) const = 0;
  // `part` is the folder or component ("engine", "edge", "master"); `line` has no newline.
  virtual void write(LogLevel level, std::string_view part, std::string_view line) = 0;

  template <typename... Args>
  void debug(std::string_view part, fmt::format_string<Args...> f, Args&&... args) {
    say(LogLevel::debug, part, f, std::forward<Args>(args)...);
  }
  template <typename... Args>
  void info(std::string_view part, fmt::format_string<Args...> f, Args&&... args) {
    say(LogLevel::info, part, f, std::forward<Args>(args)...);
  }
  template <typename... Args>
  void warning(std::string_view part, fmt::format_string<Args...> f, Args&&... args) {
    say(LogLevel::warning, part, f, std::forward<Args>(args)...);
  }
  template <typename... Args>
  void error(std::string_view part, fmt::format_string<Args...> f, Args&&... args) {
    say(LogLevel::error, part, f, std::forward<Args>(args)...);
  }

 private:
  template <typename... Args>
  void say(LogLevel level, std::string_view part, fmt::format_string<Args...> f, Args&&... args) {
    if (enabled(level)) {
      write(level, part, fmt::format(f, std::forward<Args>(args)...));
    }
  }
};

}  // namespace synod
