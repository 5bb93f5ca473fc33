#include "znode/child_list.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "znode/node.h"

namespace synod::znode {

ChildList::Place ChildList::lower_bound(std::string_view name) const {
  const auto chunk = std::partition_point(chunks_.begin(), chunks_.end(),
                                          [&](const Chunk& c) { return c.back()->name() < name; });
  if (chunk == chunks_.end()) {
    return {chunks_.size(), 0};
  }
  const auto node = std::partition_point(chunk->begin(), chunk->end(),
                                         [&](const NodePtr& n) { return n->name() < name; });
  return {static_cast<std::size_t>(chunk - chunks_.begin()),
          static_cast<std::size_t>(node - chunk->begin())};
}

Node* ChildList::find(std::string_view name) const {
  Node* node = at(lower_bound(name));
  return node != nullptr && node->name() == name ? node : nullptr;
}

Node& ChildList::insert(NodePtr node) {
  Node& inserted = *node;
  Place place = lower_bound(inserted.name());
  ++size_;
  if (place.chunk == chunks_.size()) {  // behind all others: chunks fill up where names rise
    if (chunks_.empty() || chunks_.back().size() >= chunk_max) {
      chunks_.emplace_back();
    }
    chunks_.back().push_back(std::move(node));
    return inserted;
  }
  if (chunks_[place.chunk].size() >= chunk_max) {
    split(place.chunk);
    place = lower_bound(inserted.name());
  }
  Chunk& chunk = chunks_[place.chunk];
  chunk.insert(chunk.begin() + static_cast<std::ptrdiff_t>(place.index), std::move(node));
  return inserted;
}

void ChildList::split(std::size_t at) {
  Chunk& full = chunks_[at];
  const auto middle = full.begin() + static_cast<std::ptrdiff_t>(full.size() / 2);
  Chunk upper(std::make_move_iterator(middle), std::make_move_iterator(full.end()));
  full.erase(middle, full.end());
  full.shrink_to_fit();
  chunks_.insert(chunks_.begin() + static_cast<std::ptrdiff_t>(at) + 1, std::move(upper));
}

NodePtr ChildList::extract(std::string_view name) {
  const Place place = lower_bound(name);
  SYNOD_CHECK(at(place) != nullptr && at(place)->name() == name);
  Chunk& chunk = chunks_[place.chunk];
  NodePtr node = std::move(chunk[place.index]);
  chunk.erase(chunk.begin() + static_cast<std::ptrdiff_t>(place.index));
  --size_;
  if (chunk.empty()) {
    chunks_.erase(chunks_.begin() + static_cast<std::ptrdiff_t>(place.chunk));
    if (chunks_.empty()) {
      chunks_.shrink_to_fit();
    }
  } else if (chunk.size() * 4 <= chunk.capacity()) {
    chunk.shrink_to_fit();
  }
  return node;
}

NodePtr ChildList::replace(NodePtr node) {
  const Place place = lower_bound(node->name());
  SYNOD_CHECK(at(place) != nullptr && at(place)->name() == node->name());
  std::swap(chunks_[place.chunk][place.index], node);
  return node;
}

}  // namespace synod::znode
