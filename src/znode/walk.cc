#include "znode/walk.h"

namespace synod::znode {

TreeWalk::TreeWalk(const Tree& tree, std::string_view path) : tree_(tree), root_given_(true) {
  const Node* node = &tree.root();
  path_.clear();
  std::size_t at = 1;
  while (at < path.size() && node->children != nullptr) {
    const std::size_t slash = path.find('/', at);
    const std::size_t end = slash == std::string_view::npos ? path.size() : slash;
    const std::string_view name = path.substr(at, end - at);
    const Map& names = node->children->by_name;
    auto it = names.lower_bound(name);
    const std::size_t base_size = path_.size();
    if (it == names.end() || it->first != name) {
      levels_.push_back({&names, it, base_size});
      return;
    }
    node = &it->second;
    levels_.push_back({&names, ++it, base_size});
    path_.append("/").append(name);
    at = end + 1;
  }
  if (at >= path.size()) {
    push(*node, path_.size());
  }
}

void TreeWalk::push(const Node& node, std::size_t base_size) {
  if (node.children != nullptr) {
    levels_.push_back({&node.children->by_name, node.children->by_name.begin(), base_size});
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
    if (level.next == level.names->end()) {
      levels_.pop_back();
      continue;
    }
    const auto it = level.next++;
    path_.resize(level.base_size);
    path_.append("/").append(it->first);
    push(it->second, path_.size());
    return &it->second;
  }
  return nullptr;
}

}  // namespace synod::znode
