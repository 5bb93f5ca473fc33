#include "cli/zk_session.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/bytes.h"
#include "http/json.h"

namespace synod::cli {
namespace {

// Not to be taken up again in its last moments: the attempt would meet its expiry.
constexpr Duration margin = Duration::seconds(1);

std::string path_in(const std::string& directory) { return directory + "/zk.session"; }

std::string taken_path(const std::string& directory) {
  return path_in(directory) + "." + std::to_string(::getpid());
}

std::optional<Bytes> from_hex(std::string_view text) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, value, 16);
    if (error != std::errc() || end != text.data() + i + 2) {
      return std::nullopt;
    }
    bytes.push_back(static_cast<char>(value));
  }
  return text.size() % 2 == 0 ? std::optional<Bytes>(bytes) : std::nullopt;
}

}  // namespace

std::optional<KeptSession> take_session(const std::string& directory, WallTime now) {
  const std::string path = taken_path(directory);
  std::error_code error;
  std::filesystem::rename(path_in(directory), path, error);
  if (error) {
    return std::nullopt;
  }
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  std::filesystem::remove(path, error);
  const auto json = http::parse_json(text.str());
  if (!json.ok()) {
    return std::nullopt;
  }
  KeptSession session;
  const auto password = from_hex((*json)["password"].as_string());
  session.credentials.id = SessionId((*json)["id"].as_int());
  session.server = (*json)["server"].as_string();
  session.process.pid = (*json)["pid"].as_int();
  session.process.start_time = static_cast<std::uint64_t>((*json)["start_time"].as_int());
  session.zxid = Zxid((*json)["zxid"].as_int());
  session.timeout = Duration::millis((*json)["timeout_ms"].as_int());
  session.used_at = WallTime{(*json)["used_at_ms"].as_int()};
  const std::int64_t age = now.millis - session.used_at.millis;
  if (!password || session.credentials.id.value() == 0 || age < 0 ||
      age >= (session.timeout - margin).millis()) {
    return std::nullopt;
  }
  session.credentials.password = *password;
  return session;
}

void keep_session(const std::string& directory, const KeptSession& session) {
  const std::string path = taken_path(directory);
  const std::string text =
      http::to_string(http::Json::object({{"id", session.credentials.id.value()},
                                          {"password", to_hex(session.credentials.password)},
                                          {"server", session.server},
                                          {"pid", session.process.pid},
                                          {"start_time", session.process.start_time},
                                          {"zxid", session.zxid.value()},
                                          {"timeout_ms", session.timeout.millis()},
                                          {"used_at_ms", session.used_at.millis}})) +
      "\n";
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    return;
  }
  const bool written =
      ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(descriptor);
  std::error_code error;
  if (written) {
    std::filesystem::rename(path, path_in(directory), error);
  }
  if (!written || error) {
    std::filesystem::remove(path, error);
  }
}

}  // namespace synod::cli
