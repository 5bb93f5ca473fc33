// Why something waits: a question that changes nothing, answered by counting.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "allocator/events.h"

namespace synod::allocator {

// What one task needs on one agent.
struct Shape {
  resources::Quantities scalars;
  std::uint64_t ports = 0;  // how many of them
};

// What of an agent is not in use though it was given out (it stands in offers); nullptr if nothing.
using OnOffer = std::function<const Resources*(AgentKey)>;

struct Explanation {
  enum class Verdict : std::uint8_t {
    offered,            // an agent has it free, and it is on its way to the framework
    unknown_framework,  // not subscribed
    not_subscribed,     // the framework does not have the role
    inactive,           // the framework is disconnected
    suppressed,         // the framework asked for nothing in the role
    no_agents,          // there is no agent that may be offered
    too_large,          // no agent is large enough even when empty
    waits,              // agents are large enough, but none has it free now
    declined,           // agents have it free, but the framework refused them
  };

  // One for each name in the shape, in its order, then "ports".
  struct PerResource {
    std::string name;
    Milli wanted = 0;           // ports: how many, in thousandths as well
    std::string largest_agent;  // by its total, then by what is free
    Milli largest_total = 0;
    Milli largest_agent_free = 0;  // on that agent
    std::string freest_agent;      // by what is free
    Milli freest_free = 0;
    Milli freest_total = 0;
    std::size_t agents_by_total = 0;  // whose total is enough of this resource
    std::size_t agents_by_free = 0;
  };

  Verdict verdict = Verdict::waits;
  std::size_t agents = 0;            // active ones
  std::size_t agents_fit_total = 0;  // large enough in everything at once
  std::size_t agents_fit_free = 0;
  std::size_t agents_declined = 0;        // fit, but filtered
  std::optional<Instant> declined_until;  // the earliest end of those filters
  std::vector<PerResource> resources;
  // What is short: the names of which no agent has enough free (or total, when too large); empty if
  // each is there somewhere, only never together.
  std::vector<std::string> short_of;
};

const char* to_string(Explanation::Verdict verdict);
// One line: "no agent has 9 cpus (largest: a1, 1.0, of which 0.9 free). 0 of 2 agents fit by cpus,
// 2 by mem", or "no agent has 0.5 cpus free (most: a1, 0.2 of 1.0). ...". No final stop.
std::string to_string(const Explanation& explanation);

}  // namespace synod::allocator
