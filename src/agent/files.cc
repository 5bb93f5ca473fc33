#include "agent/files.h"

#include <algorithm>
#include <vector>

#include "mesos/utf8.h"

namespace synod::agent {

namespace {

// Length of the UTF-8 sequence that begins with `lead`; 0 if none does.
std::size_t sequence_length(unsigned char lead) {
  if (lead < 0x80) {
    return 1;
  }
  if (lead >= 0xc2 && lead <= 0xdf) {
    return 2;
  }
  if (lead >= 0xe0 && lead <= 0xef) {
    return 3;
  }
  return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U; }

// How many bytes at the end are the beginning of a character that is not complete.
std::size_t cut_at_end(ByteView bytes) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, bytes.size()); ++back) {
    const char c = bytes[bytes.size() - back];
    if (is_continuation(c)) {
      continue;
    }
    return sequence_length(static_cast<unsigned char>(c)) > back ? back : 0;
  }
  return 0;
}

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> parts;
  std::size_t at = 0;
  while (at <= path.size()) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    if (end > at) {
      parts.push_back(path.substr(at, end - at));
    }
    at = end + 1;
  }
  return parts;
}

std::string join(const std::vector<std::string>& parts, std::size_t from) {
  std::string text;
  for (std::size_t i = from; i < parts.size(); ++i) {
    text += (text.empty() ? "" : "/") + parts[i];
  }
  return text;
}

}  // namespace

Result<Piece> read_piece(ports::Disk& disk, const PieceRequest& request) {
  Piece piece;
  auto file = disk.open_beneath(request.sandbox, request.relative);
  if (!file.ok()) {
    if (request.absent_is_empty && file.error().code == ErrorCode::not_found) {
      return piece;
    }
    return file.error();
  }
  SYNOD_TRY_ASSIGN(piece.size, (*file)->size());
  if (request.offset < 0) {
    const auto back = static_cast<std::uint64_t>(-(request.offset + 1)) + 1;
    piece.offset = piece.size - std::min(back, piece.size);
  } else {
    piece.offset = std::min(static_cast<std::uint64_t>(request.offset), piece.size);
  }
  const std::uint64_t length = std::min(request.length, piece.size - piece.offset);
  SYNOD_TRY_ASSIGN(piece.data, (*file)->read_at(piece.offset, static_cast<std::size_t>(length)));
  if (request.whole_characters) {
    // A tail that stays incomplete at the end of the file is given as it is, or it would be asked
    // for without end.
    const std::size_t cut = cut_at_end(piece.data);
    if (cut < piece.data.size()) {
      piece.data.resize(piece.data.size() - cut);
    }
  }
  piece.next_offset = piece.offset + piece.data.size();
  return piece;
}

std::string printable(ByteView bytes) {
  std::string text;
  text.reserve(bytes.size());
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t begin = at;
    if (mesos::decode_utf8(bytes, at)) {
      text.append(bytes.substr(begin, at - begin));
    } else {
      mesos::append_utf8(text, 0xfffd);
    }
  }
  return text;
}

Result<FoundSandbox> find_sandbox(ports::Disk& disk, const std::string& work_dir,
                                  const std::string& agent_id, const std::string& framework_id,
                                  const std::string& task_id) {
  const std::string base = work_dir + "/slaves/" + agent_id + "/frameworks";
  std::vector<std::string> frameworks{framework_id};
  if (framework_id.empty()) {
    auto names = disk.list(base);
    frameworks = names.ok() ? std::move(*names) : std::vector<std::string>{};
  }
  for (const std::string& framework : frameworks) {
    const std::string runs = base + "/" + framework + "/executors/" + task_id + "/runs";
    const auto names = disk.list(runs);
    if (names.ok() && !names->empty()) {
      return FoundSandbox{framework, task_id, names->back(), runs + "/" + names->back()};
    }
  }
  return Error{ErrorCode::not_found, "no sandbox of task " + task_id + " is on this agent"};
}

std::optional<SandboxPath> split_path(const std::string& work_dir, const std::string& agent_id,
                                      const std::string& path) {
  const std::string slaves = work_dir + "/slaves/";
  std::vector<std::string> parts;
  if (path.rfind(slaves, 0) == 0) {
    parts = split(path.substr(slaves.size()));
  } else if (path.rfind("/frameworks/", 0) == 0 || path.rfind("frameworks/", 0) == 0) {
    parts = split(path);
    parts.insert(parts.begin(), agent_id);
  }
  // agent / frameworks / F / executors / E / runs / C / ...
  constexpr std::size_t depth = 7;
  if (parts.size() < depth || parts[1] != "frameworks" || parts[3] != "executors" ||
      parts[5] != "runs" || std::find(parts.begin(), parts.end(), "..") != parts.end()) {
    return std::nullopt;
  }
  const std::vector<std::string> head(parts.begin(), parts.begin() + depth);
  return SandboxPath{slaves + join(head, 0), join(parts, depth)};
}

}  // namespace synod::agent
