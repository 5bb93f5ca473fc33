// Bytes of peer frames (docs/formats/peer.md).
#include <algorithm>

#include "base/checksum.h"
#include "base/limits.h"
#include "coordinator/peer/messages.h"
#include "paxos/fields.h"

namespace synod::coordinator::peer {
namespace {

constexpr std::uint32_t hello_magic = 0x444e5953;  // "SYND"
constexpr std::size_t header_size_bytes = 8;       // length, checksum
// What a list on the wire may announce at most before its items are read one by one.
constexpr std::uint32_t items_max = 1U << 20;

// Frozen. The core's messages are 16 + their place in paxos::Message, at most 63.
enum class FrameType : std::uint8_t {
  hello = 1,
  ping = 2,
  pong = 3,
  forward = 4,
  forward_dropped = 5,
  sync_ask = 6,
  sync_answer = 7,
  touched = 8,
  snapshot_begin = 9,
  snapshot_part = 10,
  snapshot_end = 11,
  snapshot_taken = 12,
  repair_ask = 13,
  repair_give = 14,
  digests_said = 15,
  consensus = 16,
  snapshot_from = 64,
  introduction = 65,
  change_ask = 66,
  reach = 67,
  relay_open = 68,
  relayed = 69,
  relay_broken = 70,
};

template <typename M, typename F>
void own_fields(M& m, F&& f);

template <typename T>
inline constexpr bool is_own_part = std::is_same_v<std::remove_const_t<T>, SlotDigest>;

struct Writer {
  ByteWriter out;

  void operator()(std::uint32_t v) { out.u32(v); }
  void operator()(std::uint64_t v) { out.u64(v); }
  void operator()(bool v) { out.u8(v ? 1 : 0); }
  void operator()(paxos::EntryKind kind) { out.u8(static_cast<std::uint8_t>(kind)); }
  void operator()(const paxos::Value& value) { out.sized(*value); }
  void operator()(const Bytes& bytes) { out.sized(bytes); }
  template <typename Tag>
  void operator()(const StrongId<Tag, std::uint32_t>& id) {
    out.u32(id.value());
  }
  template <typename Tag>
  void operator()(const StrongId<Tag, std::uint64_t>& id) {
    out.u64(id.value());
  }
  void operator()(const SessionId& id) { out.i64(id.value()); }
  template <typename T>
  void operator()(const std::vector<T>& items) {
    out.u32(static_cast<std::uint32_t>(items.size()));
    for (const T& item : items) {
      (*this)(item);
    }
  }
  template <typename T>
  requires std::is_aggregate_v<T>
  void operator()(const T& part) {
    if constexpr (is_own_part<T>) {
      own_fields(part, *this);
    } else {
      paxos::each_field(part, *this);
    }
  }
};

struct Reader {
  ByteReader& in;

