// What the two halves of a master's face say to each other. The Door speaks HTTP with the world;
// the Seat holds the core, the registry and the election. Each is confined to its Lane.
//
// Order   What one half sends arrives in the order sent: a framework's SUBSCRIBE before its calls,
//         an event before the close of its stream.
// Memory  Messages are moved.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "allocator/explain.h"
#include "base/strong_id.h"
#include "master/core/core.h"
#include "master/core/effects.h"
#include "master/core/events.h"
#include "master/identity.h"

namespace synod::master {

// An HTTP request that waits for its answer.
using Exchange = StrongId<struct ExchangeTag, std::uint64_t>;

// ---- Door to Seat

// SUBSCRIBE of a framework or an agent: the stream is open; what follows is said on it.
struct Opened {
  std::variant<core::Subscribe, core::AgentSubscribe> event;
};
struct Closed {
  core::Stream stream;
};
// Any other call of a framework. No event: it is checked, answered and has no effect.
struct FrameworkCall {
  Exchange exchange;
  core::FrameworkId framework;
  core::Stream stream;  // 0: it named none, or one that is not open
  std::optional<core::EventBody> event;
};
// Any other call of an agent.
struct AgentCall {
  Exchange exchange;
  core::Stream stream;
  std::optional<core::Leadership> leadership;
  std::optional<core::EventBody> event;
};
// A request of the operator: an event of the core, answered at once.
struct OperatorCall {
  Exchange exchange;
  core::EventBody event;
};
struct Explain {
  Exchange exchange;
  core::FrameworkId framework;  // "": any framework
  std::string role;
  allocator::Shape shape;
};
struct WantPicture {};

using ToSeat =
    std::variant<Opened, Closed, FrameworkCall, AgentCall, OperatorCall, Explain, WantPicture>;

// ---- Seat to Door

struct Answer {
  Exchange exchange;
  int status = 202;
  std::string body;
};
// Effects toward frameworks and agents, in order.
struct Say {
  core::Effects effects;
};
struct Standing {
  enum class Role : std::uint8_t {
    following,   // another leads, or nobody
    recovering,  // elected; the registry is being read
    leading,
  };
  Role role = Role::following;
  std::optional<Identity> leader;
  core::Leadership leadership;  // while recovering or leading
};
// Until then this master surely leads. Later, the Door keeps silent.
struct Fresh {
  Instant until;
};

// The things that happened, for the page.
struct Happening {
  WallTime at;
  std::string kind;
  std::string text;
};
// How this reign began. A span without a value has not ended yet.
struct Failover {
  std::string from;   // address of the leader before
  bool died = false;  // else silent until its session ran out
  WallTime at;
  std::optional<Duration> elected;
  std::optional<Duration> agents_back;
  std::optional<Duration> first_offer;
  std::size_t back = 0;
  std::size_t agents = 0;  // admitted when it began
};
// What documents are rendered from.
struct Picture {
  WallTime made_at;
  core::Leadership leadership;
  WallTime elected_at;
  std::shared_ptr<const core::View> view;  // shared: the core goes on while it is rendered
  core::Core::Summary summary;
  std::vector<Identity> masters;
  std::vector<Happening> happenings;  // oldest first
  std::optional<Failover> failover;
};
struct NewPicture {
  std::shared_ptr<const Picture> picture;  // shared by all that render it
};

using ToDoor = std::variant<Answer, Say, Standing, Fresh, NewPicture>;
// Shared between the message under way and the sender, who must send it again if there is no room.
using Parcel = std::shared_ptr<ToDoor>;

}  // namespace synod::master
