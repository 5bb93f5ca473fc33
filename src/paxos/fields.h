// The fields of every message, in the order of the format, listed once: for hashing here and for
// encoding and decoding in coordinator/peer. The order is frozen (docs/formats/peer.md).
#pragma once

#include <type_traits>

#include "paxos/messages.h"

namespace synod::paxos {

// Calls f(field) for each field of m; M is a message or a part of one, const or not.
template <typename M, typename F>
void each_field(M& m, F&& f) {
  using T = std::remove_const_t<M>;
  if constexpr (std::is_same_v<T, Who>) {
    f(m.cluster), f(m.incarnation), f(m.rules), f(m.founders), f(m.configuration);
  } else if constexpr (std::is_same_v<T, PreVote>) {
    f(m.round);
  } else if constexpr (std::is_same_v<T, PreVoteReply>) {
    f(m.round), f(m.lost), f(m.promised), f(m.incarnation);
  } else if constexpr (std::is_same_v<T, Prepare>) {
    f(m.ballot);
  } else if constexpr (std::is_same_v<T, Promise>) {
    f(m.ballot), f(m.position), f(m.chosen), f(m.incarnation), f(m.rules), f(m.doubtful);
    f(m.staged), f(m.staged_keep), f(m.staged_through);
  } else if constexpr (std::is_same_v<T, Reject>) {
    f(m.ballot), f(m.promised);
  } else if constexpr (std::is_same_v<T, Fetch>) {
    f(m.ballot), f(m.position), f(m.chosen);
  } else if constexpr (std::is_same_v<T, Stage>) {
    f(m.ballot), f(m.keep), f(m.first), f(m.before), f(m.chosen), f(m.entries);
  } else if constexpr (std::is_same_v<T, Adopt>) {
    f(m.ballot), f(m.keep), f(m.last), f(m.chain);
  } else if constexpr (std::is_same_v<T, Accept>) {
    f(m.ballot), f(m.first), f(m.before), f(m.chosen), f(m.entries);
  } else if constexpr (std::is_same_v<T, Accepted>) {
    f(m.ballot), f(m.last), f(m.incarnation), f(m.digest_slot), f(m.digest);
  } else if constexpr (std::is_same_v<T, Rewind>) {
    f(m.ballot), f(m.last);
  } else if constexpr (std::is_same_v<T, Chosen>) {
    f(m.ballot), f(m.chosen);
  } else if constexpr (std::is_same_v<T, Heartbeat>) {
    f(m.ballot), f(m.chosen), f(m.round), f(m.lease_ms);
  } else if constexpr (std::is_same_v<T, HeartbeatReply>) {
    f(m.ballot), f(m.round), f(m.adopted), f(m.last), f(m.incarnation);
  } else if constexpr (std::is_same_v<T, StepDown>) {
    f(m.ballot), f(m.successor);
  } else if constexpr (std::is_same_v<T, LeaseGranted>) {
    f(m.ballot), f(m.round), f(m.lease_ms), f(m.incarnation);
  } else if constexpr (std::is_same_v<T, Ballot>) {
    f(m.number), f(m.node);
  } else if constexpr (std::is_same_v<T, Position>) {
    f(m.adopted), f(m.last), f(m.chain);
  } else if constexpr (std::is_same_v<T, Member>) {
    f(m.node), f(m.incarnation), f(m.weight), f(m.group), f(m.observer);
  } else {
    static_assert(std::is_same_v<T, Entry>, "a message without a list of fields");
    f(m.kind), f(m.value);
  }
}

// Equal messages, equal hashes.
std::uint64_t hash_of(const Message& message);

}  // namespace synod::paxos
