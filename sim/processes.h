// Starting processes on a simulated machine: our own programs by name, anything else as a script.
//
// A script stands for a command that nobody here wrote: it runs for some virtual time and exits
// with a code. The default reads "sleep 3", "exit 2", "true", "false", joined by ";" or "&&", also
// behind `sh -c`; a command whose name starts with "/missing" does not exist; others exit 0 at
// once.
//
// Memory  Programs belongs to the World; a SimProcesses to its process.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ports/processes.h"
#include "sim/machine.h"

namespace synod::sim {

// What a started program is given besides its ports.
struct Launch {
  ports::ProcessSpec spec;
  std::map<int, std::unique_ptr<ports::Stream>> pipes;  // the child's ends, by number
};

struct Script {
  Duration runs;
  int code = 0;
};

class Programs {
 public:
  using Start = std::function<Program(SimProcess&, Launch&)>;
  // nullopt: no such command.
  using ReadScript = std::function<std::optional<Script>(const std::vector<std::string>& argv)>;

  // `synod executor` is {"synod", "executor"}: the last part of argv[0], then argv[1]. An empty
  // subcommand takes any.
  void add(const std::string& program, const std::string& subcommand, Start start);
  void set_scripts(ReadScript read) { read_ = std::move(read); }
  // Hears of every command that starts, its argv known: what really ran, for checkers.
  void set_witness(std::function<void(SimProcess&)> witness) { witness_ = std::move(witness); }

  const Start* find(const std::vector<std::string>& argv) const;
  std::optional<Script> script(const std::vector<std::string>& argv) const;
  void witness(SimProcess& process) const {
    if (witness_) {
      witness_(process);
    }
  }

 private:
  std::map<std::pair<std::string, std::string>, Start> starts_;
  ReadScript read_;
  std::function<void(SimProcess&)> witness_;
};

class SimProcesses final : public ports::Processes {
 public:
  explicit SimProcesses(SimProcess& process) : process_(process) {}

  Result<std::unique_ptr<ports::Child>> spawn(ports::Lane& lane,
                                              const ports::ProcessSpec& spec) override;
  std::unique_ptr<ports::ProcessWatch> watch(ports::Lane& lane, ports::ProcessId id,
                                             Exited exited) override;
  Status signal(ports::ProcessId id, int number) override;
  Status signal_group(ports::ProcessId id, int number) override;
  Result<ports::ProcessId> find(std::int64_t pid) override;
  bool alive(ports::ProcessId id) override;
  std::vector<ports::RunningProcess> find_by_environment(const std::string& name,
                                                         const std::string& value) override;
  ports::ProcessId self() const override { return process_.id(); }

 private:
  SimProcess& process_;
};

}  // namespace synod::sim
