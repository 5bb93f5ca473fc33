// What clients may ask of a State: pure functions that end in a code and a reply.
//
// Nothing here walks the tree: the cost is that of the path and of the answer.
//
// Source   Apache ZooKeeper 3.9.5, FinalRequestProcessor.
// Threads  The caller holds ports::Gate for reading if State changes on another Lane.
#pragma once

#include <string>
#include <vector>

#include "znode/state.h"

namespace synod::znode {

struct ReadResult {
  zkwire::Code code = zkwire::Code::ok;
  zkwire::Reply reply;  // EmptyReply unless code is ok
};

struct Reader {
  const Identities& identities;
  const Switches& switches;
};

// What getData answers, without a copy: `data` lives until the state changes.
struct DataView {
  zkwire::Code code = zkwire::Code::ok;
  std::optional<ByteView> data;
  zkwire::Stat stat;
};
DataView view_data(const State& state, std::string_view path, const Reader& reader);

// no_node still registers the caller's data watch.
ReadResult read_exists(const State& state, const std::string& path, const Reader& reader);
ReadResult read_data(const State& state, const std::string& path, const Reader& reader);
ReadResult read_acl(const State& state, const std::string& path, const Reader& reader);
// ChildrenReply.
ReadResult read_children(const State& state, const std::string& path, const Reader& reader);
// ChildrenStatReply.
ReadResult read_children2(const State& state, const std::string& path, const Reader& reader);
ReadResult read_all_children_number(const State& state, const std::string& path,
                                    const Reader& reader);
ReadResult read_ephemerals(const State& state, SessionId session, const std::string& prefix);
ReadResult read_multi(const State& state, const zkwire::MultiReadRequest& request,
                      const Reader& reader);

}  // namespace synod::znode
