// Why nobody leads, or is known to, in words for people: mntr, `synod status`, the log.
#include <fmt/format.h>

#include <algorithm>

#include "coordinator/engine.h"
#include "coordinator/state_limit.h"

namespace synod::coordinator {
namespace {

// A change of leader is no news; that none was found is.
constexpr Duration leaderless_said_after = Duration::millis(1000);

std::string names_of(const std::vector<NodeId>& nodes) {
  std::string text;
  for (const NodeId node : nodes) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", node.value());
  }
  return text;
}

}  // namespace

std::string Engine::why_not_serving() const {
  if (role_.role == paxos::Role::leader) {
    return "leads, and its first entry is not chosen yet";
  }
  std::vector<NodeId> away;  // voters that this server has no connection to
  std::vector<paxos::Member> voters;
  const bool founded = role_.role != paxos::Role::unfounded;
  for (const paxos::Member& member : founded ? core_->membership().members() : options_.members) {
    if (member.observer) {
      continue;
    }
    voters.push_back(member);
    if (member.node != options_.self && (links_ == nullptr || !links_->up(member.node))) {
      away.push_back(member.node);
    }
  }
  if (!founded) {
    return away.empty() ? "the ensemble is being founded"
                        : fmt::format(
                              "waits to found the ensemble, or for one who knows it: no "
                              "connection to server {}",
                              names_of(away));
  }
  const bool quorum = core_->membership().quorum([&](const paxos::Member& member) {
    return std::find(away.begin(), away.end(), member.node) == away.end();
  });
  std::string text;
  if (!quorum) {
    text = fmt::format(
        "no leader: {} of {} voters can be reached from here (no connection to server {}), which "
        "is no quorum",
        voters.size() - away.size(), voters.size(), names_of(away));
  } else if (role_.role == paxos::Role::learner) {
    text = "no leader is known; this server learns, and has no vote yet";
  } else {
    text = fmt::format("no leader is known: an election is under way (ballot {}.{} was promised)",
                       role_.ballot.number, role_.ballot.node.value());
  }
  if (core_->identity().in_doubt) {
    text += "; the end of this server's log is in doubt: it counts once all voters have answered";
  }
  return text;
}

// Into the log, when it lasts.
void Engine::say_why(const ClusterView& view) {
  const Instant now = lane_.now();
  if (view.serving) {
    if (!why_said_.empty()) {
      lane_.log().info("engine", "a leader is known again after {} ms: server {}",
                       (now - served_at_).millis(), view.leader.value());
      why_said_.clear();
    }
    served_at_ = now;
  } else if (view.reason != why_said_ && now - served_at_ >= leaderless_said_after) {
    why_said_ = view.reason;
    lane_.log().warning("engine", "{}", view.reason);
  }
}

// Edges refuse by what waits, too: full is a little below the limit. Room is well below it, so that
// a state which stays near the limit is said once.
void Engine::watch_state_limit() {
  const std::uint64_t limit = options_.state_limit_bytes;
  if (limit == 0) {
    return;
  }
  const std::uint64_t size = size_bytes(shared_.state.counts());
  if (!state_full_ && size > limit - limit / 50) {
    state_full_ = true;
    lane_.log().warning(
        "engine",
        "the state takes {} bytes, its limit (synod.stateLimit) is {}: what makes it "
        "larger is refused with code {}, everything else is served",
        size, limit, static_cast<int>(state_limit_code));
  } else if (state_full_ && size < limit - limit / 20) {
    state_full_ = false;
    lane_.log().info("engine", "the state has room again: {} of {} bytes", size, limit);
  }
}

}  // namespace synod::coordinator
