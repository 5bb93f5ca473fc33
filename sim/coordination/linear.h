// Is a history of one register linearizable? The second opinion: it knows invocations, answers and
// values, and nothing of zxids, versions or sessions.
//
// Source  Wing and Gong, "Testing and verifying concurrent objects" (1993); Lowe, "Testing for
//         linearizability" (2017): search over the orders that real time allows, remembering which
//         sets of operations with which value were tried before.
// Memory  A bit for every operation in each configuration tried, at most `configurations_max`.
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

namespace synod::sim::coordination {

struct RegisterOp {
  static constexpr std::size_t never = std::numeric_limits<std::size_t>::max();

  bool write = false;
  std::string value;  // written, or read
  std::size_t invoked = 0;
  // `never`: its answer was lost. A write then took effect at any time after, or not at all; a read
  // without an answer is to be left out.
  std::size_t completed = never;
};

enum class Linear { yes, no, undecided };

// `initial` is the value before the first write. Moments are positions in one order of real time.
Linear check_register(const std::vector<RegisterOp>& operations, const std::string& initial,
                      std::size_t configurations_max = 200'000);

}  // namespace synod::sim::coordination
