#include "coordinator/fair_queue.h"

#include <algorithm>

#include "base/check.h"

namespace synod::coordinator {
namespace {

// What a command costs besides its bytes: many small ones are work, too.
constexpr std::uint64_t command_cost_bytes = 256;
// Flows that wait for nothing keep their place, so that one write at a time gains nothing; beyond
// this many they are looked through.
constexpr std::size_t idle_flows_kept = 1024;

// What a command begins with: docs/formats/batch.md.
SessionId session_of(ByteView command) {
  ByteReader in(command);
  return SessionId(in.i64());
}

// Sequenced commands of one session are told apart by this much.
std::pair<std::uint32_t, std::uint64_t> place_of(ByteView command) {
  ByteReader in(command);
  (void)in.i64();
  const std::uint32_t generation = in.u32();
  return {generation, in.u64()};
}

std::uint64_t cost_of(const Bytes& command) { return command.size() + command_cost_bytes; }

}  // namespace

void FairQueue::push(Bytes command) {
  if (!flows_.empty()) {
    push_in_turn(std::move(command));
    return;
  }
  ++count_;
  size_bytes_ += command.size();
  arrived_.push_back(std::move(command));
}

void FairQueue::push_in_turn(Bytes command) {
  const SessionId session = session_of(command);
  Flow& flow = flows_[session];
  const auto place = place_of(command);
  const bool sequenced = place.second != 0;
  if (sequenced && place <= flow.highest &&
      std::any_of(flow.commands.begin(), flow.commands.end(),
                  [&](const Bytes& other) { return place_of(other) == place; })) {
    return;  // sent again, and still here
  }
  flow.highest = std::max(flow.highest, place);
  if (flow.commands.empty()) {
    flow.begin = std::max(flow.begin, now_);
    join(session, flow, cost_of(command));
  }
  ++count_;
  size_bytes_ += command.size();
  flow.commands.push_back(std::move(command));
}

void FairQueue::join(SessionId session, Flow& flow, std::uint64_t cost) {
  turns_.emplace(flow.begin + cost, ++last_order_, session);
}

void FairQueue::take_turns() {
  std::deque<Bytes> arrived;
  arrived.swap(arrived_);
  count_ = 0;
  size_bytes_ = 0;
  for (Bytes& command : arrived) {
    push_in_turn(std::move(command));
  }
}

std::vector<Bytes> FairQueue::take(std::size_t commands_max, std::size_t bytes_max) {
  SYNOD_CHECK(!empty());
  std::vector<Bytes> taken;
  if (flows_.empty()) {
    if (count_ <= commands_max && size_bytes_ <= bytes_max) {
      taken.assign(std::make_move_iterator(arrived_.begin()),
                   std::make_move_iterator(arrived_.end()));
      clear();
      return taken;
    }
    take_turns();
  }
  std::size_t taken_bytes = 0;
  while (!turns_.empty() && taken.size() < commands_max) {
    const SessionId session = std::get<SessionId>(*turns_.begin());
    Flow& flow = flows_.at(session);
    const std::size_t size = flow.commands.front().size();
    if (!taken.empty() && taken_bytes + size > bytes_max) {
      break;
    }
    const std::uint64_t cost = cost_of(flow.commands.front());
    now_ += cost / turns_.size();
    turns_.erase(turns_.begin());
    flow.begin += cost;
    taken_bytes += size;
    --count_;
    size_bytes_ -= size;
    taken.push_back(std::move(flow.commands.front()));
    flow.commands.pop_front();
    if (!flow.commands.empty()) {
      join(session, flow, cost_of(flow.commands.front()));
    }
  }
  if (empty()) {
    clear();
  } else if (flows_.size() > turns_.size() + idle_flows_kept) {
    forget_idle();
  }
  return taken;
}

// Those that are not ahead of the others: they would be placed where a new one is.
void FairQueue::forget_idle() {
  std::erase_if(flows_, [this](const auto& one) {
    return one.second.commands.empty() && one.second.begin <= now_;
  });
}

void FairQueue::clear() {
  arrived_.clear();
  flows_.clear();
  turns_.clear();
  now_ = 0;
  count_ = 0;
  size_bytes_ = 0;
}

}  // namespace synod::coordinator
