#include "machine/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>

#include "base/check.h"

namespace synod::machine {
namespace {

constexpr std::size_t signals_max = 65;
constexpr std::size_t listeners_max = 8;

// What a handler may look at: the pipes that want a signal, each one higher than its number; 0 is
// none.
using Listeners = std::array<std::atomic<int>, listeners_max>;
std::array<Listeners, signals_max> listeners;
std::mutex listeners_mutex;  // whoever changes them

void on_signal(int number) {
  const int saved = errno;
  const char byte = static_cast<char>(number);
  for (const std::atomic<int>& listener : listeners[static_cast<std::size_t>(number)]) {
    if (const int pipe = listener.load(); pipe != 0) {
      (void)!::write(pipe - 1, &byte, 1);
    }
  }
  errno = saved;
}

void listen(int number, int pipe) {
  const std::lock_guard lock(listeners_mutex);
  for (std::atomic<int>& listener : listeners[static_cast<std::size_t>(number)]) {
    int none = 0;
    if (listener.compare_exchange_strong(none, pipe + 1)) {
      struct sigaction action {};
      action.sa_handler = &on_signal;
      action.sa_flags = SA_RESTART;
      ::sigfillset(&action.sa_mask);
      SYNOD_CHECK(::sigaction(number, &action, nullptr) == 0);
      return;
    }
  }
  SYNOD_UNREACHABLE("too many listen for one signal");
}

void forget(int number, int pipe) {
  const std::lock_guard lock(listeners_mutex);
  bool heard = false;
  for (std::atomic<int>& listener : listeners[static_cast<std::size_t>(number)]) {
    int mine = pipe + 1;
    listener.compare_exchange_strong(mine, 0);
    heard = heard || listener.load() != 0;
  }
  if (!heard) {
    ::signal(number, SIG_DFL);
  }
}

}  // namespace

Signals::Signals(ThreadLane& lane) : watch_(lane, *this) {
  Result<Pipe> made = make_pipe();
  SYNOD_CHECK(made.ok());
  pipe_ = std::move(made).value();
  for (const Descriptor* end : {&pipe_.read_end, &pipe_.write_end}) {
    ::fcntl(end->get(), F_SETFL, ::fcntl(end->get(), F_GETFL) | O_NONBLOCK);
  }
  SYNOD_CHECK(watch_.open(pipe_.read_end.get(), true));
}

Signals::~Signals() {
  for (const auto& [number, handler] : handlers_) {
    forget(number, pipe_.write_end.get());
  }
  watch_.close();
}

void Signals::handle(int number, std::function<void()> handler) {
  SYNOD_CHECK(number > 0 && number < static_cast<int>(signals_max));
  const bool known = handlers_.contains(number);
  handlers_[number] = std::move(handler);
  if (!known) {
    listen(number, pipe_.write_end.get());
  }
}

void Signals::on_ready(bool, bool) {
  std::array<char, 64> numbers{};
  const ssize_t got = ::read(pipe_.read_end.get(), numbers.data(), numbers.size());
  for (ssize_t i = 0; i < got; ++i) {
    const auto found = handlers_.find(numbers[static_cast<std::size_t>(i)]);
    if (found != handlers_.end()) {
      const std::function<void()> handler = found->second;  // it may set another
      handler();
    }
  }
}

}  // namespace synod::machine
