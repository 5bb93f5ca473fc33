#include "machine/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "machine/descriptor.h"

namespace synod::machine {
namespace {

constexpr std::uint64_t medium_block_bytes = 4096;

class KernelFile final : public ports::File {
 public:
  KernelFile(Descriptor file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}

  Result<Bytes> read_at(std::uint64_t offset, std::size_t size) override {
    Bytes bytes(size, '\0');
    SYNOD_TRY_ASSIGN(const std::size_t got,
                     read_into(file_.get(), bytes.data(), offset, bytes.size()));
    bytes.resize(got);
    return bytes;
  }

  Result<Bytes> read_medium_at(std::uint64_t offset, std::size_t size) override {
    SYNOD_TRY_ASSIGN(const Descriptor direct, open_direct());
    const std::uint64_t begin = offset / medium_block_bytes * medium_block_bytes;
    const std::uint64_t end =
        (offset + size + medium_block_bytes - 1) / medium_block_bytes * medium_block_bytes;
    const auto span = static_cast<std::size_t>(end - begin);
    void* raw = nullptr;
    if (span == 0) {
      return Bytes();
    }
    if (::posix_memalign(&raw, medium_block_bytes, span) != 0) {
      return Error{ErrorCode::full, "no memory for a direct read"};
    }
    const std::unique_ptr<void, decltype(&::free)> buffer(raw, &::free);
    SYNOD_TRY_ASSIGN(const std::size_t got,
                     read_into(direct.get(), static_cast<char*>(raw), begin, span));
    const auto skip = static_cast<std::size_t>(offset - begin);
    return skip >= got ? Bytes()
                       : Bytes(static_cast<char*>(raw) + skip, std::min(size, got - skip));
  }

  Status write_at(std::uint64_t offset, ByteView bytes) override {
    while (!bytes.empty()) {
      const ssize_t sent =
          ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (sent < 0 && errno != EINTR) {
        return last_error("write " + path_);
      }
      if (sent > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
        offset += static_cast<std::uint64_t>(sent);
      }
    }
    return {};
  }

  Status flush() override {
    // Never repeated after a failure: the kernel may have dropped the dirty pages by then.
    return ::fdatasync(file_.get()) == 0 ? Status() : Status(last_error("flush " + path_));
  }

  Status truncate(std::uint64_t size) override {
    return ::ftruncate(file_.get(), static_cast<off_t>(size)) == 0
               ? Status()
               : Status(last_error("truncate " + path_));
  }

  Result<std::uint64_t> size() override {
    struct stat status {};
    if (::fstat(file_.get(), &status) != 0) {
      return last_error("size of " + path_);
    }
    return static_cast<std::uint64_t>(status.st_size);
  }

