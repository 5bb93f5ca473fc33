// `synod coordinator --config zoo.cfg`: one server of the coordination service.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/recover.h"
#include "cli/zoo_config_file.h"
#include "coordinator/node.h"
#include "machine/machine.h"

namespace synod::cli {
namespace {

constexpr std::size_t edges_max = 8;

// One Lane for engine and edges where there are two cpus or fewer, else one for each.
struct Lanes {
  ports::Lane* engine = nullptr;
  ports::Lane* journal = nullptr;
  std::vector<ports::Lane*> edges;
};

Lanes start_lanes(machine::Machine& machine) {
  Lanes lanes;
  lanes.journal = &machine.start_lane("journal");
  lanes.engine = &machine.start_lane("engine");
  const std::int64_t cpus = machine.host().cpus_milli() / 1000;
  if (cpus <= 2) {
    lanes.edges.push_back(lanes.engine);
    return lanes;
  }
  const auto edges = std::min(edges_max, static_cast<std::size_t>(cpus - 2));
  for (std::size_t i = 0; i < edges; ++i) {
    lanes.edges.push_back(&machine.start_lane(fmt::format("edge-{}", i)));
  }
  return lanes;
}

// The exit code; nothing if it is to serve again, with all that it knows read anew.
std::optional<int> serve(const std::string& path, const std::string& log) {
  machine::Machine machine({.log_path = log});
  Result<coordinator::ZooConfig> config = read_zoo_config(machine.disk(), path);
  if (!config.ok()) {
    std::fputs(fmt::format("synod coordinator: {}: {}\n", path, config.error().message).c_str(),
               stderr);
    return exit_usage;
  }
  if (!config->warning.empty()) {
    machine.log().warning("coordinator", "{}", config->warning);
  }
  const Result<bool> interrupted = recovery_was_interrupted(machine.disk(), config->data_dir);
  if (!interrupted.ok() || *interrupted) {
    const std::string why =
        interrupted.ok() ? "its recovery was interrupted: run synod data recover --yes again first"
                         : interrupted.error().message;
    std::fputs(fmt::format("synod coordinator: {}: {}\n", config->data_dir, why).c_str(), stderr);
    return exit_failed;
  }
  const Lanes lanes = start_lanes(machine);
  const bool shared = lanes.edges.front() == lanes.engine;
  const std::unique_ptr<ports::Gate> gate =
      machine.make_gate(lanes.edges.size(),
                        shared ? machine::GateSharing::one_lane : machine::GateSharing::many_lanes);
  std::optional<int> code = exit_success;
  coordinator::NodeOptions options;
  options.config = std::move(config).value();
  options.boot_id = machine.host().boot_id();
  options.memory_bytes = machine.host().memory_bytes();
  if (options.boot_id.empty()) {
    options.boot_id = "unknown";
    machine.log().warning("coordinator",
                          "the kernel names no boot: what a disk forgets when the "
                          "power goes is not noticed");
  }
  options.on_failed = [&](const Error& error) {
    std::fputs(fmt::format("synod coordinator: {}\n", to_string(error)).c_str(), stderr);
    code = exit_failed;
    machine.stop();
  };
  options.on_quarantined = [&](const Error&) {
    code.reset();
    machine.stop();
  };
  options.on_listening = [&](const ports::Address& address) {
    machine.log().info("coordinator", "serves clients at {}", to_string(address));
  };
  std::unique_ptr<coordinator::Node> node;
  machine.call(*lanes.engine, [&] {
    node = std::make_unique<coordinator::Node>(
        coordinator::NodePorts{*lanes.engine, *lanes.journal, lanes.edges, machine.network(),
                               machine.disk(), *gate},
        std::move(options));
  });
  const bool told_to_end = machine.run() != 0;
  machine.call(*lanes.engine, [&] { node->stop([&] { machine.stop(); }); });
  if (machine.run() != 0) {
    std::_Exit(exit_failed);  // told again while it stops: at once, as if it were killed
  }
  if (told_to_end && !code.has_value()) {
    return exit_success;  // told so in the very moment in which it would have begun anew
  }
  return code;
}

}  // namespace

int coordinator_main(const std::vector<std::string>& arguments) {
  std::string path;
  std::string log;
  Flags flags("coordinator", "a server of the coordination service (ZooKeeper's protocol)");
  flags.text("config", &path, "a zoo.cfg");
  flags.text("log", &log, "file of log lines; standard error if empty");
  if (const auto exit = flags.parse(arguments)) {
    return *exit;
  }
  if (path.empty()) {
    std::fputs("synod coordinator: --config=FILE is missing: the zoo.cfg of this server\n", stderr);
    return exit_usage;
  }
  std::optional<int> code;
  while (!code.has_value()) {
    code = serve(path, log);
  }
  return *code;
}

}  // namespace synod::cli
