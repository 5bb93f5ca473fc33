// What is counted: each function does one thing `count` times. Their names are what callgrind is
// told to collect in and what bench/instructions.txt lists, without "measured_".
#pragma once

namespace synod::bench {

// Called right before each measured function: what ran until then is counted apart, and dropped.
extern "C" void counting_begins();

// Everything that is counted; what is prepared before a measured function is not.
void coordination_cases(int count);
void resource_cases(int count);

}  // namespace synod::bench
