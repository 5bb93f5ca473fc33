// One load on servers that run already: for measurements that do something to them meanwhile.
#pragma once

#include <vector>

#include "bench/coordination/load.h"

namespace synod::bench {

struct DriveOptions {
  std::vector<int> ports;
  int fill = 0;           // makes so many znodes of 100 bytes below /fill first
  bool prepared = false;  // the znodes that the load needs are there
  Load load;
};

// Prints one line of JSON: what was answered, how fast. The exit code.
int drive(const DriveOptions& options);

// Makes that many znodes below /fill, a thousand below each parent; the sum of their names' sizes.
// Throws std::runtime_error.
std::size_t fill_with_znodes(int port, int znodes, int size_bytes);

}  // namespace synod::bench
