// From a seed that fails to the least of it that still does.
#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "sim/program/campaign.h"
#include "sim/program/children.h"

namespace synod::sim {
namespace {

// If a run died there is no summary that tells how many strikes there were.
constexpr std::uint64_t strikes_guessed = 400;
constexpr int operations_guessed = 400;
constexpr int clients_guessed = 8;

// "liveness", "replies", ...: what the first finding begins with; "died" if there was none.
std::string class_of(const Outcome& outcome) {
  if (!outcome.judged) {
    return outcome.good ? "good" : "died";
  }
  std::size_t line = outcome.text.find("bad\n");
  for (int skipped = 0; skipped < 3 && line != std::string::npos; ++skipped) {
    line = outcome.text.find('\n', line + (skipped == 0 ? 0 : 1));
  }
  const std::size_t end = outcome.text.find(':', line);
  return line == std::string::npos ? "" : outcome.text.substr(line + 1, end - line - 1);
}

class Shrinking {
 public:
  Shrinking(const RunOptions& base, std::uint64_t seed, unsigned jobs)
      : base_(base), seed_(seed), jobs_(jobs) {}

  int run() {
    const Outcome first = run_with(base_.less);
    class_ = class_of(first);
    std::cout << fmt::format("seed {}: {}\n{}", seed_, class_, first.text);
    if (first.good) {
      return 1;
    }
    best_ = base_.less;
    best_.strikes_max =
        std::min(best_.strikes_max, number_behind(first.text, " strikes ", strikes_guessed));
    best_.operations_max =
        std::min(best_.operations_max,
                 static_cast<int>(number_behind(first.text, " operations=", operations_guessed)));
    best_.clients_max =
        std::min(best_.clients_max,
                 static_cast<int>(number_behind(first.text, " clients=", clients_guessed)));
    shorten_storm();
    lessen(best_.clients_max);
    lessen(best_.operations_max);
    skip_strikes();
    lessen(best_.operations_max);
    lessen(best_.clients_max);
    const Outcome last = run_with(best_);
    std::cout << fmt::format("{} runs\n{}replay: ./dev sim --seed {}{}\n", runs_, last.text, seed_,
                             flags());
    return 0;
  }

 private:
  Outcome run_with(const coordination::Reductions& less) {
    ++runs_;
    RunOptions options = base_;
    options.less = less;
    options.kind = "coordination";
    Outcome outcome;
    run_many(options, {seed_}, jobs_, [&outcome](const Outcome& one) {
      outcome = one;
      return true;
    });
    return outcome;
  }

  bool takes(const coordination::Reductions& less) {
    if (class_of(run_with(less)) != class_) {
      return false;
    }
    best_ = less;
    std::cout << fmt::format("smaller:{}\n", flags());
    std::cout.flush();
    return true;
  }

  // The first strike after which it fails.
  void shorten_storm() {
    std::uint64_t low = 0;
    while (low < best_.strikes_max) {
      coordination::Reductions less = best_;
      less.strikes_max = low + (best_.strikes_max - low) / 2;
      if (!takes(less)) {
        low = less.strikes_max + 1;
      }
    }
  }

  void lessen(int& most) {
    const bool clients = &most == &best_.clients_max;
    for (int cut = most / 2; cut > 0; cut /= 2) {
      for (;;) {
        coordination::Reductions less = best_;
        (clients ? less.clients_max : less.operations_max) -= cut;
        const int left = clients ? less.clients_max : less.operations_max;
        if (left < 1 || !takes(less)) {
          break;
        }
      }
    }
  }

  // In ever smaller runs of strikes.
  void skip_strikes() {
    for (std::uint64_t size = (best_.strikes_max + 1) / 2; size > 0; size /= 2) {
      for (std::uint64_t from = 1; from <= best_.strikes_max; from += size) {
        coordination::Reductions less = best_;
        for (std::uint64_t i = from; i < from + size && i <= best_.strikes_max; ++i) {
          less.skipped.insert(i);
        }
        if (less.skipped.size() != best_.skipped.size()) {
          takes(less);
        }
      }
    }
  }

  std::string flags() const {
    std::string text = fmt::format(" --kind coordination --strikes {} --operations {} --clients {}",
                                   best_.strikes_max, best_.operations_max, best_.clients_max);
    for (std::uint64_t strike : best_.skipped) {
      text += fmt::format(" --skip {}", strike);
    }
    text += base_.aim.empty() ? "" : " --aim " + base_.aim;
    return text;
  }

  const RunOptions& base_;
  std::uint64_t seed_;
  unsigned jobs_;
  std::string class_;
  coordination::Reductions best_;
  int runs_ = 0;
};

}  // namespace

int shrink(const RunOptions& base, std::uint64_t seed, unsigned jobs) {
  return Shrinking(base, seed, jobs).run();
}

}  // namespace synod::sim
