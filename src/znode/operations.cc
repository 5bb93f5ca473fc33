// The operations of clients, each with ZooKeeper's order of checks: the first that fails wins.
//
// Source  Apache ZooKeeper 3.9.5, PrepRequestProcessor and DataTree.
#include <fmt/format.h>

#include <limits>

#include "base/check.h"
#include "znode/applier.h"

namespace synod::znode {
namespace {

namespace create_flag = zkwire::create_flag;

bool is_special(std::string_view path) {
  return path == "/" || path == "/zookeeper" || path == "/zookeeper/quota" ||
         path == "/zookeeper/config";
}

bool has_nul(std::string_view path) { return path.find('\0') != std::string_view::npos; }

bool is_ttl_mode(std::int32_t flags) {
  return flags == create_flag::persistent_with_ttl ||
         flags == create_flag::persistent_sequential_with_ttl;
}

bool is_sequential(std::int32_t flags) {
  return flags == create_flag::persistent_sequential ||
         flags == create_flag::ephemeral_sequential ||
         flags == create_flag::persistent_sequential_with_ttl;
}

bool is_ephemeral_mode(std::int32_t flags) {
  return flags == create_flag::ephemeral || flags == create_flag::ephemeral_sequential;
}

bool version_fits(std::int32_t wanted, std::int32_t current) {
  return wanted == -1 || wanted == current;
}

std::int32_t next_version(std::int32_t version) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(version) + 1);
}

}  // namespace

bool Applier::may(const Node& node, std::int32_t wanted) const {
  return permits(*state_.tree_.acl_of(node), wanted, command_.identities, header_.switches);
}

void Applier::trigger(zkwire::EventType type, std::string_view path, const AclRef& acl) {
  effects_.triggers.push_back({type, std::string(path), acl});
}

zkwire::Code Applier::write(const ClientWrite& write) {
  zkwire::MultiResult result;
  zkwire::Reply& reply = effects_.outcome.reply;
  Code code = Code::ok;
  switch (write.op) {
    case zkwire::OpCode::create:
      code = create(write.op, std::get<zkwire::CreateRequest>(write.request), result);
      reply = zkwire::PathReply{result.path};
      break;
    case zkwire::OpCode::create2:
    case zkwire::OpCode::create_container:
    case zkwire::OpCode::create_ttl:
      code = create(write.op, std::get<zkwire::CreateRequest>(write.request), result);
      reply = zkwire::PathStatReply{result.path, result.stat};
      break;
    case zkwire::OpCode::remove:
      code = remove(std::get<zkwire::PathVersionRequest>(write.request));
      break;
    case zkwire::OpCode::set_data:
      code = set_data(std::get<zkwire::SetDataRequest>(write.request), result);
      reply = zkwire::StatReply{result.stat};
      break;
    case zkwire::OpCode::set_acl:
      code = set_acl(std::get<zkwire::SetAclRequest>(write.request), result);
      reply = zkwire::StatReply{result.stat};
      break;
    case zkwire::OpCode::multi: {
      zkwire::MultiReply results;
      code = multi(std::get<zkwire::MultiRequest>(write.request), results);
      reply = std::move(results);
      break;
    }
    default: return Code::unimplemented;
  }
  if (code != Code::ok) {
    reply = zkwire::EmptyReply{};
  }
  return code;
}

zkwire::Code Applier::multi(const zkwire::MultiRequest& request, zkwire::MultiReply& reply) {
  undoable_ = true;
  std::size_t failed = request.parts.size();
  for (std::size_t i = 0; i < request.parts.size(); ++i) {
    zkwire::MultiResult result;
    result.code = part(request.parts[i], result);
    if (result.code != Code::ok) {
      result.type = zkwire::OpCode::error;
      failed = i;
    }
    reply.results.push_back(std::move(result));
    if (failed == i) {
      break;
    }
  }
  undoable_ = false;
  if (failed == request.parts.size()) {
    for (Tree::Handle& handle : removed_) {
      state_.tree_.discard(std::move(handle));
    }
    return Code::ok;
  }
  if (state_.options_.planted != PlantedBug::multi_not_atomic) {
    roll_back();
  }
  effects_.triggers.clear();
  // What came before has code 0, what came after was not tried: the outer code stays 0.
  for (std::size_t i = 0; i < failed; ++i) {
    reply.results[i] = zkwire::MultiResult{};
  }
  zkwire::MultiResult untried;
  untried.code = Code::runtime_inconsistency;
  reply.results.resize(request.parts.size(), untried);
  return Code::ok;
}

