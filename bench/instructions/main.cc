// Instruction counts of the cores, for callgrind: tools/instructions.py runs it and compares the
// counts with bench/instructions.txt. Alone it only does the work once.
#include "bench/instructions/cases.h"

extern "C" [[gnu::noipa]] void synod::bench::counting_begins() { asm volatile(""); }

int main() {
  constexpr int count = 500;
  synod::bench::coordination_cases(count);
  synod::bench::resource_cases(count);
  return 0;
}