 private:
  // By its descriptor: the file may have been renamed since it was opened, as spare segments are.
  // Where /proc is missing, by its name, if that is still its own.
  Result<Descriptor> open_direct() const {
    const std::string self = "/proc/self/fd/" + std::to_string(file_.get());
    Descriptor direct(::open(self.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
    if (!direct.is_open() && errno == ENOENT) {
      direct = Descriptor(::open(path_.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
    }
    if (!direct.is_open()) {
      return errno == EINVAL || errno == ENOENT
                 ? Error{ErrorCode::unsupported, path_ + ": no direct reads here"}
                 : last_error("open " + path_);
    }
    if (!same_file(direct.get())) {
      return Error{ErrorCode::unsupported, path_ + ": the name belongs to another file now"};
    }
    return direct;
  }

  // Until `size` bytes or the end of the file.
  Result<std::size_t> read_into(int fd, char* target, std::uint64_t offset, std::size_t size) {
    std::size_t got = 0;
    while (got < size) {
      const ssize_t part = ::pread(fd, target + got, size - got, static_cast<off_t>(offset + got));
      if (part == 0) {
        break;
      }
      if (part < 0 && errno != EINTR) {
        return last_error("read " + path_);
      }
      if (part > 0) {
        got += static_cast<std::size_t>(part);
      }
    }
    return got;
  }

  bool same_file(int other) const {
    struct stat mine {};
    struct stat theirs {};
    return ::fstat(file_.get(), &mine) == 0 && ::fstat(other, &theirs) == 0 &&
           mine.st_dev == theirs.st_dev && mine.st_ino == theirs.st_ino;
  }

  Descriptor file_;
  std::string path_;
};

class KernelLock final : public ports::DirectoryLock {
 public:
  explicit KernelLock(Descriptor directory) : directory_(std::move(directory)) {}

 private:
  Descriptor directory_;  // flock ends with it
};

int flags_of(ports::OpenMode mode) {
  switch (mode) {
    case ports::OpenMode::read: return O_RDONLY;
    case ports::OpenMode::write: return O_RDWR;
    case ports::OpenMode::create: return O_RDWR | O_CREAT;
    case ports::OpenMode::create_new: return O_RDWR | O_CREAT | O_EXCL;
  }
  return O_RDONLY;
}

Result<Descriptor> open_directory(const std::string& path) {
  Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.is_open()) {
    return last_error("open directory " + path);
  }
  return directory;
}

struct Entry {
  std::string name;
  bool is_directory = false;
};

// Without "." and "..", unsorted. A symbolic link is not a directory.
Result<std::vector<Entry>> entries_of(int parent, const std::string& name,
                                      const std::string& path) {
  const int fd = ::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) {
    return last_error("open directory " + path);
  }
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::fdopendir(fd), &::closedir);
  std::vector<Entry> entries;
  errno = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string found = entry->d_name;
    if (found != "." && found != "..") {
      bool is_directory = entry->d_type == DT_DIR;
      if (entry->d_type == DT_UNKNOWN) {
        struct stat status {};
        is_directory = ::fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                       S_ISDIR(status.st_mode);
      }
      entries.push_back({found, is_directory});
    }
    errno = 0;
  }
  if (errno != 0) {
    return last_error("read directory " + path);
  }
  return entries;
}

// Depth first with a list of our own: how deep a task's sandbox goes is not ours to bound.
Status remove_below(const std::string& path) {
  std::vector<std::string> pending{path};
  while (!pending.empty()) {
    const std::string directory = pending.back();
    auto entries = entries_of(AT_FDCWD, directory, directory);
    if (!entries.ok()) {
      if (entries.error().code == ErrorCode::not_found) {
        pending.pop_back();
        continue;
      }
      return std::move(entries).error();
    }
    bool has_directories = false;
    for (const Entry& entry : *entries) {
      const std::string child = directory + "/" + entry.name;
      if (entry.is_directory) {
        has_directories = true;
        pending.push_back(child);
      } else if (::unlink(child.c_str()) != 0 && errno != ENOENT) {
        return last_error("remove " + child);
      }
    }
    if (!has_directories) {
      if (::rmdir(directory.c_str()) != 0 && errno != ENOENT) {
        return last_error("remove " + directory);
      }
      pending.pop_back();
    }
  }
  return {};
}

class KernelDisk final : public ports::Disk {
 public:
  Result<std::unique_ptr<ports::File>> open(const std::string& path,
                                            ports::OpenMode mode) override {
    Descriptor file(::open(path.c_str(), flags_of(mode) | O_CLOEXEC, 0644));
    if (!file.is_open()) {
      return last_error("open " + path);
    }
    return std::unique_ptr<ports::File>(std::make_unique<KernelFile>(std::move(file), path));
  }

  Status rename(const std::string& from, const std::string& to) override {
    return ::rename(from.c_str(), to.c_str()) == 0
               ? Status()
               : Status(last_error("rename " + from + " to " + to));
  }

  Result<std::unique_ptr<ports::File>> open_beneath(const std::string& directory,
                                                    const std::string& relative) override {
    const std::string path = directory + "/" + relative;
    SYNOD_TRY_ASSIGN(const Descriptor root, open_directory(directory));
    open_how how{};
    // Not blocking: a pipe in place of the file must not hold us up.
    how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    Descriptor file(
        static_cast<int>(::syscall(SYS_openat2, root.get(), relative.c_str(), &how, sizeof(how))));
    if (!file.is_open()) {
      return errno == EXDEV || errno == ELOOP
                 ? Error{ErrorCode::permission_denied, path + " leads outside"}
                 : last_error("open " + path);
    }
    struct stat status {};
    if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
      return Error{ErrorCode::invalid_argument, path + " is no file"};
    }
    return std::unique_ptr<ports::File>(std::make_unique<KernelFile>(std::move(file), path));
  }

