// A hash table that cannot be iterated: the only unordered container allowed in pure folders.
//
// Order of iteration would depend on hash, load and library, and could decide something by accident
// (docs/design.md, section 2). What must be walked lives in an ordered container as well.
//
// Purity  Answers depend on keys and values only.
// Memory  Owns its values. References are valid until the next insert or erase of any key.
#pragma once

#include <cstddef>
#include <unordered_map>
#include <utility>

namespace synod {

template <typename Key, typename Value, typename Hash = std::hash<Key>,
          typename Equal = std::equal_to<>>
class Lookup {
 public:
  // nullptr if absent.
  Value* find(const Key& key) {
    auto it = map_.find(key);
    return it == map_.end() ? nullptr : &it->second;
  }
  const Value* find(const Key& key) const {
    auto it = map_.find(key);
    return it == map_.end() ? nullptr : &it->second;
  }
  bool contains(const Key& key) const { return map_.find(key) != map_.end(); }

  // Inserts a default value if absent.
  Value& operator[](const Key& key) { return map_[key]; }

  // False, and nothing changed, if the key is present already.
  template <typename... Args>
  bool insert(const Key& key, Args&&... args) {
    return map_.try_emplace(key, std::forward<Args>(args)...).second;
  }

  // False if absent.
  bool erase(const Key& key) { return map_.erase(key) != 0; }

  void clear() { map_.clear(); }
  void reserve(std::size_t count) { map_.reserve(count); }
  std::size_t size() const { return map_.size(); }
  bool empty() const { return map_.empty(); }

 private:
  std::unordered_map<Key, Value, Hash, Equal> map_;
};

}  // namespace synod
