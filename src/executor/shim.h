// Runs a framework's own executor so that its end is not lost while the agent is away.
//
// Threads  Confined to its Lane, which is also its disk's: nothing else happens in this process.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ports/disk.h"
#include "ports/lane.h"
#include "ports/processes.h"
#include "ports/scope.h"

namespace synod::executor {

struct ShimOptions {
  std::string state_directory;
  std::string user;  // empty: ours
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;
};

class Shim {
 public:
  using Ended = std::function<void(const ports::ExitStatus&)>;

  // `ended` is called once, on a later turn, after the end has been synced.
  Shim(const ShimOptions& options, ports::Lane& lane, ports::Disk& disk,
       ports::Processes& processes, Ended ended);
  ~Shim();
  Shim(const Shim&) = delete;
  Shim& operator=(const Shim&) = delete;

  // Starts the executor. An error has been synced as an end too (exit code 127).
  Status start();

 private:
  void finish(const ports::ExitStatus& status);

  ShimOptions options_;
  ports::Lane& lane_;
  ports::Disk& disk_;
  ports::Processes& processes_;
  Ended ended_;
  std::unique_ptr<ports::Child> child_;
  std::unique_ptr<ports::ProcessWatch> watch_;
  ports::Scope scope_;
};

}  // namespace synod::executor
