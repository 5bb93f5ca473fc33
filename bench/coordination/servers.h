// The servers that are measured, as processes of ours on free ports of 127.0.0.1 in a temporary
// directory; ended by pid, and with this process at the latest.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace synod::bench {

enum class Kind { synod, zookeeper, do_nothing };
const char* to_string(Kind kind);

struct ServersOptions {
  std::string synod = "build/synod";
  std::string self;       // this program: serves as the do-nothing server
  std::string directory;  // made, and removed at the end
  int count = 3;
};

class Servers {
 public:
  // Throws std::runtime_error with the end of the servers' logs.
  Servers(Kind kind, const ServersOptions& options);
  ~Servers();
  Servers(const Servers&) = delete;
  Servers& operator=(const Servers&) = delete;

  Kind kind() const { return kind_; }
  const std::vector<int>& ports() const { return ports_; }
  // Of all servers together since their start, user and system.
  double cpu_seconds() const;
  // Resident memory of each, in bytes.
  std::vector<std::uint64_t> memory_bytes() const;
  double start_seconds() const { return start_seconds_; }  // until all served

 private:
  void start();
  void launch(const std::string& name, const std::vector<std::string>& command);
  std::string write_config(int number, const std::vector<int>& peers);
  void wait_until_served();
  std::string log_ends() const;
  void end();

  const Kind kind_;
  const ServersOptions options_;
  std::vector<int> ports_;
  std::vector<pid_t> pids_;
  double start_seconds_ = 0;
};

}  // namespace synod::bench
