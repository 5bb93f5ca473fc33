// What was measured, as a table to read and as lines to keep.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "bench/coordination/load.h"
#include "bench/coordination/servers.h"

namespace synod::bench {

struct Point {
  Work work = Work::read;
  int payload_size_bytes = 100;
  int sessions = 1;
  int outstanding = 1;

  std::string name() const;  // "write 1 KiB, 128x32"
};

// All rounds of one point on one system.
struct Series {
  Kind kind = Kind::synod;
  int servers = 1;
  Point point;
  std::vector<double> rates;   // of each round, operations a second
  std::vector<double> cpu_us;  // of the servers, an operation
  Histogram latency;           // of all rounds
  std::uint64_t failed = 0;

  double rate() const;  // the median
  double worst() const;
  double best() const;
  double cpu() const;  // the median
};

// The cpus, the kernel, the disk below `directory` and how long a flush of 4 KiB takes there.
std::string describe_machine(const std::string& directory);

void print_head(int servers);
// One point: ours first, then the others beside it.
void print_point(const std::vector<Series>& series);

class Tsv {
 public:
  explicit Tsv(const std::string& path);  // none if empty
  ~Tsv();
  Tsv(const Tsv&) = delete;
  Tsv& operator=(const Tsv&) = delete;
  void add(const Series& series);

 private:
  std::FILE* file_ = nullptr;
};

}  // namespace synod::bench
