#include "allocator/explain.h"

#include <algorithm>

#include "allocator/allocator.h"
#include "base/check.h"

namespace synod::allocator {
namespace {

using Verdict = Explanation::Verdict;
using PerResource = Explanation::PerResource;

constexpr std::uint64_t ports_max = 65'536;

// Amounts of one agent in the terms of the question.
Milli amount_of(const Resources& resources, const std::string& name) {
  if (name == "ports") {
    return static_cast<Milli>(std::min(resources.ranges("ports").count(), ports_max)) * 1000;
  }
  return resources.scalar(name);
}

std::vector<PerResource> wanted(const Shape& shape) {
  std::vector<PerResource> rows;
  for (const resources::Quantity& item : shape.scalars.items()) {
    rows.emplace_back();
    rows.back().name = item.name;
    rows.back().wanted = item.amount;
  }
  if (shape.ports > 0) {
    rows.emplace_back();
    rows.back().name = "ports";
    rows.back().wanted = static_cast<Milli>(std::min(shape.ports, ports_max)) * 1000;
  }
  return rows;
}

bool enough(const Resources& resources, const std::vector<PerResource>& rows) {
  return std::all_of(rows.begin(), rows.end(), [&](const PerResource& row) {
    return amount_of(resources, row.name) >= row.wanted;
  });
}

void compare(PerResource& row, const std::string& agent, Milli total, Milli free) {
  if (row.largest_agent.empty() || total > row.largest_total ||
      (total == row.largest_total && free > row.largest_agent_free)) {
    row.largest_agent = agent;
    row.largest_total = total;
    row.largest_agent_free = free;
  }
  if (row.freest_agent.empty() || free > row.freest_free) {
    row.freest_agent = agent;
    row.freest_free = free;
    row.freest_total = total;
  }
  row.agents_by_total += total >= row.wanted ? 1 : 0;
  row.agents_by_free += free >= row.wanted ? 1 : 0;
}

std::string amount_text(const PerResource& row, Milli amount) {
  return resources::milli_to_string(amount) + " " + row.name;
}

// Two amounts side by side read as one scale: "1.0" beside "0.9", "2" beside "1".
std::string beside(Milli amount, Milli other) {
  const std::string text = resources::milli_to_string(amount);
  const bool whole = text.find('.') == std::string::npos;
  return text + (whole && other % 1000 != 0 ? ".0" : "");
}

std::string fits_text(const Explanation& explanation, bool by_free) {
  std::string text;
  for (const PerResource& row : explanation.resources) {
    const std::size_t count = by_free ? row.agents_by_free : row.agents_by_total;
    text += text.empty() ? std::to_string(count) + " of " + std::to_string(explanation.agents) +
                               " agents fit by " + row.name
                         : ", " + std::to_string(count) + " by " + row.name;
  }
  return text;
}

std::string shortage_text(const Explanation& explanation) {
  const bool by_total = explanation.verdict == Verdict::too_large;
  std::string text;
  for (const PerResource& row : explanation.resources) {
    const auto& names = explanation.short_of;
    if (std::find(names.begin(), names.end(), row.name) == names.end()) {
      continue;
    }
    text += text.empty() ? "no agent has " : ", none has ";
    text += amount_text(row, row.wanted);
    text += by_total ? "" : " free";
    text += by_total
                ? " (largest: " + row.largest_agent + ", " +
                      beside(row.largest_total, row.largest_agent_free) + ", of which " +
                      beside(row.largest_agent_free, row.largest_total) + " free)"
                : " (most: " + row.freest_agent + ", " + beside(row.freest_free, row.freest_total) +
                      " of " + beside(row.freest_total, row.freest_free) + ")";
  }
  if (text.empty()) {
    text = by_total ? "no agent is large enough in everything at once"
                    : "no agent has all of it free at once";
  }
  return text + ". " + fits_text(explanation, !by_total);
}

}  // namespace

Explanation Allocator::explain(FrameworkKey framework, const std::string& role, const Shape& shape,
                               const OnOffer& on_offer) const {
  Explanation answer;
  answer.resources = wanted(shape);
  const auto known = frameworks_.find(framework);
  const Client* asking = tree_.find(role, framework);
  for (const auto& [key, agent] : agents_) {
    if (!agent.active) {
      continue;
    }
    ++answer.agents;
    Resources free = agent.free;
    if (const Resources* offered = on_offer(key); offered != nullptr && !agent.over_committed) {
      free.add(*offered);
    }
    // Before the framework is known every part counts that is not reserved.
    const Resources total =
        asking ? part_for(agent, *asking, agent.total) : agent.total.unreserved();
    free = asking ? part_for(agent, *asking, free) : free.unreserved();
    for (PerResource& row : answer.resources) {
      compare(row, agent.name, amount_of(total, row.name), amount_of(free, row.name));
    }
    answer.agents_fit_total += enough(total, answer.resources) ? 1 : 0;
    if (!enough(free, answer.resources)) {
      continue;
    }
    ++answer.agents_fit_free;
    if (asking != nullptr && is_filtered(*asking, key, agent, free)) {
      ++answer.agents_declined;
      for (const Filter& filter : asking->filters.at(key)) {
        answer.declined_until = std::min(answer.declined_until.value_or(filter.end), filter.end);
      }
    }
  }
  for (const PerResource& row : answer.resources) {
    if ((answer.agents_fit_total > 0 ? row.agents_by_free : row.agents_by_total) == 0) {
      answer.short_of.push_back(row.name);
    }
  }
  if (known == frameworks_.end()) {
    answer.verdict = Verdict::unknown_framework;
  } else if (asking == nullptr || !asking->subscribed) {
    answer.verdict = Verdict::not_subscribed;
  } else if (!known->second.info.active) {
    answer.verdict = Verdict::inactive;
  } else if (answer.agents == 0) {
    answer.verdict = Verdict::no_agents;
  } else if (answer.agents_fit_total == 0) {
    answer.verdict = Verdict::too_large;
  } else if (answer.agents_fit_free == 0) {
    answer.verdict = Verdict::waits;
  } else if (asking->suppressed) {
    answer.verdict = Verdict::suppressed;
  } else if (answer.agents_declined == answer.agents_fit_free) {
    answer.verdict = Verdict::declined;
  } else {
    answer.verdict = Verdict::offered;
  }
  return answer;
}

const char* to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::offered: return "offered";
    case Verdict::unknown_framework: return "unknown framework";
    case Verdict::not_subscribed: return "not subscribed";
    case Verdict::inactive: return "inactive";
    case Verdict::suppressed: return "suppressed";
    case Verdict::no_agents: return "no agents";
    case Verdict::too_large: return "too large";
    case Verdict::waits: return "waits";
    case Verdict::declined: return "declined";
  }
  SYNOD_UNREACHABLE("verdict");
}

std::string to_string(const Explanation& explanation) {
  switch (explanation.verdict) {
    case Verdict::unknown_framework: return "the framework is not subscribed";
    case Verdict::not_subscribed: return "the framework is not subscribed to the role";
    case Verdict::inactive: return "the framework is disconnected";
    case Verdict::no_agents: return "there is no agent that may be offered";
    case Verdict::too_large:
    case Verdict::waits: return shortage_text(explanation);
    case Verdict::suppressed:
      return std::to_string(explanation.agents_fit_free) + " of " +
             std::to_string(explanation.agents) +
             " agents have it free, but the framework suppressed its offers";
    case Verdict::declined:
      return std::to_string(explanation.agents_fit_free) + " of " +
             std::to_string(explanation.agents) +
             " agents have it free, but the framework declined them";
    case Verdict::offered:
      return std::to_string(explanation.agents_fit_free - explanation.agents_declined) + " of " +
             std::to_string(explanation.agents) + " agents have it free";
  }
  SYNOD_UNREACHABLE("verdict");
}

}  // namespace synod::allocator
