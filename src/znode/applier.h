// One command on its way through State::apply. Private to znode.
//
// Rules of the log (sequences, generations, sessions) are in applier.cc; the operations of clients
// with their order of checks are in operations.cc.
//
// Purity  Changes its State only.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "base/unique_function.h"
#include "znode/state.h"

namespace synod::znode {

class Applier {
 public:
  Applier(State& state, const BatchHeader& header, const Command& command)
      : state_(state), header_(header), command_(command) {}

  Effects run();

 private:
  using Code = zkwire::Code;

  // --- the log's rules
  void sequenced();
  void perform();
  void create_session(const CreateSession& request);
  void attach_session(const AttachSession& request);
  void expire_session(const ExpireSession& request);
  void delete_container(const DeleteContainer& request);
  void update_settings(const UpdateSettings& request);
  void write_config(const ConfigWrite& write);
  void open_epoch();
  void end_session(SessionEffect::Kind kind);
  void take_zxid();
  template <typename Edit>
  void edit_session(SessionId id, Edit edit);

  // --- operations: the code of the first check that fails, and `result` filled if none does
  Code write(const ClientWrite& write);
  Code multi(const zkwire::MultiRequest& request, zkwire::MultiReply& reply);
  Code part(const zkwire::MultiPart& part, zkwire::MultiResult& result);
  Code create(zkwire::OpCode op, const zkwire::CreateRequest& request, zkwire::MultiResult& result);
  Code check_create_mode(zkwire::OpCode op, const zkwire::CreateRequest& request) const;
  Code remove(const zkwire::PathVersionRequest& request);
  Code set_data(const zkwire::SetDataRequest& request, zkwire::MultiResult& result);
  Code set_acl(const zkwire::SetAclRequest& request, zkwire::MultiResult& result);
  Code check(const zkwire::PathVersionRequest& request) const;

  bool may(const Node& node, std::int32_t wanted) const;
  void insert_node(const std::string& path, const NewNode& node, const zkwire::AclList& acl);
  void remove_node(const std::string& path);
  void trigger(zkwire::EventType type, std::string_view path, const AclRef& acl);
  void roll_back();

  State& state_;
  const BatchHeader& header_;
  const Command& command_;
  Effects effects_;
  std::int64_t zxid_ = 0;

  bool undoable_ = false;  // inside a multi
  std::vector<UniqueFunction<void()>> undo_;
  std::deque<Tree::Handle> removed_;  // nodes taken out by the multi under way
};

template <typename Edit>
void Applier::edit_session(SessionId id, Edit edit) {
  Session& session = state_.sessions_.find(id)->second;
  state_.before_session(id, &session);
  state_.session_digest_ -= State::session_digest(id, session);
  edit(session);
  state_.session_digest_ += State::session_digest(id, session);
}

}  // namespace synod::znode
