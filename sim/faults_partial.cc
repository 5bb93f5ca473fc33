// The partial partitions of "Omni-Paxos: breaking the barriers of partial connectivity" (EuroSys
// 2023), by their names there. In each of them protocols are known that stop or change leaders for
// ever; whoever stands in the midst reaches a quorum, so that there can be a leader.
#include <fmt/format.h>

#include "sim/faults.h"

namespace synod::sim {

SimMachine* Faults::begin_partial(Partial kind) {
  SimMachine* old = leader();
  if (old == nullptr) {
    return nullptr;
  }
  SimMachine* midst = old;
  while (midst == old) {
    midst = &draw_target();
  }
  const auto cut_others = [this, midst, old](bool isolate_old) {
    for (SimMachine* a : targets_) {
      for (SimMachine* b : targets_) {
        const bool with_midst = a == midst || b == midst;
        const bool with_old = a == old || b == old;
        if (a != b && (!with_midst || (isolate_old && with_old))) {
          world_.network().cut(a->name(), b->name());
        }
      }
    }
  };
  switch (kind) {
    case Partial::quorum_loss:
      // The leader still reaches the one in the midst, and nobody else does reach anybody else.
      world_.note(fmt::format("quorum loss of {}, {} in the midst", old->name(), midst->name()));
      cut_others(false);
      break;
    case Partial::constrained:
      // The leader is gone, and the only one that can be elected has an old log.
      world_.note(
          fmt::format("constrained election: {} lags, {} goes", midst->name(), old->name()));
      cut_off(*midst);
      world_.after(partial_lag, [this, midst, cut_others] {
        heal(*midst);
        cut_others(true);
      });
      break;
    case Partial::chained:
      // Every one but the ends of the chain hears both of its neighbours.
      world_.note(fmt::format("chain from {} over {}", old->name(), midst->name()));
      for (SimMachine* other : targets_) {
        if (other != midst && other != old) {
          world_.network().cut_both(old->name(), other->name());
        }
      }
      break;
  }
  return midst;
}

}  // namespace synod::sim
