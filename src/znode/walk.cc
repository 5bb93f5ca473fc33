#include "znode/walk.h"

namespace synod::znode {

TreeWalk::TreeWalk(const Tree& tree, std::string_view path) : tree_(tree), root_given_(true) {
  const Node* node = &tree.root();
  path_.clear();
  std::size_t at = 1;
  while (at < path.size() && node->children() != nullptr) {
    const std::size_t slash = path.find('/', at);
    const std::size_t end = slash == std::string_view::npos ? path.size() : slash;
    const std::string_view name = path.substr(at, end - at);
    const ChildList& children = *node->children();
    const ChildList::Place place = children.lower_bound(name);
    const std::size_t base_size = path_.size();
    node = children.at(place);
    if (node == nullptr || node->name() != name) {
      levels_.push_back({&children, place, base_size});
      return;
    }
    levels_.push_back({&children, children.next(place), base_size});
    path_.append("/").append(name);
    at = end + 1;
  }
  if (at >= path.size()) {
    push(*node, path_.size());
  }
}

void TreeWalk::push(const Node& node, std::size_t base_size) {
  if (node.children() != nullptr) {
    levels_.push_back({node.children(), {}, base_size});
  }
}

const Node* TreeWalk::next() {
  if (!root_given_) {
    root_given_ = true;
    path_ = "/";
    push(tree_.root(), 0);
    return &tree_.root();
  }
  while (!levels_.empty()) {
    Level& level = levels_.back();
    const Node* node = level.children->at(level.next);
    if (node == nullptr) {
      levels_.pop_back();
      continue;
    }
    level.next = level.children->next(level.next);
    path_.resize(level.base_size);
    path_.append("/").append(node->name());
    push(*node, path_.size());
    return node;
  }
  return nullptr;
}

}  // namespace synod::znode
