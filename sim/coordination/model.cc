#include "sim/coordination/model.h"

#include <fmt/format.h>

namespace synod::sim::coordination {

using zkwire::Code;
using zkwire::EventType;
using zkwire::OpCode;

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

Model::Model() { nodes_["/"].children.insert("zookeeper"); }

const ModelNode* Model::find(const std::string& path) const {
  auto it = nodes_.find(path);
  return it == nodes_.end() ? nullptr : &it->second;
}

// A node about to change; inside a multi its former state is kept.
ModelNode* Model::get(const std::string& path) {
  if (undo_) {
    const ModelNode* before = find(path);
    undo_->try_emplace(path, before == nullptr ? std::nullopt : std::optional<ModelNode>(*before));
  }
  auto it = nodes_.find(path);
  return it == nodes_.end() ? nullptr : &it->second;
}

void Model::changed(std::int64_t zxid, EventType type, const std::string& path) {
  changes_.push_back({zxid, type, path});
}

Code Model::create(const zkwire::CreateRequest& request, std::int64_t session, std::int64_t zxid,
                   std::string& made) {
  const std::string above = parent_of(request.path);
  ModelNode* parent = get(above);
  if (parent == nullptr) {
    return Code::no_node;
  }
  made = request.path;
  if ((request.flags & 2) != 0) {
    made += fmt::format("{:010}", parent->children_made);
  }
  if (get(made) != nullptr) {
    return Code::node_exists;
  }
  if (parent->ephemeral_owner != 0) {
    return Code::no_children_for_ephemerals;
  }
  ++parent->children_made;
  parent->pzxid = zxid;
  parent->children.insert(made.substr(made.rfind('/') + 1));
  ModelNode node;
  node.data = request.data;
  node.czxid = node.mzxid = node.pzxid = zxid;
  node.ephemeral_owner = (request.flags & 1) != 0 ? session : 0;
  nodes_[made] = node;
  changed(zxid, EventType::node_created, made);
  changed(zxid, EventType::node_children_changed, above);
  return Code::ok;
}

Code Model::remove(const std::string& path, std::int32_t version, std::int64_t zxid) {
  const ModelNode* node = find(path);
  if (node == nullptr) {
    return Code::no_node;
  }
  if (version != -1 && version != node->version) {
    return Code::bad_version;
  }
  if (!node->children.empty()) {
    return Code::not_empty;
  }
  const std::string above = parent_of(path);
  get(path);
  nodes_.erase(path);
  ModelNode* parent = get(above);
  parent->pzxid = zxid;
  parent->children.erase(path.substr(path.rfind('/') + 1));
  changed(zxid, EventType::node_deleted, path);
  changed(zxid, EventType::node_children_changed, above);
  return Code::ok;
}

Code Model::set_data(const zkwire::SetDataRequest& request, std::int64_t zxid) {
  ModelNode* node = get(request.path);
  if (node == nullptr) {
    return Code::no_node;
  }
  if (request.version != -1 && request.version != node->version) {
    return Code::bad_version;
  }
  node->data = request.data;
  node->mzxid = zxid;
  ++node->version;
  changed(zxid, EventType::node_data_changed, request.path);
  return Code::ok;
}

Code Model::check(const std::string& path, std::int32_t version) const {
  const ModelNode* node = find(path);
  if (node == nullptr) {
    return Code::no_node;
  }
  return version != -1 && version != node->version ? Code::bad_version : Code::ok;
}

zkwire::MultiReply Model::multi(const zkwire::MultiRequest& request, std::int64_t session,
                                std::int64_t zxid) {
  zkwire::MultiReply reply;
  undo_.emplace();
  const std::size_t changes_before = changes_.size();
  Code failed = Code::ok;
  for (const zkwire::MultiPart& part : request.parts) {
    zkwire::MultiResult result;
    result.type = part.type;
    Code code = Code::ok;
    if (failed != Code::ok) {
      code = Code::runtime_inconsistency;
    } else if (const auto* made = std::get_if<zkwire::CreateRequest>(&part.request)) {
      code = create(*made, session, zxid, result.path);
    } else if (const auto* set = std::get_if<zkwire::SetDataRequest>(&part.request)) {
      code = set_data(*set, zxid);
      if (code == Code::ok) {
        result.stat = stat(*find(set->path));
      }
    } else {
      const auto& named = std::get<zkwire::PathVersionRequest>(part.request);
      code = part.type == OpCode::check ? check(named.path, named.version)
                                        : remove(named.path, named.version, zxid);
    }
    result.code = code;
    failed = failed == Code::ok ? code : failed;
    reply.results.push_back(std::move(result));
  }
  auto undo = std::move(*undo_);
  undo_.reset();
  if (failed == Code::ok) {
    return reply;
  }
  changes_.resize(changes_before);
  for (auto& [path, before] : undo) {
    nodes_.erase(path);
    if (before) {
      nodes_[path] = std::move(*before);
    }
  }
  for (zkwire::MultiResult& result : reply.results) {
    const Code code = result.code;
    result = zkwire::MultiResult{};
    result.type = OpCode::error;
    result.code = code;
  }
  return reply;
}

zkwire::Stat Model::stat(const ModelNode& node) {
  zkwire::Stat stat;
  stat.czxid = node.czxid;
  stat.mzxid = node.mzxid;
  stat.pzxid = node.pzxid;
  stat.version = node.version;
  const auto count = static_cast<std::int32_t>(node.children.size());
  stat.cversion = 2 * node.children_made - count;
  stat.ephemeral_owner = node.ephemeral_owner;
  stat.data_length = node.data ? static_cast<std::int32_t>(node.data->size()) : 0;
  stat.num_children = count;
  return stat;
}

}  // namespace synod::sim::coordination
