#include "znode/tree.h"

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
  return node.data_null ? hash_of_null : hash64(node.data, seed_data);
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

}  // namespace

std::int64_t ttl_of_owner(std::int64_t owner) {
  const std::uint64_t bits = word(owner);
  return (bits >> 40) == 0xff0000 ? static_cast<std::int64_t>(bits & word(ttl_ms_max)) : -1;
}

std::int64_t owner_of_ttl(std::int64_t ttl_ms) {
  return static_cast<std::int64_t>(0xff00000000000000ULL | word(ttl_ms));
}

bool Node::is_ephemeral() const {
  return owner != 0 && owner != owner_container && ttl_of_owner(owner) < 0;
}

std::size_t Node::num_children() const {
  return children == nullptr ? 0 : children->by_name.size();
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
  s.cversion = static_cast<std::int32_t>(2U * static_cast<std::uint32_t>(cversion) -
                                         static_cast<std::uint32_t>(s.num_children));
  s.aversion = aversion;
  s.ephemeral_owner = is_ephemeral() ? owner : 0;
  s.data_length = static_cast<std::int32_t>(data.size());
  s.pzxid = pzxid;
  return s;
}

zkwire::Buffer Node::buffer() const { return data_null ? std::nullopt : zkwire::Buffer(data); }

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
  return id;
}

void AclTable::release(std::uint32_t id) {
  Entry& entry = entries_[id];
  SYNOD_CHECK(entry.uses > 0);
  if (id == 0 || --entry.uses > 0) {
    return;
  }
  ids_.erase(*entry.list);
  entry = {};
  free_.push_back(id);
}

Tree::Tree() {
  root_.data_hash = hash_of_data(root_);
  digest_ = node_digest("/", root_);
}

Tree::~Tree() { clear(); }

Tree::Tree(Tree&& other) noexcept
    : root_(std::move(other.root_)),
      acls_(std::move(other.acls_)),
      data_bytes_(other.data_bytes_),
      digest_(other.digest_),
      observer_(other.observer_) {
  other.root_ = Node{};
}

Tree& Tree::operator=(Tree&& other) noexcept {
  if (this != &other) {
    clear();
    root_ = std::move(other.root_);
    other.root_ = Node{};
    acls_ = std::move(other.acls_);
    data_bytes_ = other.data_bytes_;
    digest_ = other.digest_;
    observer_ = other.observer_;
  }
  return *this;
}

// Without recursion: a client may nest nodes as deep as its longest path allows.
void Tree::clear() {
  std::vector<std::unique_ptr<Children>> doomed;
  if (root_.children != nullptr) {
    doomed.push_back(std::move(root_.children));
  }
  while (!doomed.empty()) {
    const std::unique_ptr<Children> children = std::move(doomed.back());
    doomed.pop_back();
    for (auto& entry : children->by_name) {
      if (entry.second.children != nullptr) {
        doomed.push_back(std::move(entry.second.children));
      }
    }
  }
}

