// The readers' latch: many readers, one writer, no waiting list anybody must manage.
//
// An Edge holds its reader's place for the service of one request; the Engine takes the whole gate
// to apply (at most 200 us or one request) and releases it. Readers of different places never touch
// the same cache line. Where edges and engine share a Lane every call returns at once.
//
// Threads  enter_read/leave_read(place): from the Lane that owns the place.
// enter_write/leave_write:
//          from the writer's Lane. Not recursive. A reader must not wait for the writer, nor post
//          to a full queue and wait, while inside.
#pragma once

#include <cstddef>

namespace synod::ports {

class Gate {
 public:
  virtual ~Gate() = default;

  virtual void enter_read(std::size_t place) = 0;
  virtual void leave_read(std::size_t place) = 0;
  virtual void enter_write() = 0;
  virtual void leave_write() = 0;
};

class ReadHold {
 public:
  ReadHold(Gate& gate, std::size_t place) : gate_(gate), place_(place) { gate_.enter_read(place_); }
  ~ReadHold() { gate_.leave_read(place_); }
  ReadHold(const ReadHold&) = delete;
  ReadHold& operator=(const ReadHold&) = delete;

 private:
  Gate& gate_;
  std::size_t place_;
};

class WriteHold {
 public:
  explicit WriteHold(Gate& gate) : gate_(gate) { gate_.enter_write(); }
  ~WriteHold() { gate_.leave_write(); }
  WriteHold(const WriteHold&) = delete;
  WriteHold& operator=(const WriteHold&) = delete;

 private:
  Gate& gate_;
};

}  // namespace synod::ports