  Status remove(const std::string& path) override {
    return ::remove(path.c_str()) == 0 ? Status() : Status(last_error("remove " + path));
  }

  Status sync_directory(const std::string& path) override {
    SYNOD_TRY_ASSIGN(const Descriptor directory, open_directory(path));
    // EINVAL: a file system of the kernel's own (cgroups, proc), which keeps nothing.
    return ::fsync(directory.get()) == 0 || errno == EINVAL ? Status()
                                                            : Status(last_error("sync " + path));
  }

  Status make_directories(const std::string& path) override {
    std::size_t end = 0;
    while (end != std::string::npos) {
      end = path.find('/', end + 1);
      const std::string part = path.substr(0, end);
      if (part.empty() || part == "/") {
        continue;
      }
      if (::mkdir(part.c_str(), 0755) == 0) {
        const std::size_t slash = part.rfind('/');
        SYNOD_TRY(sync_directory(slash == std::string::npos ? "."
                                 : slash == 0               ? "/"
                                                            : part.substr(0, slash)));
      } else if (errno != EEXIST) {
        return last_error("make directory " + part);
      }
    }
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
      return last_error("make directory " + path);
    }
    return S_ISDIR(status.st_mode)
               ? Status()
               : Status(Error{ErrorCode::already_exists, path + " is not a directory"});
  }

  Result<std::vector<std::string>> list(const std::string& path) override {
    // A trailing slash follows a symbolic link to a directory, which O_NOFOLLOW would refuse.
    SYNOD_TRY_ASSIGN(const std::vector<Entry> entries, entries_of(AT_FDCWD, path + "/.", path));
    std::vector<std::string> names;
    for (const Entry& entry : entries) {
      names.push_back(entry.name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<bool> exists(const std::string& path) override {
    if (::access(path.c_str(), F_OK) == 0) {
      return true;
    }
    if (errno == ENOENT || errno == ENOTDIR) {
      return false;
    }
    return last_error("look for " + path);
  }

  Status remove_tree(const std::string& path) override {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
      return errno == ENOENT ? Status() : Status(last_error("remove " + path));
    }
    return S_ISDIR(status.st_mode) ? remove_below(path) : remove(path);
  }

  Result<ports::Space> space(const std::string& path) override {
    struct statvfs status {};
    if (::statvfs(path.c_str(), &status) != 0) {
      return last_error("space of " + path);
    }
    return ports::Space{status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize};
  }

  Status set_owner(const std::string& path, const std::string& user) override {
    std::vector<char> buffer(16 << 10);
    passwd entry{};
    passwd* found = nullptr;
    ::getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr) {
      return Error{ErrorCode::not_found, "no such user: " + user};
    }
    if (::chown(path.c_str(), entry.pw_uid, entry.pw_gid) != 0 ||
        ::chmod(path.c_str(), 0750) != 0) {
      return last_error("set owner of " + path);
    }
    return {};
  }

  Result<std::unique_ptr<ports::DirectoryLock>> lock(const std::string& path) override {
    SYNOD_TRY_ASSIGN(Descriptor directory, open_directory(path));
    if (::flock(directory.get(), LOCK_EX | LOCK_NB) != 0) {
      return errno == EWOULDBLOCK ? Error{ErrorCode::busy, path + " is locked by another process"}
                                  : last_error("lock " + path);
    }
    return std::unique_ptr<ports::DirectoryLock>(
        std::make_unique<KernelLock>(std::move(directory)));
  }
};

}  // namespace

std::unique_ptr<ports::Disk> make_disk() { return std::make_unique<KernelDisk>(); }

}  // namespace synod::machine
