#include "cli/commands.h"

namespace synod::cli {

int version_main(const std::vector<std::string>& arguments);

std::span<const Command> commands() {
  static constexpr Command all[] = {
      {"version", "print the version", version_main},
  };
  return all;
}

}  // namespace synod::cli
