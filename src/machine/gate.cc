#include "machine/gate.h"

#include <atomic>
#include <vector>

#include "base/check.h"

namespace synod::machine {
namespace {

constexpr int spins_max = 200;

// Waits until the flag is down.
void wait_for_zero(const std::atomic<std::uint32_t>& flag) {
  for (int i = 0; i < spins_max; ++i) {
    if (flag.load(std::memory_order_acquire) == 0) {
      return;
    }
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  while (const std::uint32_t value = flag.load(std::memory_order_acquire)) {
    flag.wait(value, std::memory_order_acquire);
  }
}

class SharedGate final : public ports::Gate {
 public:
  explicit SharedGate(std::size_t places) : places_(places) {}

  void enter_read(std::size_t place) override {
    SYNOD_CHECK(place < places_.size());
    std::atomic<std::uint32_t>& mine = places_[place].inside;
    while (true) {
      mine.store(1, std::memory_order_seq_cst);
      if (writer_.inside.load(std::memory_order_seq_cst) == 0) {
        return;
      }
      leave_read(place);
      wait_for_zero(writer_.inside);
    }
  }

  void leave_read(std::size_t place) override {
    places_[place].inside.store(0, std::memory_order_seq_cst);
    // Only a waiting writer needs the wake-up, and it raised its flag before it slept.
    if (writer_.inside.load(std::memory_order_seq_cst) != 0) {
      places_[place].inside.notify_one();
    }
  }

  void enter_write() override {
    SYNOD_CHECK(writer_.inside.exchange(1, std::memory_order_seq_cst) == 0);
    for (Place& place : places_) {
      if (place.inside.load(std::memory_order_seq_cst) != 0) {
        wait_for_zero(place.inside);
      }
    }
  }

  void leave_write() override {
    writer_.inside.store(0, std::memory_order_seq_cst);
    writer_.inside.notify_all();
  }

 private:
  struct alignas(64) Place {
    std::atomic<std::uint32_t> inside{0};
  };
  std::vector<Place> places_;
  Place writer_;
};

class TrivialGate final : public ports::Gate {
 public:
  void enter_read(std::size_t) override {}
  void leave_read(std::size_t) override {}
  void enter_write() override {}
  void leave_write() override {}
};

}  // namespace

std::unique_ptr<ports::Gate> make_shared_gate(std::size_t places) {
  return std::make_unique<SharedGate>(places);
}

std::unique_ptr<ports::Gate> make_trivial_gate() { return std::make_unique<TrivialGate>(); }

}  // namespace synod::machine
