// Walking the tree in canonical order, from any place, without recursion.
//
// Memory  Borrows the tree, which must not change while the walk is used.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "znode/tree.h"

namespace synod::znode {

class TreeWalk {
 public:
  // From the root on.
  explicit TreeWalk(const Tree& tree) : tree_(tree) {}
  // From the first node after `path` in canonical order, whether `path` exists or not.
  TreeWalk(const Tree& tree, std::string_view path);

  // nullptr at the end.
  const Node* next();
  // Of the node that next() gave.
  const std::string& path() const { return path_; }

 private:
  struct Level {
    const ChildList* children;
    ChildList::Place next;
    std::size_t base_size;  // of the parent's path, "" for the root
  };

  void push(const Node& node, std::size_t base_size);

  const Tree& tree_;
  std::vector<Level> levels_;
  std::string path_;
  bool root_given_ = false;
};

}  // namespace synod::znode