const Node* Tree::find(std::string_view path) const {
  if (path.empty() || path == "/") {
    return &root_;
  }
  if (path.front() != '/') {
    return nullptr;
  }
  const Node* node = &root_;
  std::size_t at = 1;
  for (;;) {
    if (node->children == nullptr) {
      return nullptr;
    }
    const std::size_t slash = path.find('/', at);
    const bool last = slash == std::string_view::npos;
    const std::string_view name = path.substr(at, last ? slash : slash - at);
    const auto child = node->children->by_name.find(name);
    if (child == node->children->by_name.end()) {
      return nullptr;
    }
    node = &child->second;
    if (last) {
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
  Node* node = &root_;
  std::size_t at = 1;
  for (;;) {
    node->descendants += static_cast<std::uint32_t>(change);
    const std::size_t slash = path.find('/', at);
    if (slash == std::string_view::npos) {
      return;
    }
    node = &node->children->by_name.find(path.substr(at, slash - at))->second;
    at = slash + 1;
  }
}

void Tree::insert(std::string_view path, Node node, const zkwire::AclList& acl) {
  before(path, nullptr);
  Node* parent = find_mutable(parent_path(path));
  if (parent->children == nullptr) {
    parent->children = std::make_unique<Children>();
  }
  node.acl = acls_.intern(acl);
  node.data_hash = hash_of_data(node);
  digest_ += node_digest(path, node);
  data_bytes_ += path.size() + node.data.size();
  const bool inserted =
      parent->children->by_name.emplace(std::string(base_name(path)), std::move(node)).second;
  SYNOD_CHECK(inserted);
  count_ancestors(path, 1);
}

Tree::Handle Tree::extract(std::string_view path) {
  Node* node = find_mutable(path);
  SYNOD_CHECK(node->children == nullptr);
  before(path, node);
  digest_ -= node_digest(path, *node);
  data_bytes_ -= path.size() + node->data.size();
  count_ancestors(path, -1);
  Node* parent = find_mutable(parent_path(path));
  auto& siblings = parent->children->by_name;
  Handle handle = siblings.extract(siblings.find(base_name(path)));
  if (siblings.empty()) {
    parent->children.reset();
  }
  return handle;
}

void Tree::reinsert(std::string_view path, Handle handle) {
  before(path, nullptr);
  Node* parent = find_mutable(parent_path(path));
  if (parent->children == nullptr) {
    parent->children = std::make_unique<Children>();
  }
  digest_ += node_digest(path, handle.mapped());
  data_bytes_ += path.size() + handle.mapped().data.size();
  parent->children->by_name.insert(std::move(handle));
  count_ancestors(path, 1);
}

void Tree::discard(Handle handle) { acls_.release(handle.mapped().acl); }

void Tree::replace_data(Node& node, zkwire::Buffer data) {
  data_bytes_ -= node.data.size();
  node.data_null = !data.has_value();
  if (data.has_value() && data->size() == node.data.size()) {
    node.data.assign(*data);  // in its place
  } else {
    node.data = std::move(data).value_or(Bytes());
    node.data.shrink_to_fit();
  }
  data_bytes_ += node.data.size();
  node.data_hash = hash_of_data(node);
}

void Tree::set_acl(std::string_view path, const zkwire::AclList& acl) {
  edit(path, [this, &acl](Node& node) {
    const std::uint32_t id = acls_.intern(acl);
    acls_.release(node.acl);
    node.acl = id;
  });
}

Node& Tree::append(Node& parent, std::string_view path, Node node, const zkwire::AclList& acl) {
  if (parent.children == nullptr) {
    parent.children = std::make_unique<Children>();
  }
  auto& siblings = parent.children->by_name;
  node.acl = acls_.intern(acl);
  node.data_hash = hash_of_data(node);
  digest_ += node_digest(path, node);
  data_bytes_ += path.size() + node.data.size();
  return siblings.emplace_hint(siblings.end(), std::string(base_name(path)), std::move(node))
      ->second;
}

Node& Tree::replace_root(Node node, const zkwire::AclList& acl) {
  digest_ -= node_digest("/", root_);
  acls_.release(root_.acl);
  data_bytes_ -= root_.data.size();
  node.acl = acls_.intern(acl);
  node.data_hash = hash_of_data(node);
  root_ = std::move(node);
  data_bytes_ += root_.data.size();
  digest_ += node_digest("/", root_);
  return root_;
}

std::uint64_t Tree::hash_of_path(std::string_view path) { return hash64(path, seed_path); }

std::uint64_t Tree::node_digest(std::uint64_t path_hash, const Node& node) const {
  std::uint64_t h = hash_mix(path_hash, node.data_hash);
  h = hash_mix(h, acls_.hash(node.acl));
  h = hash_mix(h, word(node.czxid));
  h = hash_mix(h, word(node.mzxid));
  h = hash_mix(h, word(node.pzxid));
  h = hash_mix(h, word(node.ctime));
  h = hash_mix(h, word(node.mtime));
  h = hash_mix(h, word(node.owner));
  h = hash_mix(h, static_cast<std::uint32_t>(node.version));
  h = hash_mix(h, static_cast<std::uint32_t>(node.cversion));
  return hash_mix(h, static_cast<std::uint32_t>(node.aversion));
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
    if (node->children != nullptr && node->children->by_name.empty()) {
      return path + ": holds an empty set of children";
    }
    if (node->is_ephemeral() && node->children != nullptr) {
      return path + ": ephemeral with children";
    }
    digest += node_digest(path, *node);
    bytes += node->data.size() + (path == "/" ? 0 : path.size());
    ++nodes;
    kept += node->descendants;
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
