// `synod sentinel`: started by a master, reads its order from standard input
// (docs/formats/sentinel.md) and closes the master's session when that pipe ends.
#include "election/sentinel.h"

#include <csignal>

#include "cli/commands.h"
#include "cli/flags.h"
#include "machine/machine.h"

namespace synod::cli {

int sentinel_main(const std::vector<std::string>& arguments) {
  std::string log;
  Flags flags("sentinel", "close a dead master's session (started by masters)");
  flags.text("log", &log, "file of log lines; standard error if empty");
  if (const auto exit = flags.parse(arguments)) {
    return *exit;
  }
  machine::Machine machine({.log_path = log});
  // A signal meant for the master's group must not end its sentinel before its time: the pipe does.
  machine.on_signal(SIGINT, [] {});
  machine.on_signal(SIGHUP, [] {});
  int code = exit_failed;
  const election::Sentinel sentinel(machine.main_lane(), machine.network(),
                                    machine.stream_of_descriptor(0), [&](int how) {
                                      code = how;
                                      machine.stop();
                                    });
  machine.run();
  return code;
}

}  // namespace synod::cli
