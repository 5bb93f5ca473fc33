#include "machine/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <memory>
#include <sstream>

#include "machine/descriptor.h"

namespace synod::machine {

Result<std::string> read_kernel_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) {
    return last_error("open " + path);
  }
  std::string text;
  char buffer[8192];
  while (true) {
    const ssize_t got = ::read(file.get(), buffer, sizeof(buffer));
    if (got == 0) {
      return text;
    }
    if (got < 0 && errno != EINTR) {
      return last_error("read " + path);
    }
    if (got > 0) {
      text.append(buffer, static_cast<std::size_t>(got));
    }
  }
}

std::optional<ProcessStat> parse_process_stat(const std::string& line) {
  const std::size_t close = line.rfind(')');
  ProcessStat stat;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), stat.pid);
  if (close == std::string::npos || error != std::errc()) {
    return std::nullopt;
  }
  std::istringstream fields(line.substr(close + 1));
  std::string skipped;
  const auto skip = [&](int count) {
    for (int i = 0; i < count; ++i) {
      fields >> skipped;
    }
  };
  // Fields 3 to 24, by their numbers in proc(5).
  fields >> stat.state >> stat.parent;
  skip(1);
  fields >> stat.session;
  skip(7);
  fields >> stat.user_ticks >> stat.system_ticks;
  skip(6);
  fields >> stat.start_time;
  skip(1);
  fields >> stat.resident_pages;
  return fields ? std::optional(stat) : std::nullopt;
}

std::optional<ProcessStat> stat_of(std::int64_t pid) {
  const auto text = read_kernel_file("/proc/" + std::to_string(pid) + "/stat");
  return text.ok() ? parse_process_stat(*text) : std::nullopt;
}

std::vector<std::int64_t> all_pids() {
  std::vector<std::int64_t> pids;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc"), &::closedir);
  while (const dirent* entry = directory ? ::readdir(directory.get()) : nullptr) {
    const std::string name = entry->d_name;
    std::int64_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc() && end == name.data() + name.size()) {
      pids.push_back(pid);
    }
  }
  return pids;
}

std::vector<std::string> split_zero_ended(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\0', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace synod::machine
