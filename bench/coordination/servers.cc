#include "bench/coordination/servers.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "bench/coordination/session.h"
#include "bench/coordination/stop.h"

namespace synod::bench {
namespace {

constexpr const char* class_path = "/etc/zookeeper/conf:/usr/share/java/zookeeper.jar";
constexpr double start_seconds_max = 60;
constexpr double end_seconds_max = 10;

double now_seconds() { return static_cast<double>(now_nanos()) / 1e9; }

sockaddr_in loopback(int port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<std::uint16_t>(port));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return at;
}

// All held until all are known, so that they differ.
std::vector<int> free_ports(int count) {
  std::vector<int> ports;
  std::vector<int> sockets;
  for (int i = 0; i < count; ++i) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at = loopback(0);
    socklen_t size = sizeof(at);
    ::bind(fd, reinterpret_cast<sockaddr*>(&at), size);
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
    ports.push_back(ntohs(at.sin_port));
    sockets.push_back(fd);
  }
  for (const int fd : sockets) {
    ::close(fd);
  }
  return ports;
}

// "Mode: " in the answer to srvr, or, of the do-nothing server, an open port.
bool serves(int port, bool ask) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in at = loopback(port);
  const timeval patience{2, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  std::string answer;
  bool connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof(at)) == 0;
  if (connected && ask && ::send(fd, "srvr", 4, MSG_NOSIGNAL) == 4) {
    std::array<char, 4096> piece{};
    ssize_t got = 0;
    while ((got = ::recv(fd, piece.data(), piece.size(), 0)) > 0) {
      answer.append(piece.data(), static_cast<std::size_t>(got));
    }
  }
  ::close(fd);
  return connected && (!ask || answer.find("Mode: ") != std::string::npos);
}

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

const char* to_string(Kind kind) {
  switch (kind) {
    case Kind::synod: return "synod";
    case Kind::zookeeper: return "zookeeper";
    case Kind::do_nothing: return "do-nothing";
  }
  return "?";
}

Servers::Servers(Kind kind, const ServersOptions& options) : kind_(kind), options_(options) {
  const double began = now_seconds();
  try {
    start();
    wait_until_served();
  } catch (...) {
    end();
    throw;
  }
  start_seconds_ = now_seconds() - began;
}

Servers::~Servers() { end(); }

void Servers::start() {
  std::filesystem::create_directories(options_.directory);
  const int count = options_.count;
  const std::vector<int> all = free_ports(3 * count);
  ports_.assign(all.begin(), all.begin() + count);
  const std::vector<int> peers(all.begin() + count, all.end());
  for (int i = 0; i < count; ++i) {
    const std::string name = std::to_string(i + 1);
    if (kind_ == Kind::do_nothing) {
      launch(name, {options_.self, "do-nothing", std::to_string(ports_[0]), options_.directory});
      continue;
    }
    const std::string config = write_config(i, peers);
    if (kind_ == Kind::synod) {
      launch(name, {options_.synod, "coordinator", "--config=" + config});
      continue;
    }
    launch(name, {"/usr/bin/java", "-Xmx1000m", "-Dzookeeper.root.logger=WARN,CONSOLE", "-cp",
                  class_path, "org.apache.zookeeper.server.quorum.QuorumPeerMain", config});
  }
}

// The same text for both: an operator's zoo.cfg.
std::string Servers::write_config(int number, const std::vector<int>& peers) {
  const std::string home = options_.directory + "/" + std::to_string(number + 1);
  std::filesystem::create_directories(home + "/data");
  std::ofstream(home + "/data/myid") << number + 1 << "\n";
  std::ofstream config(home + "/zoo.cfg");
  config << "tickTime=2000\ninitLimit=10\nsyncLimit=5\nmaxClientCnxns=0\n"
         << "4lw.commands.whitelist=srvr\nadmin.enableServer=false\n"
         << "clientPortAddress=127.0.0.1\nclientPort=" << ports_[static_cast<std::size_t>(number)]
         << "\ndataDir=" << home << "/data\n";
  for (int i = 0; options_.count > 1 && i < options_.count; ++i) {
    const auto at = static_cast<std::size_t>(2 * i);
    config << "server." << i + 1 << "=127.0.0.1:" << peers[at] << ":" << peers[at + 1] << "\n";
  }
  return home + "/zoo.cfg";
}

void Servers::launch(const std::string& name, const std::vector<std::string>& command) {
  const std::string log = options_.directory + "/" + name + ".log";
  std::vector<char*> argv;
  for (const std::string& word : command) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ::dup2(out, 1);
    ::dup2(out, 2);
    if (::getppid() == parent) {
      ::execv(argv[0], argv.data());
      std::perror(argv[0]);
    }
    ::_exit(127);
  }
  if (pid < 0) {
    throw std::runtime_error("cannot fork");
  }
  pids_.push_back(pid);
}

void Servers::wait_until_served() {
  const double deadline = now_seconds() + start_seconds_max;
  for (const int port : ports_) {
    while (!serves(port, kind_ != Kind::do_nothing)) {
      bool ended = false;
      for (const pid_t pid : pids_) {
        siginfo_t info{};
        ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT);
        ended = ended || info.si_pid != 0;
      }
      if (ended || stopped() || now_seconds() > deadline) {
        throw std::runtime_error(std::string(to_string(kind_)) + " does not serve" + log_ends());
      }
      ::usleep(2000);
    }
  }
}

std::string Servers::log_ends() const {
  std::string text;
  for (int i = 1; i <= options_.count; ++i) {
    const std::string log = read_text(options_.directory + "/" + std::to_string(i) + ".log");
    text += "\n--- " + log.substr(log.size() > 1000 ? log.size() - 1000 : 0);
  }
  return text;
}

void Servers::end() {
  for (const pid_t pid : pids_) {
    ::kill(pid, SIGTERM);
  }
  const double deadline = now_seconds() + end_seconds_max;
  for (const pid_t pid : pids_) {
    while (::waitpid(pid, nullptr, WNOHANG) == 0) {
      if (now_seconds() > deadline) {
        ::kill(pid, SIGKILL);
      }
      ::usleep(5000);
    }
  }
  pids_.clear();
  std::error_code ignored;
  std::filesystem::remove_all(options_.directory, ignored);
}

double Servers::cpu_seconds() const {
  double ticks = 0;
  for (const pid_t pid : pids_) {
    const std::string stat = read_text("/proc/" + std::to_string(pid) + "/stat");
    const std::size_t name_end = stat.rfind(')');
    std::istringstream fields(stat.substr(name_end == std::string::npos ? 0 : name_end + 1));
    std::string skipped;
    for (int i = 0; i < 11; ++i) {
      fields >> skipped;
    }
    double user = 0;
    double system = 0;
    fields >> user >> system;
    ticks += user + system;
  }
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::vector<std::uint64_t> Servers::memory_bytes() const {
  std::vector<std::uint64_t> bytes;
  for (const pid_t pid : pids_) {
    std::istringstream fields(read_text("/proc/" + std::to_string(pid) + "/statm"));
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    fields >> total >> resident;
    bytes.push_back(resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
  }
  return bytes;
}

}  // namespace synod::bench