zkwire::Code Applier::part(const zkwire::MultiPart& part, zkwire::MultiResult& result) {
  result.type = part.type;
  switch (part.type) {
    case zkwire::OpCode::create:
      return create(part.type, std::get<zkwire::CreateRequest>(part.request), result);
    case zkwire::OpCode::create2:
    case zkwire::OpCode::create_container:
    case zkwire::OpCode::create_ttl:
      result.type = zkwire::OpCode::create2;
      return create(part.type, std::get<zkwire::CreateRequest>(part.request), result);
    case zkwire::OpCode::remove: return remove(std::get<zkwire::PathVersionRequest>(part.request));
    case zkwire::OpCode::set_data:
      return set_data(std::get<zkwire::SetDataRequest>(part.request), result);
    case zkwire::OpCode::check: return check(std::get<zkwire::PathVersionRequest>(part.request));
    default: SYNOD_UNREACHABLE("a multi part that does not decode");
  }
}

void Applier::roll_back() {
  while (!undo_.empty()) {
    undo_.back()();
    undo_.pop_back();
  }
}

zkwire::Code Applier::check_create_mode(zkwire::OpCode op,
                                        const zkwire::CreateRequest& request) const {
  if (request.flags < create_flag::persistent ||
      request.flags > create_flag::persistent_sequential_with_ttl) {
    return Code::bad_arguments;
  }
  if (op == zkwire::OpCode::create_container) {
    return Code::ok;
  }
  if (!is_ttl_mode(request.flags)) {
    return op == zkwire::OpCode::create_ttl ? Code::bad_arguments : Code::ok;
  }
  if (!header_.switches.extended_types) {
    return Code::unimplemented;
  }
  return op == zkwire::OpCode::create_ttl && request.ttl_ms > 0 && request.ttl_ms <= ttl_ms_max
             ? Code::ok
             : Code::bad_arguments;
}

zkwire::Code Applier::create(zkwire::OpCode op, const zkwire::CreateRequest& request,
                             zkwire::MultiResult& result) {
  const Code mode = check_create_mode(op, request);
  if (mode != Code::ok) {
    return mode;
  }
  if (request.path.find('/') == std::string::npos || has_nul(request.path)) {
    return Code::bad_arguments;
  }
  const auto acl = fix_acl(request.acl, command_.identities, header_.switches);
  if (!acl.has_value()) {
    return Code::invalid_acl;
  }
  const Node* parent = state_.tree_.find(parent_path(request.path));
  if (parent == nullptr) {
    return Code::no_node;
  }
  if (!may(*parent, zkwire::perm::create)) {
    return Code::no_auth;
  }
  std::string path = request.path;
  if (is_sequential(request.flags)) {
    path += fmt::format("{:010d}", parent->cversion());
  }
  if (!path_valid(path)) {
    return Code::bad_arguments;
  }
  if (state_.tree_.find(path) != nullptr) {
    return Code::node_exists;
  }
  if (parent->is_ephemeral()) {
    return Code::no_children_for_ephemerals;
  }
  NewNode node;
  node.data = request.data;
  node.czxid = node.mzxid = node.pzxid = zxid_;
  node.ctime = node.mtime = header_.time.millis;
  if (op == zkwire::OpCode::create_container) {
    node.owner = owner_container;
  } else if (op == zkwire::OpCode::create_ttl) {
    node.owner = owner_of_ttl(request.ttl_ms);
  } else if (is_ephemeral_mode(request.flags)) {
    node.owner = command_.session.value();
  }
  insert_node(path, node, *acl);
  result.path = path;
  result.stat = state_.tree_.find(path)->stat();
  return Code::ok;
}

void Applier::insert_node(const std::string& path, const NewNode& node,
                          const zkwire::AclList& acl) {
  Tree& tree = state_.tree_;
  const std::string parent(parent_path(path));
  const bool ephemeral = is_session(node.owner);
  tree.insert(path, node, acl);
  if (ephemeral) {
    state_.sessions_.find(command_.session)->second.ephemerals.insert(path);
    ++state_.ephemerals_;
  }
  const Node* parent_node = tree.find(parent);
  const std::int32_t old_cversion = parent_node->cversion();
  const std::int64_t old_pzxid = parent_node->pzxid();
  // The last number sticks, as ZooKeeper's replay guard makes it.
  if (old_cversion != std::numeric_limits<std::int32_t>::max()) {
    tree.edit(parent, [this](Node& n) {
      ++n.below().cversion;
      n.below().pzxid = zxid_;
    });
  }
  trigger(zkwire::EventType::node_created, path, tree.acl_of(*tree.find(path)));
  trigger(zkwire::EventType::node_children_changed, parent, tree.acl_of(*parent_node));
  if (undoable_) {
    undo_.emplace_back([this, path, parent, ephemeral, old_cversion, old_pzxid] {
      Tree& t = state_.tree_;
      t.discard(t.extract(path));
      if (ephemeral) {
        state_.sessions_.find(command_.session)->second.ephemerals.erase(path);
        --state_.ephemerals_;
      }
      t.edit(parent, [old_cversion, old_pzxid](Node& n) {
        n.below().cversion = old_cversion;
        n.below().pzxid = old_pzxid;
      });
    });
  }
}

