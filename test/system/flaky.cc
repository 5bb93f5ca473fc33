// A library for LD_PRELOAD that makes the machine of one server worse: flushes that are slow or
// fail, a wall clock that jumps, a clock that drifts, a process that dies before the N-th change
// that it makes to files, and peers that are reached by way of the tests' proxy. What it does is
// written into a file that both sides map (test/system/flaky.py).
//
//   SYNOD_FLAKY      the file: numbers of 64 bits, in the order of Control
//   SYNOD_REDIRECT   PORT=PORT,...: connections to the first of 127.0.0.1 go to the second
//   SYNOD_BOOT_ID    a file that stands for the kernel's boot id: the machine was restarted
//
// Calls go to the kernel directly: nothing is looked up, so it works from the first instruction on.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>

namespace {

struct Control {
  std::atomic<std::int64_t> flush_delay_us;
  std::atomic<std::int64_t> flush_errors;  // so many of the next flushes of the log fail
  std::atomic<std::int64_t> flushes;       // counted here
  std::atomic<std::int64_t> wall_offset_ms;
  std::atomic<std::int64_t> drift_per_million;
  std::atomic<std::int64_t> drift_since_ns;  // by CLOCK_BOOTTIME
  std::atomic<std::int64_t> changes;         // to files and directories, counted here
  std::atomic<std::int64_t> dies_before;     // the change of this number, if it is not 0
};

struct Redirect {
  std::uint16_t from = 0;
  std::uint16_t to = 0;
};

constexpr std::int64_t nanos_in_second = 1'000'000'000;

constexpr const char* kernel_boot_id = "/proc/sys/kernel/random/boot_id";

Control* control = nullptr;
const char* boot_id = nullptr;
std::array<Redirect, 16> redirects{};

void read_redirects(const char* text) {
  for (Redirect& redirect : redirects) {
    char* end = nullptr;
    redirect.from = static_cast<std::uint16_t>(strtol(text, &end, 10));
    if (*end != '=') {
      redirect.from = 0;
      return;
    }
    redirect.to = static_cast<std::uint16_t>(strtol(end + 1, &end, 10));
    if (*end != ',') {
      return;
    }
    text = end + 1;
  }
}

__attribute__((constructor)) void begin() {
  if (const char* text = getenv("SYNOD_REDIRECT"); text != nullptr) {
    read_redirects(text);
  }
  boot_id = getenv("SYNOD_BOOT_ID");
  const char* path = getenv("SYNOD_FLAKY");
  if (path == nullptr) {
    return;
  }
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  void* at = mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (fd < 0 || at == MAP_FAILED) {
    _exit(126);  // a test without its faults would prove nothing
  }
  control = static_cast<Control*>(at);
}

// Of the log: other flushes may fail and be done again.
bool is_segment(int fd) {
  std::array<char, 32> link{};
  std::array<char, PATH_MAX> path{};
  snprintf(link.data(), link.size(), "/proc/self/fd/%d", fd);
  return readlink(link.data(), path.data(), path.size() - 1) > 0 &&
         strstr(path.data(), "/segment-") != nullptr;
}

// The process dies as if it were killed, with everything done that came before.
void change() {
  if (control != nullptr) {
    const std::int64_t number = control->changes.fetch_add(1) + 1;
    if (number == control->dies_before.load()) {
      kill(getpid(), SIGKILL);
    }
  }
}

int flush(long call, int fd) {
  change();
  if (control != nullptr) {
    control->flushes.fetch_add(1);
    if (const std::int64_t delay = control->flush_delay_us.load(); delay > 0) {
      const timespec time{static_cast<time_t>(delay / 1'000'000),
                          static_cast<long>(delay % 1'000'000 * 1000)};
      syscall(SYS_nanosleep, &time, nullptr);
    }
    if (control->flush_errors.load() > 0 && is_segment(fd) &&
        control->flush_errors.fetch_sub(1) > 0) {
      errno = EIO;
      return -1;
    }
  }
  return static_cast<int>(syscall(call, fd));
}

void add_nanos(timespec& time, std::int64_t nanos) {
  const std::int64_t sum = time.tv_sec * nanos_in_second + time.tv_nsec + nanos;
  time.tv_sec = static_cast<time_t>(sum / nanos_in_second);
  time.tv_nsec = static_cast<long>(sum % nanos_in_second);
}

}  // namespace

extern "C" {

int fdatasync(int fd) { return flush(SYS_fdatasync, fd); }

int fsync(int fd) { return flush(SYS_fsync, fd); }

int open(const char* path, int flags, ...) {
  const bool makes = (flags & (O_CREAT | __O_TMPFILE)) != 0;
  va_list rest;
  va_start(rest, flags);
  const unsigned mode = makes ? va_arg(rest, unsigned) : 0;
  va_end(rest);
  if (makes) {
    change();
  }
  if (boot_id != nullptr && strcmp(path, kernel_boot_id) == 0) {
    path = boot_id;
  }
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) {
  change();
  return syscall(SYS_pwrite64, fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t at) {
  change();
  return syscall(SYS_pwrite64, fd, bytes, size, at);
}

int rename(const char* from, const char* to) noexcept {
  change();
  return static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int mkdir(const char* path, mode_t mode) noexcept {
  change();
  return static_cast<int>(syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

int unlink(const char* path) noexcept {
  change();
  return static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

int rmdir(const char* path) noexcept {
  change();
  return static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR));
}

int ftruncate(int fd, off_t size) noexcept {
  change();
  return static_cast<int>(syscall(SYS_ftruncate, fd, size));
}

int remove(const char* path) noexcept {
  change();
  const int done = static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, 0));
  return done == 0 || errno != EISDIR
             ? done
             : static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR));
}

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const long done = syscall(SYS_clock_gettime, clock, time);
  if (done == 0 && control != nullptr) {
    if (clock == CLOCK_REALTIME) {
      add_nanos(*time, control->wall_offset_ms.load() * 1'000'000);
    } else if (clock == CLOCK_BOOTTIME) {
      const std::int64_t drift = control->drift_per_million.load();
      const std::int64_t now = time->tv_sec * nanos_in_second + time->tv_nsec;
      add_nanos(*time,
                drift == 0 ? 0 : (now - control->drift_since_ns.load()) / 1000 * drift / 1000);
    }
  }
  return static_cast<int>(done);
}

int connect(int fd, const sockaddr* address, socklen_t size) {
  sockaddr_in at{};
  if (size >= sizeof(at) && address->sa_family == AF_INET) {
    memcpy(&at, address, sizeof(at));
    for (const Redirect& redirect : redirects) {
      if (redirect.from != 0 && at.sin_port == htons(redirect.from) &&
          at.sin_addr.s_addr == htonl(INADDR_LOOPBACK)) {
        at.sin_port = htons(redirect.to);
        return static_cast<int>(syscall(SYS_connect, fd, &at, sizeof(at)));
      }
    }
  }
  return static_cast<int>(syscall(SYS_connect, fd, address, size));
}

}  // extern "C"
