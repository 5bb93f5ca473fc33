#include "bench/master/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace synod::bench {
namespace {
constexpr int end_polls_max = 2000;
constexpr useconds_t end_poll_us = 5000;
}  // namespace

Process::Process(const std::vector<std::string>& command, const std::string& log) : log_(log) {
  std::vector<char*> argv;
  for (const std::string& word : command) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ::dup2(out, 1);
    ::dup2(out, 2);
    if (::getppid() == parent) {
      ::execv(argv[0], argv.data());
    }
    ::_exit(127);
  }
  if (pid_ < 0) {
    throw std::runtime_error("cannot fork");
  }
}

Process::~Process() {
  ::kill(pid_, SIGTERM);
  for (int i = 0; ::waitpid(pid_, nullptr, WNOHANG) == 0; ++i) {
    if (i == end_polls_max) {
      ::kill(pid_, SIGKILL);
    }
    ::usleep(end_poll_us);
  }
}

bool Process::alive() const {
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT);
  return info.si_pid == 0;
}

double Process::cpu_seconds() const {
  clockid_t clock{};
  timespec time{};
  if (::clock_getcpuclockid(pid_, &clock) != 0 || ::clock_gettime(clock, &time) != 0) {
    return 0;
  }
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

double Process::status_mb(const std::string& field) const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/status");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind(field, 0) == 0) {
      return std::stod(line.substr(field.size())) * 1024 / 1e6;
    }
  }
  return 0;
}

double Process::peak_mb() const { return status_mb("VmHWM:"); }
double Process::resident_mb() const { return status_mb("VmRSS:"); }

std::string Process::log_end() const {
  std::ifstream file(log_);
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  return all.substr(all.size() > 2000 ? all.size() - 2000 : 0);
}

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(at);
  ::bind(fd, reinterpret_cast<sockaddr*>(&at), size);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
  ::close(fd);
  return ntohs(at.sin_port);
}

}  // namespace synod::bench
