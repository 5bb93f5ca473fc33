#include "znode/node.h"

#include <cstring>
#include <new>

#include "base/check.h"

namespace synod::znode {

std::int64_t ttl_of_owner(std::int64_t owner) {
  const auto bits = static_cast<std::uint64_t>(owner);
  return (bits >> 40) == 0xff0000
             ? static_cast<std::int64_t>(bits & static_cast<std::uint64_t>(ttl_ms_max))
             : -1;
}

std::int64_t owner_of_ttl(std::int64_t ttl_ms) {
  return static_cast<std::int64_t>(0xff00000000000000ULL | static_cast<std::uint64_t>(ttl_ms));
}

void FreeNode::operator()(Node* node) const {
  node->~Node();
  ::operator delete(node);
}

Node::Node(std::string_view name, const zkwire::Buffer& data)
    : name_size_(static_cast<std::uint32_t>(name.size())),
      data_size_(data.has_value() ? static_cast<std::uint32_t>(data->size()) : no_data) {
  name.copy(tail(), name.size());
  if (data.has_value()) {
    data->copy(tail() + name.size(), data->size());
  }
}

NodePtr Node::allocate(std::string_view name, const zkwire::Buffer& data) {
  const std::size_t tail = name.size() + (data.has_value() ? data->size() : 0);
  SYNOD_CHECK(tail < no_data);
  return NodePtr(new (::operator new(sizeof(Node) + tail)) Node(name, data));
}

NodePtr Node::make(std::string_view name, const NewNode& values) {
  NodePtr node = allocate(name, values.data);
  node->czxid = values.czxid;
  node->mzxid = values.mzxid;
  node->ctime = values.ctime;
  node->mtime = values.mtime;
  node->owner = values.owner;
  node->version = values.version;
  if (values.pzxid != values.czxid || values.cversion != 0 || values.aversion != 0) {
    Below& below = node->below();
    below.pzxid = values.pzxid;
    below.cversion = values.cversion;
    below.aversion = values.aversion;
  }
  return node;
}

NodePtr Node::make_from(Node& node, const zkwire::Buffer& data) {
  NodePtr next = allocate(node.name(), data);
  next->czxid = node.czxid;
  next->mzxid = node.mzxid;
  next->ctime = node.ctime;
  next->mtime = node.mtime;
  next->owner = node.owner;
  next->version = node.version;
  next->acl = node.acl;
  next->below_ = std::move(node.below_);
  return next;
}

zkwire::Buffer Node::buffer() const {
  return data_null() ? std::nullopt : zkwire::Buffer(Bytes(data()));
}

void Node::overwrite(ByteView data) { data.copy(tail() + name_size_, data.size()); }

Below& Node::below() {
  if (below_ == nullptr) {
    below_ = std::make_unique<Below>();
    below_->pzxid = czxid;
  }
  return *below_;
}

bool is_session(std::int64_t owner) {
  return owner != 0 && owner != owner_container && ttl_of_owner(owner) < 0;
}

zkwire::Stat Node::stat() const {
  zkwire::Stat s;
  s.czxid = czxid;
  s.mzxid = mzxid;
  s.ctime = ctime;
  s.mtime = mtime;
  s.version = version;
  s.num_children = static_cast<std::int32_t>(num_children());
  // Clients see creations and deletions counted together.
  s.cversion = static_cast<std::int32_t>(2U * static_cast<std::uint32_t>(cversion()) -
                                         static_cast<std::uint32_t>(s.num_children));
  s.aversion = aversion();
  s.ephemeral_owner = is_ephemeral() ? owner : 0;
  s.data_length = static_cast<std::int32_t>(data().size());
  s.pzxid = pzxid();
  return s;
}

}  // namespace synod::znode
