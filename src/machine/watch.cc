#include "machine/watch.h"

#include <sys/epoll.h>

#include <utility>

#include "base/check.h"
#include "machine/lane.h"

namespace synod::machine {

bool Watch::open(int descriptor, bool readable) {
  SYNOD_CHECK(descriptor_ < 0);
  if (readable && !lane_.register_watch(EPOLL_CTL_ADD, descriptor, EPOLLIN, *this)) {
    return false;
  }
  descriptor_ = descriptor;
  events_ = readable ? EPOLLIN : 0U;
  return true;
}

void Watch::close() {
  if (descriptor_ >= 0) {
    want(false, false);
    lane_.forget_watch(*this);
    descriptor_ = -1;
  }
}

void Watch::want(bool readable, bool writable) {
  const std::uint32_t events = (readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U);
  if (events == events_ || descriptor_ < 0) {
    return;
  }
  // One that nobody wants is taken out: a hang-up would be told all the time.
  const int operation = events == 0 ? EPOLL_CTL_DEL : events_ == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  (void)lane_.register_watch(operation, descriptor_, events, *this);
  events_ = events;
}

void Watch::ready(std::uint32_t events) {
  const bool broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
  owner_.on_ready(broken || (events & EPOLLIN) != 0, broken || (events & EPOLLOUT) != 0);
}

void Waiter::assign(int descriptor) { SYNOD_CHECK(watch_.open(descriptor, false)); }

void Waiter::wait_readable(std::function<void()> then) {
  then_ = std::move(then);
  watch_.want(true, false);
}

void Waiter::wait_writable(std::function<void()> then) {
  then_ = std::move(then);
  watch_.want(false, true);
}

// `then` may destroy the waiter.
void Waiter::on_ready(bool, bool) {
  const std::function<void()> then = std::exchange(then_, nullptr);
  watch_.want(false, false);
  if (then) {
    then();
  }
}

}  // namespace synod::machine
