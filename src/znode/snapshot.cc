#include "znode/snapshot.h"

#include "znode/walk.h"

namespace synod::znode {
namespace {

constexpr std::uint8_t flag_null_data = 1;
constexpr std::uint8_t flag_other_acl = 2;  // the list follows; otherwise the open one

}  // namespace

Bytes encode_session_record(SessionId id, const Session& session) {
  ByteWriter out;
  out.u8(static_cast<std::uint8_t>(RecordTag::session));
  out.i64(id.value());
  out.u32(session.generation.value());
  out.u64(session.next_sequence.value());
  out.i32(session.timeout_ms);
  out.sized(session.password);
  out.u64(session.nonce);
  return out.take();
}

Bytes encode_node_record(std::string_view path, const Node& node, const zkwire::AclList& acl) {
  const bool other_acl = node.acl != 0;
  ByteWriter out;
  out.u8(static_cast<std::uint8_t>(RecordTag::node));
  out.sized(path);
  out.u8(static_cast<std::uint8_t>((node.data_null() ? flag_null_data : 0) |
                                   (other_acl ? flag_other_acl : 0)));
  out.i64(node.czxid);
  out.i64(node.mzxid);
  out.i64(node.pzxid());
  out.i64(node.ctime);
  out.i64(node.mtime);
  out.i64(node.owner);
  out.i32(node.version);
  out.i32(node.cversion());
  out.i32(node.aversion());
  out.sized(node.data());
  if (other_acl) {
    out.u32(static_cast<std::uint32_t>(acl.size()));
    for (const zkwire::Acl& entry : acl) {
      out.i32(entry.perms);
      out.sized(entry.id.scheme);
      out.sized(entry.id.id);
    }
  }
  return out.take();
}

void SnapshotCursor::before_change(std::string_view path, const Node* node) {
  const bool passed =
      phase_ > Phase::nodes || (last_path_.has_value() && !path_less(*last_path_, path));
  if (passed || old_nodes_.find(path) != old_nodes_.end()) {
    return;
  }
  old_nodes_.emplace(std::string(path), node == nullptr ? std::nullopt
                                                        : std::optional<Bytes>(encode_node_record(
                                                              path, *node, *tree_->acl_of(*node))));
}

void SnapshotCursor::before_session(SessionId id, const Session* session) {
  const bool passed =
      phase_ > Phase::sessions || (last_session_.has_value() && id <= *last_session_);
  if (passed || old_sessions_.find(id) != old_sessions_.end()) {
    return;
  }
  old_sessions_.emplace(id, session == nullptr
                                ? std::nullopt
                                : std::optional<Bytes>(encode_session_record(id, *session)));
}

void SnapshotCursor::put(ByteView record) { out_.sized(record); }

Bytes SnapshotCursor::next_slice(const std::map<SessionId, Session>& sessions,
                                 std::size_t size_max) {
  if (phase_ == Phase::header) {
    put(header_);
    phase_ = Phase::sessions;
  }
  if (phase_ == Phase::sessions) {
    give_sessions(sessions, size_max);
  }
  if (phase_ == Phase::nodes && out_.size() < size_max) {
    give_nodes(size_max);
  }
  if (phase_ == Phase::trailer && out_.size() < size_max) {
    put(trailer_);
    phase_ = Phase::done;
  }
  return out_.take();
}

// Merges the sessions that are with those that were.
void SnapshotCursor::give_sessions(const std::map<SessionId, Session>& sessions,
                                   std::size_t size_max) {
  auto live = last_session_.has_value() ? sessions.upper_bound(*last_session_) : sessions.begin();
  while (out_.size() < size_max) {
    const auto old = old_sessions_.begin();
    const bool old_first =
        old != old_sessions_.end() && (live == sessions.end() || old->first <= live->first);
    if (old_first) {
      if (live != sessions.end() && live->first == old->first) {
        ++live;
      }
      if (old->second.has_value()) {
        put(*old->second);
      }
      last_session_ = old->first;
      old_sessions_.erase(old);
    } else if (live != sessions.end()) {
      put(encode_session_record(live->first, live->second));
      last_session_ = live->first;
      ++live;
    } else {
      phase_ = Phase::nodes;
      return;
    }
  }
}

void SnapshotCursor::give_nodes(std::size_t size_max) {
  TreeWalk walk = last_path_.has_value() ? TreeWalk(*tree_, *last_path_) : TreeWalk(*tree_);
  const Node* live = walk.next();
  while (out_.size() < size_max) {
    const auto old = old_nodes_.begin();
    const bool old_first =
        old != old_nodes_.end() && (live == nullptr || !path_less(walk.path(), old->first));
    if (old_first) {
      if (live != nullptr && walk.path() == old->first) {
        live = walk.next();
      }
      if (old->second.has_value()) {
        put(*old->second);
      }
      last_path_ = old->first;
      old_nodes_.erase(old);
    } else if (live != nullptr) {
      put(encode_node_record(walk.path(), *live, *tree_->acl_of(*live)));
      last_path_ = walk.path();
      live = walk.next();
    } else {
      phase_ = Phase::trailer;
      return;
    }
  }
}

}  // namespace synod::znode
