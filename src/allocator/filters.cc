// Filters: what was refused stays away from who refused it.
#include <algorithm>

#include "allocator/allocator.h"
#include "base/check.h"

namespace synod::allocator {
namespace {

// Refusals of one framework on one agent that are remembered side by side; the one that ends first
// gives way. More than one is needed only where it declined several offers of that agent.
constexpr std::size_t filters_per_agent_max = 16;

bool ends_within(const std::vector<Filter>& filters, Instant end) {
  return std::any_of(filters.begin(), filters.end(),
                     [&](const Filter& filter) { return filter.end == end; });
}

}  // namespace

void Allocator::add_filter(Client& client, AgentKey key, Agent& agent, const Resources& refused,
                           Duration refuse) {
  if (refused.empty() || (options_.mode == Mode::interval && refuse <= Duration())) {
    return;
  }
  const Instant end = now_ + std::max(refuse, options_.allocation_interval);
  if (!agent.last_refused || !(*agent.last_refused == refused)) {
    agent.last_refused = std::make_shared<const Resources>(refused);
  }
  Filter filter{end, agent.last_refused, refused.contains(agent.free) ? agent.growth : 0};
  std::vector<Filter>& filters = client.filters[key];
  const auto forget = [&](auto it) {
    const Instant gone = it->end;
    filters.erase(it);
    if (!ends_within(filters, gone)) {
      filter_ends_.erase({gone, client.id, key, &client});
    }
  };
  // Older refusals that this one includes, in amount and in time, say nothing more.
  for (std::size_t i = filters.size(); i-- > 0;) {
    if (filters[i].end <= end && refused.contains(*filters[i].refused)) {
      forget(filters.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  if (filters.size() == filters_per_agent_max) {
    forget(std::min_element(filters.begin(), filters.end(),
                            [](const Filter& a, const Filter& b) { return a.end < b.end; }));
  }
  filters.push_back(std::move(filter));
  filter_ends_.insert({end, client.id, key, &client});
  agent.filtered_by[client.id] = &client;
}

void Allocator::drop_filters(Client& client, AgentKey key) {
  const auto it = client.filters.find(key);
  if (it == client.filters.end()) {
    return;
  }
  for (const Filter& filter : it->second) {
    filter_ends_.erase({filter.end, client.id, key, &client});
  }
  client.filters.erase(it);
  agent(key).filtered_by.erase(client.id);
}

void Allocator::drop_filters(Client& client) {
  while (!client.filters.empty()) {
    drop_filters(client, client.filters.begin()->first);
  }
}

void Allocator::drop_filters_on(AgentKey key, Agent& agent) {
  while (!agent.filtered_by.empty()) {
    drop_filters(*agent.filtered_by.begin()->second, key);
  }
}

bool Allocator::is_filtered(const Client& client, AgentKey key, const Agent& agent,
                            const Resources& candidate) const {
  const auto it = client.filters.find(key);
  if (it == client.filters.end()) {
    return false;
  }
  return std::any_of(it->second.begin(), it->second.end(), [&](const Filter& filter) {
    // In interval mode a filter that ends with a round's beginning still holds in that round.
    const bool alive =
        options_.mode == Mode::interval ? filter.end >= round_start_ : filter.end > now_;
    return alive && (filter.covers_growth == agent.growth || filter.refused->contains(candidate));
  });
}

void Allocator::expire_filters() {
  const auto is_over = [this](Instant end) {
    return options_.mode == Mode::interval ? end < now_ : end <= now_;
  };
  while (!filter_ends_.empty() && is_over(filter_ends_.begin()->end)) {
    const FilterEnd first = *filter_ends_.begin();
    filter_ends_.erase(filter_ends_.begin());
    std::vector<Filter>& filters = first.client->filters.at(first.agent);
    std::erase_if(filters, [&](const Filter& filter) { return filter.end == first.end; });
    if (filters.empty()) {
      first.client->filters.erase(first.agent);
      agent(first.agent).filtered_by.erase(first.client->id);
    }
    if (options_.mode == Mode::incremental) {
      queue(first.agent);
    }
  }
}

}  // namespace synod::allocator
