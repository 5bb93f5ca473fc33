#include "ports/disk.h"

namespace synod::ports {
namespace {

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Status write_file_atomically(Disk& disk, const std::string& path, ByteView bytes) {
  const std::string temporary = path + ".new";
  {
    SYNOD_TRY_ASSIGN(auto file, disk.open(temporary, OpenMode::create));
    SYNOD_TRY(file->truncate(0));
    SYNOD_TRY(file->write_at(0, bytes));
    SYNOD_TRY(file->flush());
  }
  SYNOD_TRY(disk.rename(temporary, path));
  return disk.sync_directory(parent_of(path));
}

Result<Bytes> read_file(Disk& disk, const std::string& path, std::size_t size_max) {
  SYNOD_TRY_ASSIGN(auto file, disk.open(path, OpenMode::read));
  SYNOD_TRY_ASSIGN(const std::uint64_t size, file->size());
  if (size > size_max) {
    return Error{ErrorCode::too_large, path + " has " + std::to_string(size) +
                                           " bytes, more than " + std::to_string(size_max)};
  }
  return file->read_at(0, static_cast<std::size_t>(size));
}

}  // namespace synod::ports
