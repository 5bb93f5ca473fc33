// Files, their names, and the flushing of either: three separate things.
//
// What a crash keeps: of a file, any subset of the sectors written since its last flush(); of a
// directory, any subset of the names made, removed or renamed since its last sync_directory(); the
// size of a file belongs to the file. The simulator's Disk loses accordingly, at its cruellest by
// default (reference: "All file systems are not created equal", OSDI 2014).
//
// Calls are synchronous and may take long: they are made on journal Lanes only. In simulation a
// call moves its Lane's clock, and a crash inside it discards what came after.
//
// Errors  not_found, already_exists, permission_denied; full (ENOSPC, EDQUOT); io (EIO: what was
//         written since the last good flush is unknown; never retried as if nothing happened);
//         busy (locked by another process).
// Threads Each File is used by one Lane at a time; different files may be used at once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace synod::ports {

class File {
 public:
  virtual ~File() = default;  // closes, without flushing

  // Reads up to `size` bytes at `offset`; shorter only at the end of the file.
  virtual Result<Bytes> read_at(std::uint64_t offset, std::size_t size) = 0;
  // The same, past the page cache: what the medium holds, not what was once written. For the check
  // after a failed flush. Implementations that cannot bypass say unsupported.
  virtual Result<Bytes> read_medium_at(std::uint64_t offset, std::size_t size) = 0;
  // Writes all of it or fails; extends the file as needed.
  virtual Status write_at(std::uint64_t offset, ByteView bytes) = 0;
  // Durable: the data, and what of the metadata is needed to read it back (fdatasync).
  virtual Status flush() = 0;
  virtual Status truncate(std::uint64_t size) = 0;
  virtual Result<std::uint64_t> size() = 0;
};

enum class OpenMode {
  read,        // must exist
  write,       // must exist; reads too
  create,      // created if absent; reads too
  create_new,  // already_exists if present
};

struct Space {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;  // to us, not to root
};

// A lock on a directory, held until destroyed or the process ends.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
};

class Disk {
 public:
  virtual ~Disk() = default;

  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  // Opens for reading what lies below the directory, and nothing else: a link that leads outside is
  // refused (permission_denied). For directories that strangers may write.
  virtual Result<std::unique_ptr<File>> open_beneath(const std::string& directory,
                                                     const std::string& relative) {
    return open(directory + "/" + relative, OpenMode::read);
  }
  // Replaces the target if it exists. Atomic, durable only after sync_directory of both parents.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  // Durable names: what was made, removed or renamed inside the directory survives from now on.
  virtual Status sync_directory(const std::string& path) = 0;
  // Makes the directory and its missing parents, and syncs each parent that it changed.
  virtual Status make_directories(const std::string& path) = 0;
  // Names (not paths) inside the directory, sorted; without "." and "..".
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  virtual Result<bool> exists(const std::string& path) = 0;
  // Removes a directory with all that is in it; not_found is success.
  virtual Status remove_tree(const std::string& path) = 0;
  virtual Result<Space> space(const std::string& path) = 0;
  // Hands the file or directory to that user, by name, and closes it to strangers (mode 0750).
  // unsupported where there are no users.
  virtual Status set_owner(const std::string& path, const std::string& user) {
    return Error{ErrorCode::unsupported, "set owner of " + path + " to " + user};
  }
  // busy if another process holds it.
  virtual Result<std::unique_ptr<DirectoryLock>> lock(const std::string& path) = 0;
};

// Convenience on top of a Disk: write `path` by a temporary file, flush, rename, sync_directory.
Status write_file_atomically(Disk& disk, const std::string& path, ByteView bytes);
// The whole file; too_large above `size_max`.
Result<Bytes> read_file(Disk& disk, const std::string& path, std::size_t size_max);

}  // namespace synod::ports
