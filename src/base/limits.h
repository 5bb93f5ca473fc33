// Every bound that callers can meet, with its reason. When a bound is reached the caller is slowed
// or told; nothing grows without end.
#pragma once

#include <cstddef>
#include <cstdint>

namespace synod::limits {

// --- ZooKeeper protocol
// jute.maxbuffer of genuine ZooKeeper: a longer frame closes the connection without a reply.
inline constexpr std::size_t zk_frame_size_bytes_max = 0xfffff;
// Slack for record fields inside a frame (zookeeper.jute.maxbuffer.extrasize).
inline constexpr std::size_t zk_field_size_bytes_max = 2 * zk_frame_size_bytes_max;

// --- replicated log
// One slot's value: a batch is closed before it passes this. Above one largest request.
inline constexpr std::size_t slot_value_size_bytes_max = 4 << 20;
// Slots proposed and not yet chosen, on a leader: bounds memory and the cost of a change of leader.
inline constexpr std::size_t slots_in_flight_max = 256;
static_assert(slot_value_size_bytes_max > 2 * zk_field_size_bytes_max / 2 + 64 * 1024);

// --- between coordinators
// A frame of the peer protocol; longer ones close the link.
inline constexpr std::size_t peer_frame_size_bytes_max = 16 << 20;
static_assert(peer_frame_size_bytes_max > slot_value_size_bytes_max + 4096);

// --- Lanes
// Tasks waiting on one Lane; above it try_post answers false.
inline constexpr std::size_t lane_tasks_max = 1 << 16;

// --- HTTP
inline constexpr std::size_t http_header_size_bytes_max = 64 << 10;
inline constexpr std::size_t http_body_size_bytes_max = 8 << 20;
// A RecordIO record, and what a slow subscriber may leave unread before it is cut.
inline constexpr std::size_t record_size_bytes_max = 8 << 20;
inline constexpr std::size_t stream_unread_bytes_max = 32 << 20;

// --- resources
// Interned names, ranges and items that one call may carry.
inline constexpr std::size_t ranges_per_resource_max = 10'000;
inline constexpr std::size_t tasks_per_call_max = 10'000;
inline constexpr std::size_t id_size_bytes_max = 255;

}  // namespace synod::limits
