// A master or an agent of the release binary, as a child that ends with this program.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace synod::bench {

class Process {
 public:
  // Standard error goes to `log`.
  Process(const std::vector<std::string>& command, const std::string& log);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  bool alive() const;
  double cpu_seconds() const;
  double peak_mb() const;
  double resident_mb() const;
  std::string log_end() const;

 private:
  double status_mb(const std::string& field) const;

  pid_t pid_;
  std::string log_;
};

int free_port();

}  // namespace synod::bench
