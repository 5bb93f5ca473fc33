#include "ports/processes.h"

namespace synod::ports {

std::string to_string(const ExitStatus& status) {
  if (status.code) {
    return "exit status " + std::to_string(*status.code);
  }
  if (status.signal) {
    return "killed by signal " + std::to_string(*status.signal);
  }
  return "exit status unknown";
}

}  // namespace synod::ports
