// `synod executor` and `synod shim`: what agents start. Internal: people have no use for them.
#include <csignal>
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/session.h"
#include "executor/node.h"
#include "executor/shim.h"
#include "machine/machine.h"

namespace synod::cli {

int executor_main(const std::vector<std::string>& arguments) {
  Flags flags("executor", "runs one command task; started by the agent, set up by its environment");
  if (const auto code = flags.parse(arguments)) {
    return *code;
  }
  const auto options = executor::options_from_environment(own_environment());
  if (!options.ok()) {
    std::fprintf(stderr, "synod executor: %s\n", options.error().message.c_str());
    return exit_usage;
  }
  machine::Machine machine({});
  int code = exit_success;
  auto node =
      std::make_unique<executor::Node>(*options, machine.main_lane(), machine.network(),
                                       machine.disk(), machine.processes(), [&](int result) {
                                         code = result;
                                         machine.stop();
                                       });
  for (const int number : {SIGTERM, SIGINT}) {
    machine.on_signal(number, [&node] { node->shutdown(); });
  }
  machine.main_lane().after(Duration(), [&node] { node->start(); });
  machine.run();
  node.reset();
  return code;
}

int shim_main(const std::vector<std::string>& arguments) {
  executor::ShimOptions options;
  Flags flags("shim", "runs a framework's executor and keeps how it ended; started by the agent");
  flags.text("state_directory", &options.state_directory, "where to write how it ended");
  flags.text("user", &options.user, "to run it as");
  flags.rest("command", &options.argv, "the executor");
  if (const auto code = flags.parse(arguments)) {
    return *code;
  }
  if (options.argv.empty() || options.state_directory.empty()) {
    std::fprintf(stderr, "synod shim: expected --state_directory=DIR -- COMMAND\n");
    return exit_usage;
  }
  options.environment = own_environment();
  machine::Machine machine({});
  int code = exit_success;
  auto shim = std::make_unique<executor::Shim>(
      options, machine.main_lane(), machine.disk(), machine.processes(),
      [&](const ports::ExitStatus& status) {
        code = status.code ? *status.code : 128 + status.signal.value_or(0);
        machine.stop();
      });
  machine.main_lane().after(Duration(), [&shim] {
    if (const Status started = shim->start(); !started.ok()) {
      std::fprintf(stderr, "synod shim: %s\n", started.error().message.c_str());
    }
  });
  machine.run();
  shim.reset();
  return code;
}

}  // namespace synod::cli
