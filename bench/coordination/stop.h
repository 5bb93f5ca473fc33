// Ctrl-C: the run ends at the next turn, and with it every server it started.
#pragma once

namespace synod::bench {

void stop_on_signals();
bool stopped();

}  // namespace synod::bench
