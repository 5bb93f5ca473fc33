// Pieces of files in sandboxes: task output and whatever else operators read.
//
// Threads  Everything here asks the Disk: a journal Lane's business.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "ports/disk.h"

namespace synod::agent {

struct Piece {
  Bytes data;
  std::uint64_t offset = 0;
  std::uint64_t next_offset = 0;
  std::uint64_t size = 0;
};

// A piece of `relative` inside the sandbox. Nothing outside the sandbox is read, whatever links the
// task has put there. A negative offset counts from the end; a file that does not exist is empty if
// `absent_is_empty`.
struct PieceRequest {
  std::string sandbox;
  std::string relative;
  std::int64_t offset = 0;
  std::uint64_t length = 64 << 10;
  bool absent_is_empty = false;
  // Leave a character that the end would cut for the next piece.
  bool whole_characters = false;
};
Result<Piece> read_piece(ports::Disk& disk, const PieceRequest& request);

// Bytes that are not UTF-8 replaced by U+FFFD.
std::string printable(ByteView bytes);

struct FoundSandbox {
  std::string framework_id;
  std::string executor_id;
  std::string container_id;
  std::string directory;
};
// The sandbox of a task whose executor is named after it, among those that are still on disk.
Result<FoundSandbox> find_sandbox(ports::Disk& disk, const std::string& work_dir,
                                  const std::string& agent_id, const std::string& framework_id,
                                  const std::string& task_id);

// A path of Mesos' /files endpoints: a host path below work_dir/slaves, or a virtual one
// (/frameworks/F/executors/E/runs/C/...), split into sandbox and what is inside it.
struct SandboxPath {
  std::string sandbox;
  std::string relative;
};
std::optional<SandboxPath> split_path(const std::string& work_dir, const std::string& agent_id,
                                      const std::string& path);

}  // namespace synod::agent
