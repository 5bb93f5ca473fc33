// Callbacks that die with their owner.
//
// An object keeps a Scope as its last member and wraps every callback that captures `this`:
//   lane.after(delay, scope_.wrap([this] { on_timer(); }));
// Once the Scope is destroyed the wrapped callable does nothing.
//
// Threads: wrap() and the Scope's destruction happen on the owner's Lane, and so must the run of
// the callable. Only the moving and destruction of an unrun callable may happen elsewhere.
#pragma once

#include <memory>
#include <utility>

namespace synod::ports {

class Scope {
 public:
  Scope() : alive_(std::make_shared<bool>(true)) {}
  ~Scope() { *alive_ = false; }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  template <typename F>
  auto wrap(F&& f) {
    return [alive = alive_, f = std::forward<F>(f)](auto&&... args) mutable {
      if (*alive) {
        f(std::forward<decltype(args)>(args)...);
      }
    };
  }

  // Drops every callback wrapped so far and starts anew.
  void reset() {
    *alive_ = false;
    alive_ = std::make_shared<bool>(true);
  }

 private:
  // Shared with the callables on purpose: they outlive the Scope and must still see that it ended.
  std::shared_ptr<bool> alive_;
};

}  // namespace synod::ports
