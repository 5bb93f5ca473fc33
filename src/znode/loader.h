// Builds a State from the bytes of a snapshot, piece by piece.
//
// Errors  Total: bytes that no State could have written end in Error{malformed} or {corrupt}, and
//         nothing is left behind. The digest in the trailer must agree.
// Memory  The state under construction, and at most one record that is not whole yet.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "znode/state.h"

namespace synod::znode {

class Loader {
 public:
  explicit Loader(State::Options options);

  // Pieces may be cut anywhere. After an error only destruction is left.
  Status feed(ByteView bytes);
  // Once, after the last piece.
  Result<State> finish();

 private:
  struct Level {
    Node* node;
    std::size_t path_size;  // 0 for the root
  };

  Status record(ByteView bytes);
  Status header(ByteReader& in);
  Status session(ByteReader& in);
  Status node(ByteReader& in);
  Status place(const std::string& path, const NewNode& node, const zkwire::AclList& acl);
  Status trailer(ByteReader& in);

  State state_;
  Bytes waiting_;
  std::vector<Level> levels_;  // from the root to the node that came last
  std::string last_path_;
  bool header_seen_ = false;
  bool trailer_seen_ = false;
};

}  // namespace synod::znode
