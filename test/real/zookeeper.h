// A genuine Apache ZooKeeper (Debian's package `zookeeper`) in a temporary directory, for tests.
#pragma once

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "test/real/real.h"

namespace synod::test {

// A port that was free a moment ago.
inline std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (::bind(fd, raw, size) != 0 || ::getsockname(fd, raw, &size) != 0) {
    std::abort();
  }
  ::close(fd);
  return ntohs(address.sin_port);
}

// One standalone server.
class ApacheZooKeeper {
 public:
  static bool installed() { return ::access("/usr/share/java/zookeeper.jar", R_OK) == 0; }

  explicit ApacheZooKeeper(Real& real, int tick_ms = 200) : real_(real), port_(free_port()) {
    const std::string config = "tickTime=" + std::to_string(tick_ms) +
                               "\ndataDir=" + directory_.path() +
                               "/data\nclientPort=" + std::to_string(port_) +
                               "\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n"
                               "4lw.commands.whitelist=*\nmaxClientCnxns=0\n";
    if (!ports::write_file_atomically(real_.machine().disk(), directory_.path() + "/zoo.cfg",
                                      config)
             .ok()) {
      std::abort();
    }
  }
  ~ApacheZooKeeper() { kill(); }
  ApacheZooKeeper(const ApacheZooKeeper&) = delete;
  ApacheZooKeeper& operator=(const ApacheZooKeeper&) = delete;

  std::uint16_t port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  // Returns once it serves; false if it does not within a minute.
  bool start() {
    real_.on_lane([&] {
      ports::ProcessSpec spec;
      spec.argv = {"java",
                   "-Xmx128m",
                   "-XX:+UseSerialGC",
                   "-XX:TieredStopAtLevel=1",
                   "-cp",
                   "/etc/zookeeper/conf:/usr/share/java/zookeeper.jar",
                   "-Dzookeeper.log.dir=" + directory_.path(),
                   "-Dzookeeper.root.logger=WARN,CONSOLE",
                   "-Dzookeeper.forceSync=no",
                   "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                   directory_.path() + "/zoo.cfg"};
      spec.env = {{"PATH", "/usr/bin:/bin"}};
      const std::string log = directory_.path() + "/log";
      spec.descriptors = {{1, ports::Descriptor::Kind::append_file, log},
                          {2, ports::Descriptor::Kind::append_file, log}};
      auto child = real_.machine().processes().spawn(real_.lane(), spec);
      if (child.ok()) {
        id_ = (*child)->id();
      }
    });
    return id_.pid != 0 && real_.eventually([&] { return serves(); }, std::chrono::seconds(60));
  }

  void signal(int number) {
    real_.on_lane([&] { (void)real_.machine().processes().signal(id_, number); });
  }

  void kill() {
    if (id_.pid == 0) {
      return;
    }
    signal(SIGKILL);
    (void)real_.eventually([&] { return !real_.machine().processes().alive(id_); });
    id_ = {};
  }

 private:
  bool serves() const {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port_);
    char answer[4] = {};
    const bool good = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
                      ::write(fd, "ruok", 4) == 4 && ::read(fd, answer, 4) == 4 &&
                      std::string(answer, 4) == "imok";
    ::close(fd);
    return good;
  }

  Real& real_;
  TemporaryDirectory directory_;
  std::uint16_t port_;
  ports::ProcessId id_;
};

}  // namespace synod::test
