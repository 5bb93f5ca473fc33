// Commands that wait for the leader, here or on the way there: in order within each session, and
// each session its share among the others.
//
// What fits into one batch leaves in the order in which it came: nobody gains from another order,
// and nothing is looked up. Once more waits than that, sessions take turns by bytes (start-time
// fair queueing): one that has 64 KiB waiting, or a thousand writes, delays another's single write
// by one batch at most, however many such sessions there are.
//
//   queue.push(command);                       // znode::encode_command's bytes
//   std::vector<Bytes> batch = queue.take(4096, 1 << 20);
//
// Source      Demers, Keshav, Shenker, "Analysis and simulation of a fair queueing algorithm"
// (1989). Invariants  Q1 two commands of one session leave in the order in which they came.
//             Q2 while sessions take turns, the one goes next whose command would end first if all
//                that wait were served at once, in equal parts.
//             Q3 a command that waits already (the same session, generation and sequence) is not
//                taken twice while sessions take turns: whoever is impatient costs nothing.
// Threads     Confined to its owner's Lane.
// Memory      Owns what waits; the owner bounds it by size_bytes().
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"

namespace synod::coordinator {

class FairQueue {
 public:
  bool empty() const { return count_ == 0; }
  std::size_t size() const { return count_; }
  std::size_t size_bytes() const { return size_bytes_; }

  void push(Bytes command);
  // What goes next: at most so many commands and bytes, but one at least. Precondition: !empty().
  std::vector<Bytes> take(std::size_t commands_max, std::size_t bytes_max);
  void clear();

 private:
  struct Flow {
    std::deque<Bytes> commands;
    std::pair<std::uint32_t, std::uint64_t> highest;  // generation, sequence that came so far
    std::uint64_t begin = 0;  // of its first command, or of the next one that comes; see now_
  };
  using Turn = std::tuple<std::uint64_t, std::uint64_t, SessionId>;  // its end, order, whose

  void join(SessionId session, Flow& flow, std::uint64_t cost);
  void push_in_turn(Bytes command);
  void take_turns();
  void forget_idle();

  std::deque<Bytes> arrived_;  // while nobody takes turns
  std::map<SessionId, Flow> flows_;
  std::set<Turn> turns_;   // of flows that have commands
  std::uint64_t now_ = 0;  // what each that waits would have been given by now
  std::uint64_t last_order_ = 0;
  std::size_t count_ = 0;
  std::size_t size_bytes_ = 0;
};

}  // namespace synod::coordinator
