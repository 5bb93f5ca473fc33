// The tree of znodes: nodes, names, counts and the digest, without any rule of the protocol.
//
// Children are kept in order of name, so that walking the tree is walking it in canonical order
// (path_less).
//
// Invariants  those of State, I1 and I3. Mutators take paths whose parent is known to exist. A node
//             stays where it is until it is extracted or its data is set.
// Purity      Pure. Memory: see State.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "zkwire/records.h"
#include "znode/acl.h"
#include "znode/node.h"

namespace synod::znode {

// Canonical order: component by component, bytewise.
bool path_less(std::string_view a, std::string_view b);
struct PathLess {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const { return path_less(a, b); }
};

// "/a/b" -> "/a"; "/a" -> "/"; without any '/' "" (no parent).
std::string_view parent_path(std::string_view path);
std::string_view base_name(std::string_view path);
// The rules of PathUtils.validatePath (surrogates, control characters, "." and ".." included).
bool path_valid(std::string_view path);

// The distinct access lists, counted; index 0 is the open list.
class AclTable {
 public:
  AclTable();
  // Counts one more use.
  std::uint32_t intern(const zkwire::AclList& list);
  void add_use(std::uint32_t id);
  void release(std::uint32_t id);
  const AclRef& list(std::uint32_t id) const { return entries_[id].list; }
  std::uint64_t hash(std::uint32_t id) const { return entries_[id].hash; }
  // Of all distinct lists, about.
  std::uint64_t size_bytes() const { return size_bytes_; }

 private:
  struct Entry {
    AclRef list;
    std::uint64_t hash = 0;
    std::uint64_t uses = 0;
  };
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> free_;
  std::map<zkwire::AclList, std::uint32_t> ids_;
  std::uint64_t size_bytes_ = 0;
};

// Hears of every change before it is made; `node` is null where there is none yet.
class TreeObserver {
 public:
  virtual ~TreeObserver() = default;
  virtual void before_change(std::string_view path, const Node* node) = 0;
};

class Tree {
 public:
  using Handle = NodePtr;

  Tree();  // the root alone
  ~Tree();
  Tree(Tree&& other) noexcept;
  Tree& operator=(Tree&& other) noexcept;

  // "" and "/" are the root. nullptr if absent.
  const Node* find(std::string_view path) const;
  const Node& root() const { return *root_; }
  const AclRef& acl_of(const Node& node) const { return acls_.list(node.acl); }

  std::uint64_t nodes() const { return root_->descendants() + std::uint64_t{1}; }
  std::uint64_t data_bytes() const { return data_bytes_; }
  std::uint64_t acl_bytes() const { return acls_.size_bytes(); }
  std::uint64_t digest() const { return digest_; }

  // --- changing. Preconditions: insert: parent present, path absent. Others: path present.
  void insert(std::string_view path, const NewNode& node, const zkwire::AclList& acl);
  // The node must have no children. The handle still counts as a use of its acl: give it to
  // reinsert() or to discard().
  Handle extract(std::string_view path);
  void reinsert(std::string_view path, Handle handle);
  void discard(Handle handle);
  void set_data(std::string_view path, const zkwire::Buffer& data) {
    set_data(path, data, [](Node&) {});
  }
  // Both at once, for the price of one.
  template <typename Edit>
  void set_data(std::string_view path, const zkwire::Buffer& data, Edit edit_node) {
    set_data(path, *find_mutable(path), data, edit_node);
  }
  // The same for a node that was found; gives where it is now.
  template <typename Edit>
  const Node& set_data(std::string_view path, const Node& found, const zkwire::Buffer& data,
                       Edit edit_node) {
    Node* node = const_cast<Node*>(&found);  // NOLINT: our own node
    before(path, node);
    const std::uint64_t path_hash = hash_of_path(path);
    digest_ -= node_digest(path_hash, *node);
    Node& now = replace_data(path, *node, data);
    edit_node(now);
    digest_ += node_digest(path_hash, now);
    return now;
  }
  void set_acl(std::string_view path, const zkwire::AclList& acl);
  // Any of the numbers of the stat: `edit` gets the node and changes nothing else.
  template <typename Edit>
  void edit(std::string_view path, Edit edit_node) {
    edit(path, *find_mutable(path), edit_node);
  }
  // The same for a node that was found: `found` is find(path).
  template <typename Edit>
  void edit(std::string_view path, const Node& found, Edit edit_node) {
    Node* node = const_cast<Node*>(&found);  // NOLINT: our own node
    before(path, node);
    const std::uint64_t path_hash = hash_of_path(path);
    digest_ -= node_digest(path_hash, *node);
    edit_node(*node);
    digest_ += node_digest(path_hash, *node);
  }

  void observe(TreeObserver* observer) { observer_ = observer; }

  // --- loading, in canonical order: nodes are appended below nodes already there. The caller
  // counts descendants. Precondition: `path` is parent's path and a name above those of all its
  // children.
  Node& append(Node& parent, std::string_view path, const NewNode& node,
               const zkwire::AclList& acl);
  Node& replace_root(const NewNode& node, const zkwire::AclList& acl);

  // What one node adds to digest().
  std::uint64_t node_digest(std::string_view path, const Node& node) const {
    return node_digest(hash_of_path(path), node);
  }
  // Empty, or what is wrong: walks everything.
  std::string check() const;

 private:
  static std::uint64_t hash_of_path(std::string_view path);
  std::uint64_t node_digest(std::uint64_t path_hash, const Node& node) const;
  Node& replace_data(std::string_view path, Node& node, const zkwire::Buffer& data);
  Node* find_mutable(std::string_view path);
  void count_ancestors(std::string_view path, std::int32_t change);
  void before(std::string_view path, const Node* node) {
    if (observer_ != nullptr) {
      observer_->before_change(path, node);
    }
  }
  void clear();

  NodePtr root_;
  AclTable acls_;
  std::uint64_t data_bytes_ = 0;
  std::uint64_t digest_ = 0;
  TreeObserver* observer_ = nullptr;
};

}  // namespace synod::znode
