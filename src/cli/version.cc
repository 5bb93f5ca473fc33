// `synod version`.
#include <cstdio>

#include "cli/commands.h"
#include "cli/flags.h"

namespace synod::cli {

int version_main(const std::vector<std::string>& arguments) {
  Flags flags("version", "print the version");
  if (const auto exit = flags.parse(arguments)) {
    return *exit;
  }
  std::printf("synod %s\n", SYNOD_VERSION);
  return exit_success;
}

}  // namespace synod::cli