zkwire::Code Applier::remove(const zkwire::PathVersionRequest& request) {
  const std::string& path = request.path;
  if (path.find('/') == std::string::npos || has_nul(path) || is_special(path)) {
    return Code::bad_arguments;
  }
  const Node* parent = state_.tree_.find(parent_path(path));
  if (parent == nullptr) {
    return Code::no_node;
  }
  if (!may(*parent, zkwire::perm::remove)) {
    return Code::no_auth;
  }
  const Node* node = state_.tree_.find(path);
  if (node == nullptr) {
    return Code::no_node;
  }
  if (!version_fits(request.version, node->version)) {
    return Code::bad_version;
  }
  if (node->num_children() > 0) {
    return Code::not_empty;
  }
  remove_node(path);
  return Code::ok;
}

void Applier::remove_node(const std::string& path) {
  Tree& tree = state_.tree_;
  const std::string parent(parent_path(path));
  const Node* node = tree.find(path);
  const std::int64_t owner = node->is_ephemeral() ? node->owner : 0;
  const AclRef acl = tree.acl_of(*node);
  Tree::Handle handle = tree.extract(path);
  if (owner != 0) {
    state_.sessions_.find(SessionId(owner))->second.ephemerals.erase(path);
    --state_.ephemerals_;
  }
  const Node* parent_node = tree.find(parent);
  const std::int64_t old_pzxid = parent_node->pzxid();
  tree.edit(parent, [this](Node& n) {
    n.below().pzxid = zxid_;
    n.below().cversion += state_.options_.planted == PlantedBug::other_rules ? 1 : 0;
  });
  trigger(zkwire::EventType::node_deleted, path, acl);
  trigger(zkwire::EventType::node_children_changed, parent, tree.acl_of(*parent_node));
  if (!undoable_) {
    tree.discard(std::move(handle));
    return;
  }
  removed_.push_back(std::move(handle));
  undo_.emplace_back([this, path, parent, owner, old_pzxid] {
    Tree& t = state_.tree_;
    t.edit(parent, [old_pzxid](Node& n) { n.below().pzxid = old_pzxid; });
    if (owner != 0) {
      state_.sessions_.find(SessionId(owner))->second.ephemerals.insert(path);
      ++state_.ephemerals_;
    }
    t.reinsert(path, std::move(removed_.back()));
    removed_.pop_back();
  });
}

zkwire::Code Applier::set_data(const zkwire::SetDataRequest& request, zkwire::MultiResult& result) {
  Tree& tree = state_.tree_;
  if (!path_valid(request.path)) {
    return Code::bad_arguments;
  }
  const Node* node = tree.find(request.path);
  if (node == nullptr) {
    return Code::no_node;
  }
  if (!may(*node, zkwire::perm::write)) {
    return Code::no_auth;
  }
  if (!version_fits(request.version, node->version) &&
      state_.options_.planted != PlantedBug::version_ignored) {
    return Code::bad_version;
  }
  const std::int64_t mzxid = node->mzxid;
  const std::int64_t mtime = node->mtime;
  const std::int32_t version = node->version;
  if (undoable_) {
    undo_.emplace_back([this, path = request.path, old = node->buffer(), mzxid, mtime, version] {
      state_.tree_.set_data(path, old, [mzxid, mtime, version](Node& n) {
        n.mzxid = mzxid;
        n.mtime = mtime;
        n.version = version;
      });
    });
  }
  const Node& now = tree.set_data(request.path, *node, request.data, [this](Node& n) {
    n.mzxid = zxid_;
    n.mtime = header_.time.millis;
    n.version = next_version(n.version);
  });
  trigger(zkwire::EventType::node_data_changed, request.path, tree.acl_of(now));
  result.stat = now.stat();
  return Code::ok;
}

zkwire::Code Applier::set_acl(const zkwire::SetAclRequest& request, zkwire::MultiResult& result) {
  Tree& tree = state_.tree_;
  if (!path_valid(request.path)) {
    return Code::bad_arguments;
  }
  const auto acl = fix_acl(request.acl, command_.identities, header_.switches);
  if (!acl.has_value()) {
    return Code::invalid_acl;
  }
  const Node* node = tree.find(request.path);
  if (node == nullptr) {
    return Code::no_node;
  }
  if (!may(*node, zkwire::perm::admin)) {
    return Code::no_auth;
  }
  if (!version_fits(request.version, node->aversion())) {
    return Code::bad_version;
  }
  tree.set_acl(request.path, *acl);
  tree.edit(request.path, [](Node& n) { n.below().aversion = next_version(n.aversion()); });
  result.stat = node->stat();
  return Code::ok;
}

zkwire::Code Applier::check(const zkwire::PathVersionRequest& request) const {
  if (!path_valid(request.path)) {
    return Code::bad_arguments;
  }
  const Node* node = state_.tree_.find(request.path);
  if (node == nullptr) {
    return Code::no_node;
  }
  if (!may(*node, zkwire::perm::read)) {
    return Code::no_auth;
  }
  return version_fits(request.version, node->version) ? Code::ok : Code::bad_version;
}

}  // namespace synod::znode
