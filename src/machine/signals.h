// Signals as events of a Lane.
//
// A handler may do next to nothing, so it writes the signal's number into a pipe; the Lane reads
// it. Several may listen for the same signal: each hears of it. What nobody listens for any more
// has its default effect again.
//
// Threads  On the Lane, or while its loop does not turn.
#pragma once

#include <functional>
#include <map>

#include "machine/descriptor.h"
#include "machine/watch.h"

namespace synod::machine {

class Signals final : private WatchOwner {
 public:
  explicit Signals(ThreadLane& lane);
  ~Signals() override;
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // Replaces an earlier handler for the same number.
  void handle(int number, std::function<void()> handler);

 private:
  void on_ready(bool readable, bool writable) override;

  Watch watch_;
  Pipe pipe_;
  std::map<int, std::function<void()>> handlers_;
};

}  // namespace synod::machine
