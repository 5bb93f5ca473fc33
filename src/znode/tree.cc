#include "znode/tree.h"

#include <utility>

#include "base/check.h"
#include "base/checksum.h"
#include "znode/walk.h"

namespace synod::znode {
namespace {

constexpr std::uint64_t seed_path = 1;
constexpr std::uint64_t seed_data = 2;
constexpr std::uint64_t seed_acl = 3;
constexpr std::uint64_t hash_of_null = 4;

std::uint64_t hash_of_data(const Node& node) {
  return node.data_null() ? hash_of_null : hash64(node.data(), seed_data);
}

std::uint64_t hash_of_acl(const zkwire::AclList& list) {
  std::uint64_t h = seed_acl;
  for (const zkwire::Acl& entry : list) {
    h = hash_mix(h, static_cast<std::uint32_t>(entry.perms));
    h = hash64(entry.id.scheme, h);
    h = hash64(entry.id.id, h);
  }
  return h;
}

std::uint64_t word(std::int64_t v) { return static_cast<std::uint64_t>(v); }

// A list is held twice: by its number and by its content.
std::uint64_t size_of_acl(const zkwire::AclList& list) {
  constexpr std::uint64_t list_bytes = 200;
  constexpr std::uint64_t entry_bytes = 80;
  std::uint64_t size = list_bytes;
  for (const zkwire::Acl& acl : list) {
    size += 2 * (entry_bytes + acl.id.scheme.size() + acl.id.id.size());
  }
  return size;
}

}  // namespace

AclTable::AclTable() {
  zkwire::AclList open = zkwire::open_acl();
  const std::uint64_t hash = hash_of_acl(open);
  ids_.emplace(open, 0);
  entries_.push_back({std::make_shared<const zkwire::AclList>(std::move(open)), hash, 1});
}

std::uint32_t AclTable::intern(const zkwire::AclList& list) {
  const auto known = ids_.find(list);
  if (known != ids_.end()) {
    ++entries_[known->second].uses;
    return known->second;
  }
  std::uint32_t id = 0;
  if (free_.empty()) {
    id = static_cast<std::uint32_t>(entries_.size());
    entries_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  entries_[id] = {std::make_shared<const zkwire::AclList>(list), hash_of_acl(list), 1};
  ids_.emplace(list, id);
  size_bytes_ += size_of_acl(list);
  return id;
}

void AclTable::release(std::uint32_t id) {
  Entry& entry = entries_[id];
  SYNOD_CHECK(entry.uses > 0);
  if (id == 0 || --entry.uses > 0) {
    return;
  }
  size_bytes_ -= size_of_acl(*entry.list);
  ids_.erase(*entry.list);
  entry = {};
  free_.push_back(id);
}

Tree::Tree() : root_(Node::make("", NewNode{})) {
  root_->data_hash = hash_of_data(*root_);
  digest_ = node_digest("/", *root_);
}

Tree::~Tree() { clear(); }

Tree::Tree(Tree&& other) noexcept
    : root_(std::exchange(other.root_, Node::make("", NewNode{}))),
      acls_(std::move(other.acls_)),
      data_bytes_(other.data_bytes_),
      digest_(other.digest_),
      observer_(other.observer_) {}

Tree& Tree::operator=(Tree&& other) noexcept {
  if (this != &other) {
    clear();
    root_ = std::exchange(other.root_, Node::make("", NewNode{}));
    acls_ = std::move(other.acls_);
    data_bytes_ = other.data_bytes_;
    digest_ = other.digest_;
    observer_ = other.observer_;
  }
  return *this;
}

// Without recursion: a client may nest nodes as deep as its longest path allows.
void Tree::clear() {
  std::vector<std::unique_ptr<Below>> doomed;
  doomed.push_back(root_->take_below());
  while (!doomed.empty()) {
    const std::unique_ptr<Below> below = std::move(doomed.back());
    doomed.pop_back();
    if (below == nullptr) {
      continue;
    }
    const ChildList& children = below->children;
    for (auto at = children.lower_bound(""); Node* node = children.at(at); at = children.next(at)) {
      if (node->children() != nullptr) {
        doomed.push_back(node->take_below());
      }
    }
  }
}

const Node* Tree::find(std::string_view path) const {
  if (path.empty() || path == "/") {
    return root_.get();
  }
  if (path.front() != '/') {
    return nullptr;
  }
  const Node* node = root_.get();
  std::size_t at = 1;
  for (;;) {
    if (node->children() == nullptr) {
      return nullptr;
    }
    const std::size_t slash = path.find('/', at);
    const bool last = slash == std::string_view::npos;
    const std::string_view name = path.substr(at, last ? slash : slash - at);
    node = node->children()->find(name);
    if (node == nullptr || last) {
      return node;
    }
    at = slash + 1;
  }
}

Node* Tree::find_mutable(std::string_view path) {
  Node* node = const_cast<Node*>(find(path));  // NOLINT: our own node
  SYNOD_CHECK(node != nullptr);
  return node;
}

void Tree::count_ancestors(std::string_view path, std::int32_t change) {
  Node* node = root_.get();
  std::size_t at = 1;
  for (;;) {
    node->below().descendants += static_cast<std::uint32_t>(change);
    const std::size_t slash = path.find('/', at);
    if (slash == std::string_view::npos) {
      return;
    }
    node = node->below().children.find(path.substr(at, slash - at));
    at = slash + 1;
  }
}

void Tree::insert(std::string_view path, const NewNode& values, const zkwire::AclList& acl) {
  before(path, nullptr);
  Node* parent = find_mutable(parent_path(path));
  NodePtr node = Node::make(base_name(path), values);
  node->acl = acls_.intern(acl);
  node->data_hash = hash_of_data(*node);
  digest_ += node_digest(path, *node);
  data_bytes_ += path.size() + node->data().size();
  parent->below().children.insert(std::move(node));
  count_ancestors(path, 1);
}

Tree::Handle Tree::extract(std::string_view path) {
  Node* node = find_mutable(path);
  SYNOD_CHECK(node->num_children() == 0);
  before(path, node);
  digest_ -= node_digest(path, *node);
  data_bytes_ -= path.size() + node->data().size();
  count_ancestors(path, -1);
  return find_mutable(parent_path(path))->below().children.extract(base_name(path));
}

void Tree::reinsert(std::string_view path, Handle handle) {
  before(path, nullptr);
  digest_ += node_digest(path, *handle);
  data_bytes_ += path.size() + handle->data().size();
  find_mutable(parent_path(path))->below().children.insert(std::move(handle));
  count_ancestors(path, 1);
}

void Tree::discard(Handle handle) { acls_.release(handle->acl); }

Node& Tree::replace_data(std::string_view path, Node& node, const zkwire::Buffer& data) {
  data_bytes_ -= node.data().size();
  data_bytes_ += data.has_value() ? data->size() : 0;
  Node* now = &node;
  if (data.has_value() && !node.data_null() && data->size() == node.data().size()) {
    node.overwrite(*data);
  } else if (data.has_value() || !node.data_null()) {
    NodePtr next = Node::make_from(node, data);
    now = next.get();
    if (&node == root_.get()) {
      root_ = std::move(next);
    } else {
      find_mutable(parent_path(path))->below().children.replace(std::move(next));
    }
  }
  now->data_hash = hash_of_data(*now);
  return *now;
}

void Tree::set_acl(std::string_view path, const zkwire::AclList& acl) {
  edit(path, [this, &acl](Node& node) {
    const std::uint32_t id = acls_.intern(acl);
    acls_.release(node.acl);
    node.acl = id;
  });
}

Node& Tree::append(Node& parent, std::string_view path, const NewNode& values,
                   const zkwire::AclList& acl) {
  NodePtr node = Node::make(base_name(path), values);
  node->acl = acls_.intern(acl);
  node->data_hash = hash_of_data(*node);
  digest_ += node_digest(path, *node);
  data_bytes_ += path.size() + node->data().size();
  return parent.below().children.insert(std::move(node));
}

Node& Tree::replace_root(const NewNode& values, const zkwire::AclList& acl) {
  digest_ -= node_digest("/", *root_);
  acls_.release(root_->acl);
  data_bytes_ -= root_->data().size();
  clear();
  root_ = Node::make("", values);
  root_->acl = acls_.intern(acl);
  root_->data_hash = hash_of_data(*root_);
  data_bytes_ += root_->data().size();
  digest_ += node_digest("/", *root_);
  return *root_;
}

std::uint64_t Tree::hash_of_path(std::string_view path) { return hash64(path, seed_path); }

std::uint64_t Tree::node_digest(std::uint64_t path_hash, const Node& node) const {
  std::uint64_t h = hash_mix(path_hash, node.data_hash);
  h = hash_mix(h, acls_.hash(node.acl));
  h = hash_mix(h, word(node.czxid));
  h = hash_mix(h, word(node.mzxid));
  h = hash_mix(h, word(node.pzxid()));
  h = hash_mix(h, word(node.ctime));
  h = hash_mix(h, word(node.mtime));
  h = hash_mix(h, word(node.owner));
  h = hash_mix(h, static_cast<std::uint32_t>(node.version));
  h = hash_mix(h, static_cast<std::uint32_t>(node.cversion()));
  return hash_mix(h, static_cast<std::uint32_t>(node.aversion()));
}

std::string Tree::check() const {
  std::uint64_t digest = 0;
  std::uint64_t bytes = 0;
  std::uint64_t nodes = 0;
  std::uint64_t below = 0;  // summed twice: by depth, and by the counts kept in the nodes
  std::uint64_t kept = 0;
  TreeWalk walk(*this);
  while (const Node* node = walk.next()) {
    const std::string& path = walk.path();
    if (node->data_hash != hash_of_data(*node)) {
      return path + ": the hash of its data is stale";
    }
    if (node->is_ephemeral() && node->num_children() > 0) {
      return path + ": ephemeral with children";
    }
    digest += node_digest(path, *node);
    bytes += node->data().size() + (path == "/" ? 0 : path.size());
    ++nodes;
    kept += node->descendants();
    if (path != "/") {
      for (char c : path) {
        below += c == '/' ? 1 : 0;
      }
    }
  }
  if (digest != digest_) {
    return "the digest is not the sum over the nodes";
  }
  if (bytes != data_bytes_ || nodes != this->nodes() || below != kept) {
    return "a count does not agree with the tree";
  }
  return {};
}

}  // namespace synod::znode
