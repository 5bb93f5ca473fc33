// A typed, bounded way into another part: the only means by which parts on different Lanes meet.
//
// Threads  try_send may be called from any Lane; the handler runs on the target Lane, in order of
//          sending for one sender.
// Memory   The message is moved. The Lane and the handler's owner outlive the Sender, or the
// handler
//          is wrapped in a Scope of its owner.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "ports/lane.h"

namespace synod::ports {

template <typename T>
class Sender {
 public:
  Sender() = default;
  Sender(Lane& lane, std::function<void(T)> handler)
      : lane_(&lane), handler_(std::make_shared<std::function<void(T)>>(std::move(handler))) {}

  // False, and the message is lost, if the target's queue is full or its Lane has ended.
  [[nodiscard]] bool try_send(T message) const {
    return lane_->try_post([handler = handler_, message = std::move(message)]() mutable {
      (*handler)(std::move(message));
    });
  }

  explicit operator bool() const { return lane_ != nullptr; }

 private:
  Lane* lane_ = nullptr;
  // Shared with the tasks under way: a Sender may be copied and dropped before they run.
  std::shared_ptr<std::function<void(T)>> handler_;
};

}  // namespace synod::ports
