// The allocator driven as Mesos' own allocator benchmarks drive theirs.
//
// Source  the driver rules of Mesos' benchmarks: frameworks first, then agents; a cycle begins an
//         allocation interval after the last one; the taker of offers only appends them to a list.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "allocator/allocator.h"

namespace synod::bench {

struct Plan {
  std::uint64_t agents = 0;
  std::uint64_t frameworks = 0;
  std::uint64_t roles = 1;  // 1: all in "*"
  std::string total = "cpus:24;mem:4096;disk:4096;ports:[31000-32000]";
  std::string used;  // of each agent, by framework (number modulo frameworks); "": nothing
  bool revocable = false;
};

// What is used of an agent of the usual size: cpus, part of the rest, ports in 16 ranges.
std::string used_part(int mem);

class Cluster {
 public:
  explicit Cluster(const Plan& plan);

  // ---- what is timed
  void add_frameworks();
  void add_agents();
  void give_back(std::optional<Duration> refuse);
  // Every offer split into a task that is kept and a rest that is given back.
  void accept(const resources::Resources& task);
  void suppress(std::uint64_t first, std::uint64_t end);
  void revive(std::uint64_t first, std::uint64_t end);
  void update_agents(resources::Milli revocable_cpus);
  // An allocation interval passes; turns are taken until none is asked for.
  void cycle();

  std::size_t offers() const { return offers_.size(); }

 private:
  std::string role_of(std::uint64_t framework) const;
  void send(allocator::EventBody body);
  void settle();

  Plan plan_;
  resources::Resources total_;
  resources::Resources used_;
  allocator::Allocator allocator_;
  allocator::Effects effects_;
  std::vector<allocator::Allocation> offers_;
  bool continue_ = false;
  Instant now_;
};

}  // namespace synod::bench
