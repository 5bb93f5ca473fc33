#include "znode/loader.h"

#include "znode/snapshot.h"

namespace synod::znode {
namespace {

constexpr std::size_t acl_entry_size_min = 12;
constexpr std::uint8_t node_flags = 3;  // null data, an access list of its own
// A record holds one node: far less than this, but for damage.
constexpr std::uint32_t record_size_max = 64U << 20;

Error malformed(const char* what) {
  return {ErrorCode::malformed, std::string("snapshot: ") + what};
}

}  // namespace

Loader::Loader(State::Options options) : state_(options) {
  // The initial tree is replaced, not added to.
  state_.tree_ = Tree();
  state_.session_digest_ = 0;
}

Status Loader::feed(ByteView bytes) {
  waiting_.append(bytes);
  std::size_t start = 0;
  for (;;) {
    ByteReader in(ByteView(waiting_).substr(start));
    const std::uint32_t size = in.u32();
    if (!in.ok()) {
      break;
    }
    if (size > record_size_max) {
      return malformed("a record is too long");
    }
    const ByteView body = in.raw(size);
    if (!in.ok()) {
      break;
    }
    SYNOD_TRY(record(body));
    start += sizeof(size) + size;
  }
  waiting_.erase(0, start);
  return {};
}

Status Loader::record(ByteView bytes) {
  ByteReader in(bytes);
  const auto tag = static_cast<RecordTag>(in.u8());
  if (trailer_seen_ || header_seen_ == (tag == RecordTag::header)) {
    return malformed("a record is out of place");
  }
  switch (tag) {
    case RecordTag::header: return header(in);
    case RecordTag::session: return session(in);
    case RecordTag::node: return node(in);
    case RecordTag::trailer: return trailer(in);
  }
  return malformed("unknown record");
}

Status Loader::header(ByteReader& in) {
  header_seen_ = true;
  if (in.u32() != snapshot_format) {
    return malformed("unknown format");
  }
  state_.last_zxid_ = Zxid(in.i64());
  for (std::uint32_t n = in.u32(); n > 0 && in.ok(); --n) {
    const std::uint32_t minter = in.u32();
    state_.raise_minter(minter, in.i64());
  }
  for (std::uint32_t n = in.u32(); n > 0 && in.ok(); --n) {
    std::string key(in.sized());
    state_.settings_[std::move(key)] = std::string(in.sized());
  }
  return in.done() ? Status() : malformed("header");
}

Status Loader::session(ByteReader& in) {
  const SessionId id(in.i64());
  Session session;
  session.generation = Generation(in.u32());
  session.next_sequence = Sequence(in.u64());
  session.timeout_ms = in.i32();
  session.password = Bytes(in.sized());
  session.nonce = in.u64();
  if (state_.options_.planted == PlantedBug::restore_forgets_sequence) {
    session.next_sequence = Sequence(1);
  }
  const bool in_order =
      levels_.empty() && (state_.sessions_.empty() || state_.sessions_.rbegin()->first < id);
  if (!in.done() || !in_order) {
    return malformed("session");
  }
  state_.session_digest_ += State::session_digest(id, session);
  state_.sessions_.emplace_hint(state_.sessions_.end(), id, std::move(session));
  return {};
}

Status Loader::node(ByteReader& in) {
  const std::string path(in.sized());
  const std::uint8_t flags = in.u8();
  NewNode node;
  node.czxid = in.i64();
  node.mzxid = in.i64();
  node.pzxid = in.i64();
  node.ctime = in.i64();
  node.mtime = in.i64();
  node.owner = in.i64();
  node.version = in.i32();
  node.cversion = in.i32();
  node.aversion = in.i32();
  if (state_.options_.planted == PlantedBug::counters_reset_on_restore) {
    node.cversion = 0;
  }
  const bool null = (flags & 1) != 0;
  const ByteView data = in.sized();
  node.data = null ? std::nullopt : zkwire::Buffer(Bytes(data));
  zkwire::AclList acl;
  if ((flags & 2) != 0) {
    const std::uint32_t count = in.u32();
    if (count > in.remaining() / acl_entry_size_min) {
      return malformed("access list");
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      zkwire::Acl entry;
      entry.perms = in.i32();
      entry.id.scheme = std::string(in.sized());
      entry.id.id = std::string(in.sized());
      acl.push_back(std::move(entry));
    }
  } else {
    acl = zkwire::open_acl();
  }
  if (!in.done() || (flags & ~node_flags) != 0 || (null && !data.empty())) {
    return malformed("node");
  }
  return place(path, node, acl);
}

Status Loader::place(const std::string& path, const NewNode& node, const zkwire::AclList& acl) {
  if (levels_.empty()) {
    if (path != "/") {
      return malformed("the root is not the first node");
    }
    levels_.push_back({&state_.tree_.replace_root(node, acl), 0});
    return {};
  }
  if (!path_valid(path) || path == "/" || (levels_.size() > 1 && !path_less(last_path_, path))) {
    return malformed("a path is invalid or out of order");
  }
  const std::size_t parent_size = path.rfind('/');
  while (levels_.back().path_size > parent_size) {
    levels_.pop_back();
  }
  const Level parent = levels_.back();
  if (parent.path_size != parent_size ||
      last_path_.compare(0, parent_size, path, 0, parent_size) != 0) {
    return malformed("a node without its parent");
  }
  if (parent.node->is_ephemeral()) {
    return malformed("a node below an ephemeral one");
  }
  if (is_session(node.owner)) {
    const auto owner = state_.sessions_.find(SessionId(node.owner));
    if (owner == state_.sessions_.end()) {
      return malformed("an ephemeral node without its session");
    }
    owner->second.ephemerals.emplace_hint(owner->second.ephemerals.end(), path);
    ++state_.ephemerals_;
  }
  for (const Level& level : levels_) {
    ++level.node->below().descendants;
  }
  levels_.push_back({&state_.tree_.append(*parent.node, path, node, acl), path.size()});
  last_path_ = path;
  return {};
}

Status Loader::trailer(ByteReader& in) {
  trailer_seen_ = true;
  const std::uint64_t nodes = in.u64();
  const std::uint64_t sessions = in.u64();
  const std::uint64_t digest = in.u64();
  const bool damages = state_.options_.planted == PlantedBug::restore_forgets_sequence ||
                       state_.options_.planted == PlantedBug::counters_reset_on_restore;
  if (!in.done() || levels_.empty()) {
    return malformed("trailer");
  }
  if (nodes != state_.tree_.nodes() || sessions != state_.sessions_.size() ||
      (digest != state_.digest() && !damages)) {
    return Error{ErrorCode::corrupt, "snapshot: its digest does not agree with its content"};
  }
  return {};
}

Result<State> Loader::finish() {
  if (!trailer_seen_ || !waiting_.empty()) {
    return malformed("it ends too early");
  }
  return std::move(state_);
}

}  // namespace synod::znode
