#include "bench/coordination/stop.h"

#include <signal.h>

#include <initializer_list>

namespace synod::bench {
namespace {

volatile sig_atomic_t stop_asked = 0;

}  // namespace

void stop_on_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_asked = 1; };
  for (const int number : {SIGINT, SIGTERM}) {
    ::sigaction(number, &action, nullptr);
  }
  ::signal(SIGPIPE, SIG_IGN);
}

bool stopped() { return stop_asked != 0; }

}  // namespace synod::bench
