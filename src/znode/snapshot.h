// The bytes of a State, in canonical order, while it goes on changing. Private to znode.
//
// Records: header, sessions by id, nodes in canonical order, trailer (docs/formats/
// snapshot_state.md). The cursor is told of every change before it is made and keeps the old form
// of what it has not passed yet (a pre-image), so that the bytes are those of the moment when the
// walk began, and equal on every replica.
//
// Memory  The pre-images of what changes during the walk, until they are passed.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "znode/state.h"

namespace synod::znode {

// Frozen: the first byte of a record.
enum class RecordTag : std::uint8_t { header = 1, session = 2, node = 3, trailer = 4 };

inline constexpr std::uint32_t snapshot_format = 1;

Bytes encode_session_record(SessionId id, const Session& session);
Bytes encode_node_record(std::string_view path, const Node& node, const zkwire::AclList& acl);

class SnapshotCursor final : public TreeObserver {
 public:
  // `header` and `trailer` are the state's at this moment.
  SnapshotCursor(const Tree& tree, Bytes header, Bytes trailer)
      : tree_(&tree), header_(std::move(header)), trailer_(std::move(trailer)) {}

  void before_change(std::string_view path, const Node* node) override;
  void before_session(SessionId id, const Session* session);
  // The state was moved: its tree is elsewhere.
  void follow(const Tree& tree) { tree_ = &tree; }

  Bytes next_slice(const std::map<SessionId, Session>& sessions, std::size_t size_max);

 private:
  enum class Phase { header, sessions, nodes, trailer, done };

  void put(ByteView record);
  void give_sessions(const std::map<SessionId, Session>& sessions, std::size_t size_max);
  void give_nodes(std::size_t size_max);

  const Tree* tree_;
  Bytes header_;
  Bytes trailer_;
  ByteWriter out_;
  Phase phase_ = Phase::header;
  std::optional<SessionId> last_session_;  // given already, as all before it
  std::optional<std::string> last_path_;
  // nullopt: it did not exist when the walk began.
  std::map<SessionId, std::optional<Bytes>> old_sessions_;
  std::map<std::string, std::optional<Bytes>, PathLess> old_nodes_;
};

}  // namespace synod::znode
