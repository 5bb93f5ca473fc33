#include "election/names.h"

#include <fmt/format.h>

#include <charconv>
#include <sstream>

#include "election/detector.h"

namespace synod::election {
namespace {

constexpr std::size_t sequence_digits = 10;

std::optional<Uuid> parse_uuid(const std::string& text) {
  Uuid uuid;
  std::size_t at = 0;
  for (std::size_t i = 0; i < uuid.bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      if (at >= text.size() || text[at++] != '-') {
        return std::nullopt;
      }
    }
    if (at + 2 > text.size()) {
      return std::nullopt;
    }
    const char* begin = text.data() + at;
    const auto [end, error] = std::from_chars(begin, begin + 2, uuid.bytes[i], 16);
    if (error != std::errc() || end != begin + 2) {
      return std::nullopt;
    }
    at += 2;
  }
  return at == text.size() ? std::optional(uuid) : std::nullopt;
}

template <typename T>
std::optional<T> parse_number(const std::string& text, int base) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                  : std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> candidate_sequence(const std::string& name) {
  if (!name.starts_with(candidate_prefix)) {
    return std::nullopt;
  }
  const std::string digits = name.substr(std::string(candidate_prefix).size());
  if (digits.size() < sequence_digits) {
    return std::nullopt;
  }
  return parse_number<std::uint64_t>(digits, 10);
}

std::string leading_child(const std::vector<std::string>& children) {
  std::string leading;
  std::uint64_t least = UINT64_MAX;
  for (const std::string& child : children) {
    const auto sequence = candidate_sequence(child);
    if (sequence && *sequence < least) {
      least = *sequence;
      leading = child;
    }
  }
  return leading;
}

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

Bytes encode(const EpochRecord& record) {
  return fmt::format("synod-epoch 1\nlineage {}\nepoch {}\nsession {:x}\ncandidate {}\n",
                     to_string(record.lineage), record.epoch.value(),
                     static_cast<std::uint64_t>(record.session.value()), record.candidate_path);
}

Result<EpochRecord> decode_epoch_record(ByteView bytes) {
  std::istringstream lines{std::string(bytes)};
  std::string magic;
  std::string lineage;
  std::string epoch;
  std::string session;
  std::string candidate;
  std::getline(lines, magic);
  const auto field = [&](const std::string& name, std::string& value) {
    std::string line;
    std::getline(lines, line);
    if (line.starts_with(name + " ")) {
      value = line.substr(name.size() + 1);
    }
  };
  field("lineage", lineage);
  field("epoch", epoch);
  field("session", session);
  field("candidate", candidate);
  const auto uuid = parse_uuid(lineage);
  const auto counter = parse_number<std::uint64_t>(epoch, 10);
  const auto owner = parse_number<std::uint64_t>(session, 16);
  if (magic != "synod-epoch 1" || !uuid || !counter || *counter == 0 || !owner ||
      !candidate.starts_with('/')) {
    return Error{ErrorCode::malformed, "the epoch node does not hold an epoch"};
  }
  return EpochRecord{*uuid, MasterEpoch(*counter), SessionId(static_cast<std::int64_t>(*owner)),
                     candidate};
}

}  // namespace synod::election