  void operator()(std::uint32_t& v) { v = in.u32(); }
  void operator()(std::uint64_t& v) { v = in.u64(); }
  void operator()(bool& v) {
    const std::uint8_t byte = in.u8();
    v = byte == 1;
    byte > 1 ? in.fail() : void();
  }
  void operator()(paxos::EntryKind& kind) {
    const std::uint8_t byte = in.u8();
    kind = static_cast<paxos::EntryKind>(byte);
    paxos::is_entry_kind(byte) ? void() : in.fail();
  }
  void operator()(paxos::Value& value) { value = std::make_shared<const Bytes>(in.sized()); }
  void operator()(Bytes& bytes) { bytes = Bytes(in.sized()); }
  template <typename Tag>
  void operator()(StrongId<Tag, std::uint32_t>& id) {
    id = StrongId<Tag, std::uint32_t>(in.u32());
  }
  template <typename Tag>
  void operator()(StrongId<Tag, std::uint64_t>& id) {
    id = StrongId<Tag, std::uint64_t>(in.u64());
  }
  void operator()(SessionId& id) { id = SessionId(in.i64()); }
  template <typename T>
  void operator()(std::vector<T>& items) {
    const std::uint32_t count = in.u32();
    if (count > items_max) {
      in.fail();
      return;
    }
    for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
      T item{};
      (*this)(item);
      items.push_back(std::move(item));
    }
  }
  template <typename T>
  requires std::is_aggregate_v<T>
  void operator()(T& part) {
    if constexpr (is_own_part<T>) {
      own_fields(part, *this);
    } else {
      paxos::each_field(part, *this);
    }
  }
};

// The engine's own messages: fields in order, as in paxos/fields.h.
template <typename M, typename F>
void own_fields(M& m, F&& f) {
  using T = std::remove_const_t<M>;
  if constexpr (std::is_same_v<T, Forward>) {
    f(m.commands);
  } else if constexpr (std::is_same_v<T, SyncAsk>) {
    f(m.ticket);
  } else if constexpr (std::is_same_v<T, SyncAnswer>) {
    f(m.ticket), f(m.ok), f(m.slot);
  } else if constexpr (std::is_same_v<T, Touched>) {
    f(m.sessions);
  } else if constexpr (std::is_same_v<T, SnapshotBegin>) {
    f(m.ballot), f(m.id.cluster), f(m.id.slot), f(m.id.chain), f(m.id.digest), f(m.id.meta);
    f(m.size_bytes);
  } else if constexpr (std::is_same_v<T, SnapshotPart>) {
    f(m.ballot), f(m.offset), f(m.bytes);
  } else if constexpr (std::is_same_v<T, SnapshotEnd>) {
    f(m.ballot);
  } else if constexpr (std::is_same_v<T, SnapshotTaken>) {
    f(m.ballot), f(m.slot), f(m.ok);
  } else if constexpr (std::is_same_v<T, RepairAsk>) {
    f(m.first), f(m.through), f(m.snapshot);
  } else if constexpr (std::is_same_v<T, RepairGive>) {
    f(m.first), f(m.before), f(m.chosen), f(m.log_first), f(m.snapshot), f(m.entries);
  } else if constexpr (std::is_same_v<T, SnapshotFrom>) {
    f(m.ballot), f(m.slot), f(m.offset);
  } else if constexpr (std::is_same_v<T, SlotDigest>) {
    f(m.slot), f(m.digest);
  } else if constexpr (std::is_same_v<T, DigestsSaid>) {
    f(m.version), f(m.digests);
  } else if constexpr (std::is_same_v<T, Introduction>) {
    f(m.address);
  } else if constexpr (std::is_same_v<T, ChangeAsk>) {
    f(m.command);
  } else if constexpr (std::is_same_v<T, Reach>) {
    f(m.nodes);
  } else if constexpr (std::is_same_v<T, Relayed>) {
    f(m.from), f(m.to), f(m.path), f(m.payload);
  } else if constexpr (std::is_same_v<T, RelayOpen> || std::is_same_v<T, RelayBroken>) {
    f(m.from), f(m.to), f(m.path);
  } else if constexpr (std::is_same_v<T, Hello>) {
    f(m.from), f(m.to), f(m.cluster), f(m.incarnation), f(m.rules), f(m.refusal);
  } else {
    static_assert(std::is_same_v<T, ForwardDropped> || std::is_same_v<T, Ping> ||
                  std::is_same_v<T, Pong>);
  }
}

template <typename M>
constexpr FrameType type_of() {
  if constexpr (std::is_same_v<M, Hello>) {
    return FrameType::hello;
  } else if constexpr (std::is_same_v<M, Ping>) {
    return FrameType::ping;
  } else if constexpr (std::is_same_v<M, Pong>) {
    return FrameType::pong;
  } else if constexpr (std::is_same_v<M, Forward>) {
    return FrameType::forward;
  } else if constexpr (std::is_same_v<M, ForwardDropped>) {
    return FrameType::forward_dropped;
  } else if constexpr (std::is_same_v<M, SyncAsk>) {
    return FrameType::sync_ask;
  } else if constexpr (std::is_same_v<M, SyncAnswer>) {
    return FrameType::sync_answer;
  } else if constexpr (std::is_same_v<M, Touched>) {
    return FrameType::touched;
  } else if constexpr (std::is_same_v<M, SnapshotBegin>) {
    return FrameType::snapshot_begin;
  } else if constexpr (std::is_same_v<M, SnapshotPart>) {
    return FrameType::snapshot_part;
  } else if constexpr (std::is_same_v<M, SnapshotTaken>) {
    return FrameType::snapshot_taken;
  } else if constexpr (std::is_same_v<M, RepairAsk>) {
    return FrameType::repair_ask;
  } else if constexpr (std::is_same_v<M, RepairGive>) {
    return FrameType::repair_give;
  } else if constexpr (std::is_same_v<M, DigestsSaid>) {
    return FrameType::digests_said;
  } else if constexpr (std::is_same_v<M, SnapshotFrom>) {
    return FrameType::snapshot_from;
  } else if constexpr (std::is_same_v<M, Introduction>) {
    return FrameType::introduction;
  } else if constexpr (std::is_same_v<M, ChangeAsk>) {
    return FrameType::change_ask;
  } else if constexpr (std::is_same_v<M, Reach>) {
    return FrameType::reach;
  } else if constexpr (std::is_same_v<M, RelayOpen>) {
    return FrameType::relay_open;
  } else if constexpr (std::is_same_v<M, Relayed>) {
    return FrameType::relayed;
  } else if constexpr (std::is_same_v<M, RelayBroken>) {
    return FrameType::relay_broken;
  } else {
    static_assert(std::is_same_v<M, SnapshotEnd>);
    return FrameType::snapshot_end;
  }
}

struct PayloadWriter {
  Writer w;

