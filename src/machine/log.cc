#include "machine/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>

namespace synod::machine {
namespace {

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warning: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

class SpdLog final : public Log {
 public:
  SpdLog(spdlog::sink_ptr sink, LogLevel level) : logger_("synod", std::move(sink)) {
    logger_.set_formatter(std::make_unique<spdlog::pattern_formatter>(
        "%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc));
    logger_.set_level(level_of(level));
    logger_.flush_on(spdlog::level::trace);
  }

  bool enabled(LogLevel level) const override { return logger_.should_log(level_of(level)); }

  void write(LogLevel level, std::string_view part, std::string_view line) override {
    std::string text;
    text.reserve(part.size() + line.size() + 1);
    text.append(part).append(" ").append(line);
    // A peer's bytes must not forge lines.
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
    logger_.log(level_of(level), spdlog::string_view_t(text.data(), text.size()));
  }

 private:
  mutable spdlog::logger logger_;
};

}  // namespace

std::unique_ptr<Log> open_log(LogLevel level) {
  return std::make_unique<SpdLog>(std::make_shared<spdlog::sinks::stderr_sink_mt>(), level);
}

Result<std::unique_ptr<Log>> open_log_file(const std::string& path, LogLevel level) {
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path, false);
    return std::unique_ptr<Log>(std::make_unique<SpdLog>(std::move(sink), level));
  } catch (const spdlog::spdlog_ex& failure) {
    return Error{ErrorCode::io, failure.what()};
  }
}

}  // namespace synod::machine
