// Descriptors in the loop of a Lane.
//
// Level-triggered: what is ready and wanted is told again each turn until it is taken or no longer
// wanted. Interest stays registered while it does not change, so that a descriptor that is read
// each time it is ready costs no system call besides the reading.
//
// Threads  Used on the Lane only.
// Memory   The descriptor is borrowed: close() here comes before it is closed.
#pragma once

#include <cstdint>
#include <functional>

namespace synod::machine {

class ThreadLane;

class WatchOwner {
 public:
  virtual ~WatchOwner() = default;
  // An error or a hang-up counts as both: the next call on the descriptor tells. The Watch may be
  // closed or destroyed inside.
  virtual void on_ready(bool readable, bool writable) = 0;
};

class Watch {
 public:
  Watch(ThreadLane& lane, WatchOwner& owner) : lane_(lane), owner_(owner) {}
  ~Watch() { close(); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // Begins with readability wanted, or nothing. False if the kernel cannot watch it: an ordinary
  // file.
  [[nodiscard]] bool open(int descriptor, bool readable);
  bool is_open() const { return descriptor_ >= 0; }
  // Nothing more is told about it, not even what this turn has already seen.
  void close();
  void want(bool readable, bool writable);

 private:
  friend class ThreadLane;
  void ready(std::uint32_t events);

  ThreadLane& lane_;
  WatchOwner& owner_;
  int descriptor_ = -1;
  std::uint32_t events_ = 0;  // registered; 0: not registered at all
};

// Waits for one thing at a time, once.
class Waiter final : private WatchOwner {
 public:
  explicit Waiter(ThreadLane& lane) : watch_(lane, *this) {}

  void assign(int descriptor);
  void release() { watch_.close(); }
  bool is_open() const { return watch_.is_open(); }
  void wait_readable(std::function<void()> then);
  void wait_writable(std::function<void()> then);

 private:
  void on_ready(bool readable, bool writable) override;

  Watch watch_;
  std::function<void()> then_;
};

}  // namespace synod::machine