  void operator()(const PeerMessage& message) { std::visit(*this, message); }
  void operator()(const paxos::Message& message) {
    w.out.u8(static_cast<std::uint8_t>(static_cast<std::size_t>(FrameType::consensus) +
                                       message.index()));
    std::visit([this](const auto& m) { paxos::each_field(m, w); }, message);
  }
  template <typename M>
  void operator()(const M& m) {
    w.out.u8(static_cast<std::uint8_t>(type_of<M>()));
    if constexpr (std::is_same_v<M, Hello>) {
      w.out.u32(hello_magic);
      w.out.u16(m.format);
    }
    own_fields(m, w);
  }
};

template <typename M>
Result<Frame> finish(ByteReader& in, M&& m) {
  if (!in.done()) {
    return Error{ErrorCode::malformed, "peer frame: short or too long for its type"};
  }
  if constexpr (std::is_same_v<std::decay_t<M>, Hello> || std::is_same_v<std::decay_t<M>, Ping> ||
                std::is_same_v<std::decay_t<M>, Pong>) {
    return Frame(std::forward<M>(m));
  } else {
    return Frame(PeerMessage(std::forward<M>(m)));
  }
}

template <typename M>
Result<Frame> decode_own(ByteReader& in) {
  M m;
  if constexpr (std::is_same_v<M, Hello>) {
    if (in.u32() != hello_magic) {
      return Error{ErrorCode::malformed, "peer frame: no hello of ours"};
    }
    m.format = in.u16();
  }
  Reader reader{in};
  own_fields(m, reader);
  return finish(in, std::move(m));
}

template <std::size_t I = 0>
Result<Frame> decode_consensus(ByteReader& in, std::size_t index) {
  if constexpr (I < std::variant_size_v<paxos::Message>) {
    if (index != I) {
      return decode_consensus<I + 1>(in, index);
    }
    std::variant_alternative_t<I, paxos::Message> m;
    Reader reader{in};
    paxos::each_field(m, reader);
    if constexpr (std::is_same_v<decltype(m), paxos::Accept>) {
      m.entries.empty() ? in.fail() : void();
    }
    return finish(in, paxos::Message(std::move(m)));
  } else {
    return Error{ErrorCode::malformed, "peer frame: unknown type"};
  }
}

}  // namespace

