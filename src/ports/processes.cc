#include "ports/processes.h"

namespace synod::ports {

std::string signal_name(int number) {
  switch (number) {
    case 1: return "Hangup";
    case 2: return "Interrupt";
    case 3: return "Quit";
    case 4: return "Illegal instruction";
    case 6: return "Aborted";
    case 7: return "Bus error";
    case 8: return "Floating point exception";
    case signal_kill: return "Killed";
    case 11: return "Segmentation fault";
    case 13: return "Broken pipe";
    case 14: return "Alarm clock";
    case signal_terminate: return "Terminated";
    default: return std::to_string(number);
  }
}

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
