#include "http/wire.h"

namespace synod::http {

WirePool::~WirePool() { close(); }

std::unique_ptr<Wire> WirePool::borrow(const ports::HostPort& endpoint) {
  for (auto at = idle_.rbegin(); at != idle_.rend(); ++at) {
    if (at->endpoint == endpoint) {
      lane_.cancel(at->timer);
      auto wire = std::move(at->wire);
      wire->on_idle_end(nullptr);
      idle_.erase(std::next(at).base());
      return wire;
    }
  }
  return nullptr;
}

void WirePool::give_back(const ports::HostPort& endpoint, std::unique_ptr<Wire> wire) {
  if (closed_ || options_.idle_connections_max == 0) {
    // Not destroyed here: this may be inside of its own callback.
    lane_.after(Duration(), [kept = std::move(wire)]() mutable { kept.reset(); });
    return;
  }
  if (idle_.size() >= options_.idle_connections_max) {
    drop(idle_.begin());
  }
  idle_.push_back(Idle{endpoint, std::move(wire), {}});
  const auto at = std::prev(idle_.end());
  at->wire->use(nullptr);
  at->wire->on_idle_end([this, at] { drop(at); });
  at->timer = lane_.after(options_.idle_timeout, scope_.wrap([this, at] { drop(at); }));
}

void WirePool::close() {
  closed_ = true;
  while (!idle_.empty()) {
    drop(idle_.begin());
  }
}

void WirePool::drop(std::list<Idle>::iterator at) {
  lane_.cancel(at->timer);
  idle_.erase(at);
}

}  // namespace synod::http