std::uint16_t format_of(const PeerMessage& message) {
  if (std::holds_alternative<Reach>(message) || std::holds_alternative<RelayOpen>(message) ||
      std::holds_alternative<Relayed>(message) || std::holds_alternative<RelayBroken>(message)) {
    return format_of_relays;
  }
  if (std::holds_alternative<Introduction>(message) || std::holds_alternative<ChangeAsk>(message)) {
    return format_of_changes;
  }
  const auto* consensus = std::get_if<paxos::Message>(&message);
  if (consensus != nullptr && std::holds_alternative<paxos::LeaseGranted>(*consensus)) {
    return format_of_leases;
  }
  const bool second =
      std::holds_alternative<DigestsSaid>(message) || std::holds_alternative<SnapshotFrom>(message);
  return second ? 2 : 1;
}

Bytes encode_payload(const PeerMessage& message) {
  PayloadWriter payload;
  payload(message);
  return payload.w.out.take();
}

Bytes encode_frame(const Frame& frame) {
  PayloadWriter payload;
  std::visit(payload, frame);
  const Bytes body = payload.w.out.take();
  ByteWriter out;
  out.u32(static_cast<std::uint32_t>(body.size()));
  out.u32(crc32c(0, body));
  out.raw(body);
  return out.take();
}

Result<Frame> decode_payload(ByteView payload) {
  ByteReader in(payload);
  const std::uint8_t type = in.u8();
  switch (static_cast<FrameType>(type)) {
    case FrameType::hello: return decode_own<Hello>(in);
    case FrameType::ping: return decode_own<Ping>(in);
    case FrameType::pong: return decode_own<Pong>(in);
    case FrameType::forward: return decode_own<Forward>(in);
    case FrameType::forward_dropped: return decode_own<ForwardDropped>(in);
    case FrameType::sync_ask: return decode_own<SyncAsk>(in);
    case FrameType::sync_answer: return decode_own<SyncAnswer>(in);
    case FrameType::touched: return decode_own<Touched>(in);
    case FrameType::snapshot_begin: return decode_own<SnapshotBegin>(in);
    case FrameType::snapshot_part: return decode_own<SnapshotPart>(in);
    case FrameType::snapshot_end: return decode_own<SnapshotEnd>(in);
    case FrameType::snapshot_taken: return decode_own<SnapshotTaken>(in);
    case FrameType::repair_ask: return decode_own<RepairAsk>(in);
    case FrameType::repair_give: return decode_own<RepairGive>(in);
    case FrameType::digests_said: return decode_own<DigestsSaid>(in);
    case FrameType::snapshot_from: return decode_own<SnapshotFrom>(in);
    case FrameType::introduction: return decode_own<Introduction>(in);
    case FrameType::change_ask: return decode_own<ChangeAsk>(in);
    case FrameType::reach: return decode_own<Reach>(in);
    case FrameType::relay_open: return decode_own<RelayOpen>(in);
    case FrameType::relayed: return decode_own<Relayed>(in);
    case FrameType::relay_broken: return decode_own<RelayBroken>(in);
    case FrameType::consensus: break;
  }
  constexpr auto first = static_cast<std::uint8_t>(FrameType::consensus);
  if (type < first) {
    return Error{ErrorCode::malformed, "peer frame: unknown type"};
  }
  return decode_consensus(in, static_cast<std::size_t>(type - first));
}

void FrameReader::feed(ByteView bytes) {
  buffer_.erase(0, at_);
  at_ = 0;
  buffer_.append(bytes);
}

Result<ByteView> FrameReader::next() {
  const ByteView rest = ByteView(buffer_).substr(at_);
  if (rest.size() < header_size_bytes) {
    return ByteView{};
  }
  ByteReader in(rest);
  const std::uint32_t size = in.u32();
  const std::uint32_t crc = in.u32();
  if (size == 0 || size > limits::peer_frame_size_bytes_max) {
    return Error{ErrorCode::too_large, "peer frame: impossible length"};
  }
  if (rest.size() - header_size_bytes < size) {
    return ByteView{};
  }
  const ByteView payload = rest.substr(header_size_bytes, size);
  if (crc32c(0, payload) != crc) {
    return Error{ErrorCode::malformed, "peer frame: bad checksum"};
  }
  at_ += header_size_bytes + size;
  return payload;
}

}  // namespace synod::coordinator::peer
