// The queue, rounds and turns: which agent is handed out next, and to whom.
#include <algorithm>

#include "allocator/allocator.h"
#include "base/check.h"

namespace synod::allocator {

void Allocator::queue(AgentKey key) {
  if (offerable_.contains(key)) {
    gathering_.erase(key);
    queue_.insert(key);
  }
}

// A round asked for while one is under way goes around once more from where that one stands.
void Allocator::queue_round() {
  if (!round_) {
    ++stats_.rounds;
  }
  round_ = true;
  round_wrapped_ = false;
  round_stop_ = round_cursor_;
  round_start_ = now_;
}

void Allocator::on(const Wake&) {
  wake_asked_ = Instant::max();
  if (options_.mode == Mode::interval && next_interval_ <= now_) {
    next_interval_ = now_ + options_.allocation_interval;
    queue_round();
  }
  expire_filters();
}

void Allocator::on(const Turn&) {
  continue_asked_ = false;
  ++stats_.turns;
  tree_.refresh();
  std::size_t visits = 0;
  for (std::size_t agents = 0;
       agents < options_.agents_per_turn && visits < options_.visits_per_turn; ++agents) {
    const std::optional<AgentKey> key = next_agent();
    if (!key) {
      break;
    }
    visits += allocate(*key);
  }
}

void Allocator::finish_step() {
  if (gathering_.empty()) {
    gather_end_ = Instant::max();
  } else if (gather_end_ <= now_) {
    queue_.merge(gathering_);
    gathering_.clear();
    gather_end_ = Instant::max();
  }
  if (round_ && offerable_.empty()) {
    round_ = false;
  }
  if ((!queue_.empty() || round_) && !continue_asked_) {
    continue_asked_ = true;
    effects_->push_back(Continue{});
  }
  Instant wake = std::min(gather_end_, next_interval_);
  if (options_.mode == Mode::incremental && !filter_ends_.empty()) {
    wake = std::min(wake, filter_ends_.begin()->end);
  }
  if (wake != wake_asked_) {
    wake_asked_ = wake;
    effects_->push_back(WakeAt{wake});
  }
}

// Single agents come before those of a round: their news is fresh.
std::optional<AgentKey> Allocator::next_agent() {
  if (!queue_.empty()) {
    const AgentKey key = *queue_.begin();
    queue_.erase(queue_.begin());
    return key;
  }
  while (round_) {
    const auto it = offerable_.lower_bound(round_cursor_);
    if (!round_wrapped_ && it == offerable_.end()) {
      round_wrapped_ = true;
      round_cursor_ = AgentKey();
      continue;
    }
    if (round_wrapped_ && (it == offerable_.end() || *it >= round_stop_)) {
      round_ = false;
      break;
    }
    round_cursor_ = it->next();
    return *it;
  }
  return std::nullopt;
}

namespace {

// Not reserved to strangers, and of a kind that the framework says it understands.
bool may_have(const Client& client, const resources::Resource& item) {
  const AddFramework& able = *client.info;
  return is_allocatable_to(item, client.node->path) &&
         (!item.revocable || able.revocable_resources) && (!item.shared || able.shared_resources) &&
         (item.reservations.size() < 2 || able.reservation_refinement);
}

}  // namespace

bool Allocator::may_take_all(const Agent& agent, const Client& client) const {
  if (options_.filter_gpu_resources && agent.has_gpus && !client.info->gpu_resources) {
    return false;
  }
  return agent.plain || std::all_of(agent.free.begin(), agent.free.end(),
                                    [&](const auto& item) { return may_have(client, item); });
}

// What of `free` the framework may have in the role.
Resources Allocator::part_for(const Agent& agent, const Client& client,
                              const Resources& free) const {
  Resources part;
  if (options_.filter_gpu_resources && agent.has_gpus && !client.info->gpu_resources) {
    return part;
  }
  for (const resources::Resource& item : free) {
    if (may_have(client, item)) {
      part.add(item);
    }
  }
  return part;
}

// Hands out what is free on one agent. Answers how many frameworks were asked. The order of
// fairness is that of the beginning: shares move only when the agent is done (mesos.md 10.2).
std::size_t Allocator::allocate(AgentKey key) {
  if (!offerable_.contains(key)) {
    return 0;
  }
  Agent& giving = agent(key);
  ++stats_.agents_visited;
  std::vector<std::pair<Client*, Resources>> given;
  Resources rest;  // once a part was given
  bool whole = false;
  std::size_t visits = 0;
  tree_.walk([&](Client& client) {
    ++visits;
    if (given.empty() && may_take_all(giving, client)) {
      if (is_filtered(client, key, giving, giving.free)) {
        return true;
      }
      whole = true;
      given.emplace_back(&client, std::move(giving.free));
      return false;
    }
    if (giving.plain) {
      return true;  // it may have nothing of what all others may have
    }
    Resources part = part_for(giving, client, given.empty() ? giving.free : rest);
    if (part.empty() || !is_allocatable(amounts_known(giving, part)) ||
        is_filtered(client, key, giving, part)) {
      return true;
    }
    if (given.empty()) {
      rest = giving.free;
    }
    rest.subtract(part);
    given.emplace_back(&client, std::move(part));
    return !rest.empty();
  });
  stats_.frameworks_visited += visits;
  for (auto& [client, amount] : given) {
    give(key, giving, *client, std::move(amount), whole);
  }
  if (!given.empty()) {
    // Nothing has become free, so filters that covered what was free still do.
    free_changed(key, giving);
  }
  return visits;
}

void Allocator::give(AgentKey key, Agent& agent, Client& client, Resources amount, bool whole) {
  ++stats_.allocations;
  if (whole) {
    agent.free = Resources();
    tree_.allocated(client, std::exchange(agent.free_amounts, Amounts()));
  } else {
    const Amounts amounts = amounts_of(agent, amount);
    tree_.allocated(client, amounts);
    agent.free.subtract(amount);
    agent.free_amounts.subtract(amounts);
  }
  const auto [it, added] = agent.holdings.try_emplace(client.id);
  it->second.client = &client;
  client.holdings += added ? 1 : 0;
  it->second.amount.add(amount);
  agent.held.add(amount);
  effects_->push_back(Allocation{client.framework, client.node->path, key, std::move(amount)});
}

bool Allocator::is_allocatable(const Amounts& amounts) const {
  return min_allocatable_.empty() ||
         std::any_of(min_allocatable_.begin(), min_allocatable_.end(),
                     [&](const Amounts& minimum) { return amounts.contains(minimum); });
}

}  // namespace synod::allocator
