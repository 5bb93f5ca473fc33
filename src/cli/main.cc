// `synod SUBCOMMAND ...`: finds the subcommand and hands over.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "base/nearest.h"
#include "cli/commands.h"
#include "cli/typed.h"

namespace {

using synod::cli::Command;
using synod::cli::commands;

void print_help() {
  std::printf(
      "synod %s: coordination (ZooKeeper protocol) and resource management (Mesos v1 API)\n\n",
      SYNOD_VERSION);
  for (const Command& command : commands()) {
    if (!command.summary.empty()) {
      std::printf("  %-12.*s %.*s\n", static_cast<int>(command.name.size()), command.name.data(),
                  static_cast<int>(command.summary.size()), command.summary.data());
    }
  }
  std::printf("\n  %s\n", synod::cli::as_typed("synod SUBCOMMAND --help tells its flags").c_str());
}

int unknown(const std::string& name) {
  std::vector<std::string> names{"help"};
  for (const Command& command : commands()) {
    if (!command.summary.empty()) {
      names.emplace_back(command.name);
    }
  }
  const auto suggestion = synod::nearest(name, names);
  std::fprintf(stderr, "synod: unknown subcommand \"%s\"%s\ntry: %s\n", name.c_str(),
               suggestion ? ("; did you mean \"" + *suggestion + "\"?").c_str() : "",
               synod::cli::as_typed("synod help").c_str());
  return synod::cli::exit_usage;
}

}  // namespace

int main(int argc, char** argv) {
  // A peer that goes away is an error of the write, never a death of ours.
  std::signal(SIGPIPE, SIG_IGN);
  const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  synod::cli::set_typed_name(argc > 0 ? argv[0] : "");
  if (arguments.empty() || arguments[0] == "help" || arguments[0] == "--help" ||
      arguments[0] == "-h") {
    print_help();
    return arguments.empty() ? synod::cli::exit_usage : synod::cli::exit_success;
  }
  const std::string name = arguments[0] == "--version" ? "version" : arguments[0];
  for (const Command& command : commands()) {
    if (command.name == name) {
      return command.main({arguments.begin() + 1, arguments.end()});
    }
  }
  return unknown(name);
}
