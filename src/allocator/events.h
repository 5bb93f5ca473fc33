// What the allocator hears and what it asks for.
#pragma once

#include <compare>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/instant.h"
#include "base/strong_id.h"
#include "resources/resources.h"

namespace synod::allocator {

using resources::Milli;
using resources::Resources;

// Minted by the caller, never reused. Their order breaks ties that nothing else breaks.
using FrameworkKey = StrongId<struct AllocatorFrameworkTag, std::uint64_t>;
using AgentKey = StrongId<struct AllocatorAgentTag, std::uint64_t>;

// ---- events. Unknown keys are the caller's bug, unless said.

struct AddFramework {
  FrameworkKey framework;
  std::vector<std::string> roles;
  std::set<std::string> suppressed;
  bool active = true;
  bool revocable_resources = false;  // capabilities
  bool gpu_resources = false;
  bool shared_resources = false;
  bool reservation_refinement = false;
};
// Roles, suppression and capabilities replace the old ones; a role taken out of the suppressed ones
// is revived. `active` as well.
struct UpdateFramework {
  AddFramework framework;
};
// Precondition: it holds nothing any more.
struct RemoveFramework {
  FrameworkKey framework;
};
// Inactive (disconnected): keeps what it holds, is offered nothing, loses its filters.
struct SetFrameworkActive {
  FrameworkKey framework;
  bool active = true;
};

// What a framework holds on an agent when the agent is added.
struct Held {
  FrameworkKey framework;
  std::string role;
  Resources amount;
};
struct AddAgent {
  AgentKey agent;
  std::string name;  // for explain
  Resources total;
  std::vector<Held> held;
  bool active = true;
};
// The total replaces the old one; it may be less than what is held.
struct UpdateAgent {
  AgentKey agent;
  Resources total;
  bool attributes_changed = false;  // drops all filters set on it
};
// What was held there is given back in all shares.
struct RemoveAgent {
  AgentKey agent;
};
struct SetAgentActive {
  AgentKey agent;
  bool active = true;
};

// The framework turned out to hold more there than was given to it (found after a failover).
struct Found {
  AgentKey agent;
  Held held;
};
// The framework gives back what it holds there. With `refuse`: declined, for at least so long.
struct Recover {
  FrameworkKey framework;
  std::string role;
  AgentKey agent;
  Resources amount;
  std::optional<Duration> refuse;
};

// Roles empty: all of the framework's. Roles it does not have are passed over.
struct Suppress {
  FrameworkKey framework;
  std::vector<std::string> roles;
};
// Also drops the filters of these roles and offers everything again.
struct Revive {
  FrameworkKey framework;
  std::vector<std::string> roles;
};
// In thousandths, at least 1; 1000 is the default. The role need not exist.
struct SetWeight {
  std::string role;
  Milli weight = 1000;
};

struct Wake {};  // the instant of WakeAt has come
struct Turn {};  // the answer to Continue

using EventBody = std::variant<AddFramework, UpdateFramework, RemoveFramework, SetFrameworkActive,
                               AddAgent, UpdateAgent, RemoveAgent, SetAgentActive, Found, Recover,
                               Suppress, Revive, SetWeight, Wake, Turn>;

struct Event {
  Instant now;
  EventBody body;
};

// ---- effects

// From now on the framework holds this on the agent, until Recover. No item has a role of
// allocation; `role` is it for all of them.
struct Allocation {
  FrameworkKey framework;
  std::string role;
  AgentKey agent;
  Resources amount;
};
// Send Turn when other work had its chance. Sent at most once before each Turn.
struct Continue {};
// Send Wake at this instant, which replaces the one asked for before; max() is never.
struct WakeAt {
  Instant at;
};

using Effect = std::variant<Allocation, Continue, WakeAt>;
using Effects = std::vector<Effect>;

std::ostream& operator<<(std::ostream& out, const Event& event);
std::ostream& operator<<(std::ostream& out, const Effect& effect);

}  // namespace synod::allocator
