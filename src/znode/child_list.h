// The children of one znode, in order of name (bytewise).
//
// Invariants  Names rise from place to place; no chunk is empty or longer than chunk_max.
// Purity      Pure. Memory: eight bytes a child where names come in order, at most 16 and a little
//             where they do not. Inserting moves at most a chunk, and rarely the list of chunks.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

namespace synod::znode {

class Node;

struct FreeNode {
  void operator()(Node* node) const;
};
using NodePtr = std::unique_ptr<Node, FreeNode>;

class ChildList {
 public:
  static constexpr std::size_t chunk_max = 256;

  // Of a child, or the end. Valid until the list changes.
  struct Place {
    std::size_t chunk = 0;
    std::size_t index = 0;
  };

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // nullptr if absent.
  Node* find(std::string_view name) const;

  // The first whose name is not below `name`.
  Place lower_bound(std::string_view name) const;
  // nullptr at the end.
  Node* at(Place place) const {
    return place.chunk < chunks_.size() ? chunks_[place.chunk][place.index].get() : nullptr;
  }
  Place next(Place place) const {
    return place.index + 1 < chunks_[place.chunk].size() ? Place{place.chunk, place.index + 1}
                                                         : Place{place.chunk + 1, 0};
  }

  // Precondition: no child of that name.
  Node& insert(NodePtr node);
  // Precondition: a child of that name.
  NodePtr extract(std::string_view name);
  NodePtr replace(NodePtr node);  // the old one

 private:
  using Chunk = std::vector<NodePtr>;

  void split(std::size_t chunk);

  std::vector<Chunk> chunks_;
  std::size_t size_ = 0;
};

}  // namespace synod::znode
